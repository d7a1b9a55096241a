"""Which tasks of an assistant a pool has, and which of them are elsewhere."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipecat.workers.base_worker import BaseWorker

from agents import AgentsError, Recipe, SessionContext
from agents.recipe import Build
from app.errors import AppError
from app.failures import failure_of
from app.server.building import Builder
from app.services import Roles


@dataclass(frozen=True)
class Share:
    """What a pool has of an assistant.

    Attributes:
        recipe: Builds the tasks that it has, and no others; exports all of them to the line.
        all_tasks: All tasks of the assistant.
        exports: Those that a caller may address.
        family: See `ServerLineOptions.family`; empty for a pool that has every task.
    """

    recipe: Recipe
    all_tasks: tuple[str, ...]
    exports: tuple[str, ...]
    family: frozenset[str] = frozenset()

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that the pool has."""
        whole = not self.family
        return self.all_tasks if whole else self.recipe.exports


async def share_of(
    recipe: Recipe, wanted: Sequence[str], roles: Roles, builder: Builder, *, timeout_s: float
) -> Share:
    """Find out which tasks an assistant has, by building it once, and take some of them.

    Args:
        recipe: The assistant.
        wanted: The tasks that the pool is to have; none for all.
        roles: Makes the assistant's services.
        builder: Builds the tasks.
        timeout_s: How long that may take.

    Raises:
        AppError: If the assistant cannot be built, or has no such task.
    """
    context = SessionContext("start", "start", roles.for_assistant(recipe))
    try:
        async with asyncio.timeout(timeout_s):
            tasks = await builder.build(recipe, context)
    except AppError:
        raise
    except AgentsError as error:
        raise AppError(str(error)) from None
    except Exception as error:
        what = f"the assistant {recipe.name!r} could not be built"
        raise AppError(f"{what}: {failure_of(error)}") from error
    return _share(recipe, tuple(task.name for task in tasks), wanted)


def _share(recipe: Recipe, names: tuple[str, ...], wanted: Sequence[str]) -> Share:
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise AppError(
            f"the assistant {recipe.name!r} has no task {', '.join(map(repr, unknown))}, "
            f"only {', '.join(names)}"
        )
    kept = frozenset(wanted or names)
    exported = [name for name in recipe.exports if name in kept]
    ordered = (*exported, *(name for name in names if name in kept and name not in exported))
    if len(kept) == len(names):
        return Share(recipe, names, recipe.exports)
    hidden = kept.difference(recipe.exports)
    return Share(
        replace(recipe, exports=ordered, build=_building(recipe, kept)),
        names,
        recipe.exports,
        frozenset(names) - kept | hidden,
    )


def _building(recipe: Recipe, kept: frozenset[str]) -> Build:
    """Return what builds some of an assistant's tasks; on the loop if the recipe does."""

    def chosen(tasks: Sequence[BaseWorker]) -> list[BaseWorker]:
        return [task for task in tasks if task.name in kept]

    async def build_on_loop(session: SessionContext) -> list[BaseWorker]:
        return chosen(await recipe.tasks_on_loop(session))

    def build(session: SessionContext) -> list[BaseWorker]:
        return chosen(recipe.tasks(session))

    return build_on_loop if recipe.is_async else build
