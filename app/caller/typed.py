"""A typed conversation: text in, streaming text out, tool calls visible."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
)
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from app.caller.assistants import AssistantSide
from app.caller.main_task import Parts, build_main_task, run_conversation
from proxy import DirectBus

# After the last line the assistant may end the conversation; if it does not, the caller does.
FAREWELL_TIMEOUT_S = 2.0
HANG_UP_TIMEOUT_S = 15.0


class Screen(Protocol):
    """Where a typed conversation is shown."""

    def text(self, text: str) -> None:
        """Show the next piece of an answer."""

    def tool(self, name: str, arguments: object) -> None:
        """Show that the assistant calls a tool."""

    def turn_over(self) -> None:
        """The assistant has finished; it is the caller's turn."""


class AnswerWatcher(FrameProcessor):
    """Shows answers as they grow, and knows whose turn it is."""

    def __init__(self, screen: Screen) -> None:
        """Start with the assistant's turn: it speaks first.

        Args:
            screen: Where to show answers.
        """
        super().__init__(name="answer-watcher")
        self.callers_turn = asyncio.Event()
        self._screen = screen
        self._calls: set[str] = set()

    def asked(self) -> None:
        """The caller said something; wait for an answer."""
        self.callers_turn.clear()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow the assistant's turn.

        Args:
            frame: Any frame.
            direction: Where it is going.
        """
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM:
            self._follow(frame)
        await self.push_frame(frame, direction)

    def _follow(self, frame: Frame) -> None:
        match frame:
            case LLMTextFrame():
                self._screen.text(frame.text)
            case LLMFullResponseStartFrame():
                self.callers_turn.clear()
            case FunctionCallsStartedFrame():
                self._calls |= {call.tool_call_id for call in frame.function_calls}
            case FunctionCallInProgressFrame():
                self._screen.tool(frame.function_name, frame.arguments)
            case FunctionCallResultFrame() | FunctionCallCancelFrame():
                self._calls.discard(frame.tool_call_id)
            case LLMFullResponseEndFrame() if not self._calls:
                self._screen.turn_over()
                self.callers_turn.set()


@dataclass
class TypedConversation:
    """One typed conversation.

    Attributes:
        side: Where the assistant is.
        screen: Where it is shown.
        may_interrupt: Whether a line that comes early interrupts the assistant; otherwise it waits.
    """

    side: AssistantSide
    screen: Screen
    may_interrupt: bool = True
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def stop(self) -> None:
        """Hang up."""
        self._stop.set()

    async def hold(self, lines: AsyncIterator[str]) -> bool:
        """Hold the conversation until one side ends it.

        Args:
            lines: What the caller types; its end hangs up.

        Returns:
            Whether the assistant ended it.
        """
        runner = WorkerRunner(bus=DirectBus(), handle_sigint=False)
        watcher = AnswerWatcher(self.screen)
        main = build_main_task(runner.bus, Parts(watchers=(watcher,)))
        await self.side.join(runner, main.worker)
        await runner.add_workers(main.worker)
        running = asyncio.create_task(run_conversation(runner, main), name="conversation")
        typing = asyncio.create_task(self._type(main.worker, watcher, lines), name="typing")
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({running, typing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if typing.done():
                await asyncio.wait({running, stopping}, timeout=FAREWELL_TIMEOUT_S)
            return running.done()
        finally:
            for task in (typing, stopping):
                task.cancel()
            await runner.end(reason="the caller hangs up")
            await asyncio.wait({running}, timeout=HANG_UP_TIMEOUT_S)
            running.cancel()

    async def _type(
        self, main: PipelineWorker, watcher: AnswerWatcher, lines: AsyncIterator[str]
    ) -> None:
        await self.side.begin(main)
        if not self.may_interrupt:
            await watcher.callers_turn.wait()
        async for line in lines:
            if not line.strip():
                continue
            if not watcher.callers_turn.is_set():
                await main.queue_frame(InterruptionFrame())
            watcher.asked()
            said: list[Any] = [{"role": "user", "content": line.strip()}]
            await main.queue_frame(LLMMessagesAppendFrame(messages=said, run_llm=True))
            if not self.may_interrupt:
                await watcher.callers_turn.wait()
        await watcher.callers_turn.wait()
