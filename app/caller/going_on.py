"""How a conversation goes on when whoever served it is gone, wherever the assistant is.

The conversation is kept here, next to the caller. Another session of the assistant is given all of
it, and is told that the line broke off, so that it does not begin with a second greeting.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.llm import LLMWorkerActivationArgs
from pipecat.workers.runner import WorkerRunner

from app.caller.floor import Floor
from app.caller.main_task import MAIN_NAME
from proxy import CloseCode, LinkClosedError, WebSocketProxyClientTask, may_reconnect

# Whoever serves is replaced so often in one conversation; more deaths have a cause that goes on.
MAX_REPLACED = 10

# What the task that goes on with the conversation is told.
BROKE_OFF = (
    "The line to you broke off for a moment, and whatever was under way is lost. Go on with the "
    "conversation: say briefly that you are back, and answer what the caller said last."
)


def is_lost(line: WebSocketProxyClientTask, error: LinkClosedError) -> bool:
    """Tell whether a line ended in a way after which another can carry the conversation on.

    Args:
        line: The line.
        error: Why it ended.
    """
    if error.code == CloseCode.ENDED or line.ending:
        return False
    # Whoever comes back to a session that is gone has not lost the conversation.
    return may_reconnect(error.code) or error.code == CloseCode.SESSION_GONE


class GoingOn:
    """What one conversation keeps in order to go on.

    Attributes:
        floor: Who has the floor, and what is under way.
        finished: Whether the caller's side is over, so that nothing goes on.
    """

    def __init__(self) -> None:
        """Begin with a conversation in which nothing was said."""
        self.floor = Floor(MAIN_NAME)
        self.finished = False
        self._replaced = 0
        self._replacing: set[asyncio.Task[None]] = set()
        self._runner: WorkerRunner | None = None

    def looking(self) -> bool:
        """Tell whether another session is looked for."""
        return bool(self._replacing)

    async def join(self, runner: WorkerRunner, main: PipelineWorker) -> None:
        """Watch a conversation.

        Args:
            runner: The caller's runner, not running yet.
            main: The caller's main task.
        """
        self._runner = runner
        main.add_event_handler("on_pipeline_finished", self._on_finished)
        await runner.bus.subscribe(self.floor)

    def replace(self, replacing: Coroutine[Any, Any, None]) -> None:
        """Look for another session in the background, until the conversation is over.

        Args:
            replacing: What looks for it.
        """
        task = asyncio.create_task(replacing, name="replace")
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)

    async def break_off(self, tasks: Iterable[str]) -> bool:
        """End what tasks that are gone have begun, so that nobody waits for the rest.

        Args:
            tasks: The tasks.

        Returns:
            Whether to look for others; False if they are lost again and again.
        """
        assert self._runner is not None
        self._replaced += 1
        for task in tasks:
            for message in self.floor.ended_for(task):
                await self._runner.bus.send(message)
        return self._replaced <= MAX_REPLACED

    def first_words(self) -> LLMWorkerActivationArgs | None:
        """Return what to activate the holder of the floor with; None if nobody had it yet."""
        if not self.floor.holder:
            return None
        told: list[Any] = [{"role": "developer", "content": BROKE_OFF}]
        return LLMWorkerActivationArgs(messages=told)

    def _on_finished(self, *_: object) -> None:
        """Look for nothing more: the caller's conversation is over."""
        self.finished = True
        for replacing in self._replacing:
            replacing.cancel()
