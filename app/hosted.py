"""The assistants of a program: the built-in ones, and those of the modules in its settings."""

from agents import AgentsError, Assistants, discover
from app.errors import SettingsError
from app.settings import Settings, variable_of


def load_assistants(settings: Settings) -> Assistants:
    """Find the assistants that the settings name.

    Args:
        settings: The settings.

    Raises:
        SettingsError: If a module cannot be imported or holds no recipe, if two recipes have one
            name, or if the default assistant is not among them.
    """
    try:
        assistants = discover(settings.assistant_modules)
    except AgentsError as error:
        raise SettingsError(f"{variable_of('assistant_modules')}: {error}") from None
    if settings.default_assistant not in assistants:
        known = ", ".join(assistants)
        raise SettingsError(
            f"{variable_of('default_assistant')}: there is no assistant "
            f"{settings.default_assistant!r}, only {known}"
        )
    return assistants
