"""Watching what an assistant has for its caller's screen."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from pipecat.frames.frames import Frame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.workers.runner import WorkerRunner

from app.caller.assistants import AssistantSide
from tests.proxy.conversation import WAIT_S


@dataclass
class Watched:
    """An assistant's side, and what reached the end of the caller's pipeline for a screen.

    Attributes:
        side: The assistant's side.
        error: See `AssistantSide`; what the side says is not passed on.
        news: What there was to show, in order.
    """

    side: AssistantSide
    error: str | None = None
    news: list[Any] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, kind: str) -> list[Any]:
        """Return the news of a kind, without saying again which that is."""
        return [
            {key: value for key, value in news.items() if key != "trunkline"}
            for news in self.news
            if news.get("trunkline") == kind
        ]

    def active(self) -> list[str]:
        """Return who talked to the caller, in order."""
        return [news["task"] for news in self.of("active")]

    def jobs(self) -> list[tuple[str, str, str | None]]:
        """Return of each news of a job the task, the state and the text."""
        return [(news["task"], news["state"], news.get("text")) for news in self.of("job")]

    async def until(self, count: int, **parts: Any) -> list[Any]:
        """Wait for so much news with certain parts, and return it."""
        try:
            async with asyncio.timeout(WAIT_S):
                while len(found := [news for news in self.news if _has(news, parts)]) < count:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"{parts} is not {count} times in {self.news}") from None
        return found

    def stays(self, frame: type[Frame]) -> bool:
        return self.side.stays(frame)

    async def speaks(self) -> bool:
        return await self.side.speaks()

    async def join(self, runner: WorkerRunner, main: PipelineWorker) -> None:
        main.set_reached_downstream_filter((RTVIServerMessageFrame,))
        main.add_event_handler("on_frame_reached_downstream", self._keep)
        await self.side.join(runner, main)

    async def begin(self, main: PipelineWorker) -> None:
        await self.side.begin(main)

    def _keep(self, _: PipelineWorker, frame: RTVIServerMessageFrame) -> None:
        self.news.append(frame.data)
        self._more.set()


def _has(news: Any, parts: dict[str, Any]) -> bool:
    return all(news.get(key) == value for key, value in parts.items())
