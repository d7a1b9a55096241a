"""Finding recipes: every package in this folder, and every module that the settings name."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType

import agents
from agents.errors import DuplicateAssistantError, RecipeError
from agents.recipe import Recipe


class Assistants(Mapping[str, Recipe]):
    """The assistants of one process, by name."""

    def __init__(self, recipes: Iterable[Recipe]) -> None:
        """Index recipes by name.

        Raises:
            DuplicateAssistantError: If two different recipes have one name.
        """
        self._recipes: dict[str, Recipe] = {}
        for recipe in recipes:
            known = self._recipes.setdefault(recipe.name, recipe)
            if known is not recipe:
                raise DuplicateAssistantError(f"two assistants are called {recipe.name!r}")

    def __getitem__(self, name: str) -> Recipe:
        """Return the assistant of a name."""
        return self._recipes[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in order."""
        return iter(sorted(self._recipes))

    def __len__(self) -> int:
        """Count the assistants."""
        return len(self._recipes)


def discover(modules: Iterable[str] = ()) -> Assistants:
    """Import the built-in assistants and those of other modules.

    Args:
        modules: Names of further modules, importable from the current path.

    Raises:
        RecipeError: If a module cannot be imported or holds no recipe.
        DuplicateAssistantError: If two recipes have one name.
    """
    found: list[Recipe] = []
    for name in _builtin_modules():
        found += _recipes_in(importlib.import_module(name))
    for name in modules:
        found += _named(name)
    return Assistants(found)


def _builtin_modules() -> list[str]:
    return [
        f"{agents.__name__}.{entry.name}"
        for entry in pkgutil.iter_modules(agents.__path__)
        if entry.ispkg
    ]


def _named(name: str) -> list[Recipe]:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise RecipeError(
            f"the assistants module {name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    recipes = _recipes_in(module)
    if not recipes:
        raise RecipeError(f"the assistants module {name!r} has no @assistant in it")
    return recipes


def _recipes_in(module: ModuleType) -> list[Recipe]:
    return [value for value in vars(module).values() if isinstance(value, Recipe)]
