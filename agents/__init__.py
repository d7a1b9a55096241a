"""Assistants: recipes that build the tasks of one session, and what they are made of."""

from agents.discovery import Assistants, discover
from agents.display import show
from agents.errors import AgentsError, DuplicateAssistantError, RecipeError
from agents.recipe import GATEWAY, Recipe, assistant
from agents.script import Call, Reply, Say, Script, Turn
from agents.session import Services, SessionContext

__all__ = [
    "GATEWAY",
    "AgentsError",
    "Assistants",
    "Call",
    "DuplicateAssistantError",
    "Recipe",
    "RecipeError",
    "Reply",
    "Say",
    "Script",
    "Services",
    "SessionContext",
    "Turn",
    "assistant",
    "discover",
    "show",
]
