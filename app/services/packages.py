"""Which packages the roles need, looked up without importing any of them."""

import importlib.util
from typing import Literal

from app.errors import MissingExtraError
from app.settings import Settings

Role = Literal["stt", "llm", "tts"]


def missing_part(role: Role, settings: Settings) -> MissingExtraError | None:
    """Tell what is not installed of a role, or None.

    Args:
        role: The role.
        settings: The settings, which say who plays it.
    """
    if role == "tts" and settings.tts_vendor == "embedded":
        from app.embedded.voices import find_voice

        try:
            find_voice()
        except MissingExtraError as error:
            return error
        return None
    module, extra = {
        "stt": ("pocketsphinx", settings.stt_vendor),
        "llm": ("openai", settings.llm_vendor),
        "tts": ("cartesia", settings.tts_vendor),
    }[role]
    if extra == "deepgram":
        module = "deepgram"
    installed = importlib.util.find_spec(module) is not None
    return None if installed else MissingExtraError(f"the package {module}", extra)
