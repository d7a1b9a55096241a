"""What can go wrong with recipes.

AgentsError
├── RecipeError              a recipe is declared or built wrongly
└── DuplicateAssistantError  two recipes with one name
"""


class AgentsError(Exception):
    """Base of every error that this package raises."""


class RecipeError(AgentsError):
    """A recipe is declared wrongly, cannot be imported, or built something it should not."""


class DuplicateAssistantError(AgentsError):
    """Two recipes have one name, so a URL would not say which is meant."""
