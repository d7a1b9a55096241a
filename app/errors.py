"""What can go wrong in a program, in words for the person at the terminal.

AppError
├── SettingsError        a setting is unknown, malformed or missing
├── MissingExtraError    a part is not installed; says which extra brings it
└── ServiceError         an embedded or vendor service cannot do its work
"""


class AppError(Exception):
    """Base of every error that a program reports in one line, without a traceback."""


class SettingsError(AppError):
    """A setting is unknown, malformed or missing."""


class MissingExtraError(AppError):
    """A part is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        """Say what to install.

        Args:
            what: The part that is missing.
            extra: The extra of this distribution that brings it.
        """
        super().__init__(f"{what} is not installed: pip install 'trunkline[{extra}]'")
        self.extra = extra


class ServiceError(AppError):
    """A service cannot do its work."""
