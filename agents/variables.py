"""Variables of assistants, read where the settings are: the environment, then `.env`."""

import os

from dotenv import dotenv_values

ENV_FILE = ".env"


def variable(name: str) -> str | None:
    """Read a variable; None if it is not set, or empty.

    Args:
        name: Its name.
    """
    return os.environ.get(name) or dotenv_values(ENV_FILE).get(name) or None
