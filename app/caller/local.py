"""The assistant's side of a caller in one process."""

from pipecat.frames.frames import Frame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.registry.types import WorkerReadyData
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from agents import AgentsError, Recipe, SessionContext
from agents.display import CallerDisplay
from app.caller.main_task import MAIN_NAME
from app.errors import AppError
from app.failures import failure_of
from app.services import Roles
from proxy import DirectBus
from proxy.codec.rules import HOME


class LocalAssistant:
    """An assistant in this process; see `app.caller.assistants.AssistantSide`.

    Attributes:
        error: Always None; an assistant here cannot be out of reach.
    """

    def __init__(self, recipe: Recipe, roles: Roles, *, has_screen: bool = False) -> None:
        """Prepare.

        Args:
            recipe: The assistant.
            roles: Makes its services.
            has_screen: See `RemoteAssistant`.
        """
        self.error: str | None = None
        self._has_screen = has_screen
        self._recipe = recipe
        self._roles = roles
        self._runner: WorkerRunner | None = None

    def stays(self, frame: type[Frame]) -> bool:
        """Tell whether the assistant does not want such frames; see `AssistantSide.stays`."""
        return frame in HOME and frame not in self._recipe.frames

    async def speaks(self) -> bool:
        """Tell what the recipe says."""
        return self._recipe.speaks

    async def join(self, runner: WorkerRunner, main: PipelineWorker) -> None:
        """Add the assistant's tasks; see `AssistantSide.join`.

        Raises:
            AppError: If they cannot be built.
        """
        self._runner = runner
        context = SessionContext(
            session_id="local",
            principal="local",
            services=self._roles.for_assistant(self._recipe),
        )
        tasks = await self._build(context)
        if self._has_screen and isinstance(runner.bus, DirectBus):
            bus = runner.bus
            bus.display = CallerDisplay(bus, self._recipe, tasks, lambda: MAIN_NAME)
        await runner.add_workers(*tasks)

    async def _build(self, context: SessionContext) -> list[BaseWorker]:
        try:
            return await self._recipe.tasks_on_loop(context)
        except AppError:
            raise
        except AgentsError as error:
            raise AppError(str(error)) from None
        except Exception as error:
            what = f"the assistant {self._recipe.name!r} could not be built"
            raise AppError(f"{what}: {failure_of(error)}") from error

    async def begin(self, main: PipelineWorker) -> None:
        """Activate the first task as soon as it is ready, and the caller is there to hear it."""
        assert self._runner is not None
        registry, first = self._runner.registry, self._recipe.exports[0]

        async def on_ready(_: WorkerReadyData) -> None:
            await main.activate_worker(first)

        async def on_main_ready(_: WorkerReadyData) -> None:
            await registry.watch(first, on_ready)

        await registry.watch(main.name, on_main_ready)
