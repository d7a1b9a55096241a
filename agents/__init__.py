"""Assistants: recipes that build the tasks of one session, and what they are made of."""

from agents.discovery import Assistants, discover
from agents.errors import AgentsError, DuplicateAssistantError, RecipeError
from agents.recipe import Recipe, assistant
from agents.script import Call, Reply, Say, Script, Turn
from agents.session import Services, SessionContext

__all__ = [
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
]
