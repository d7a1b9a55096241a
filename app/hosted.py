"""The assistants of a program: the built-in ones, and those of the modules in its settings."""

from loguru import logger

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


def hosted(settings: Settings, assistants: Assistants) -> Assistants:
    """Keep the assistants that a server hosts, and log why it does not host the others.

    Args:
        settings: The settings.
        assistants: What there is.

    Raises:
        SettingsError: If the default assistant is among the others.
    """
    for name, why in not_hosted(assistants).items():
        if name == settings.default_assistant:
            raise SettingsError(f"{variable_of('default_assistant')}: {why}")
        logger.info(f"{why[0].upper()}{why[1:]}")
    return Assistants(recipe for recipe in assistants.values() if recipe.not_hosted is None)


def not_hosted(assistants: Assistants) -> dict[str, str]:
    """Say of every assistant that a server does not host why, and what to do about it.

    Args:
        assistants: What there is.
    """
    return {name: why for name in assistants if (why := assistants[name].not_hosted)}
