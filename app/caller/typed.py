"""A typed conversation: text in, streaming text out, tool calls visible."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipecat.frames.frames import (
    Frame,
    FunctionCallInProgressFrame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    TTSTextFrame,
)
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.workers.runner import WorkerRunner

from agents.display import KIND
from app.caller.answering import TAKEOVER_TIMEOUT_S, Answering
from app.caller.assistants import AssistantSide
from app.caller.main_task import Failure, Parts, build_main_task, hang_up, run_conversation
from app.telemetry.tracing import traced_call
from proxy import DirectBus

# After the last line the assistant may end the conversation; if it does not, the caller does.
FAREWELL_TIMEOUT_S = 2.0

# Assistants speak first. One that has not begun by now, which is later than a model's deadline,
# waits to be spoken to.
GREETING_TIMEOUT_S = 20.0

# A model has its own deadline, far shorter, and tools may be slow.
ANSWER_TIMEOUT_S = 120.0


class Screen(Protocol):
    """Where a typed conversation is shown."""

    def text(self, text: str) -> None:
        """Show the next piece of an answer."""

    def tool(self, name: str, arguments: object) -> None:
        """Show that the assistant calls a tool."""

    def job(self, news: Mapping[str, Any]) -> None:
        """Show what became of a job between the assistant's tasks; see `agents.display`."""

    def turn_over(self) -> None:
        """The assistant has finished; it is the caller's turn."""

    def problem(self, text: str) -> None:
        """Show that something failed."""


@dataclass
class TypedResult:
    """How a typed conversation went.

    Attributes:
        ended_by_assistant: Whether the assistant ended it.
        interrupted: Whether the caller hung up in the middle.
        error: Why it did not take place, or None if it did.
    """

    ended_by_assistant: bool = False
    interrupted: bool = False
    error: str | None = None


class AnswerWatcher(FrameProcessor):
    """Shows answers as they grow, and knows whose turn it is."""

    def __init__(self, screen: Screen) -> None:
        """Start with the assistant's turn: it speaks first.

        Args:
            screen: Where to show answers.
        """
        super().__init__(name="answer-watcher")
        self.callers_turn = asyncio.Event()
        # Not set while a transfer was announced, and whoever takes over has not begun to speak.
        self.taken_over = asyncio.Event()
        self.taken_over.set()
        self._answering = Answering()
        self._screen = screen
        self._answers = 0
        self._failures = 0
        self._spoke = False

    @property
    def answered(self) -> bool:
        """Whether there was an answer that was not an apology for a failure."""
        return self._answers > self._failures

    def asked(self) -> None:
        """The caller said something; wait for an answer."""
        self.callers_turn.clear()

    def failed(self, failure: Failure) -> None:
        """Show a failure."""
        self._failures += not failure.in_tool
        self._screen.problem(failure.text)

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
        over = self._answering.follow(frame)
        match frame:
            case LLMTextFrame() | TTSTextFrame():
                # The text of an assistant that speaks for itself comes with its sound, in words or
                # sentences.
                apart = self._spoke and not frame.includes_inter_frame_spaces
                self._spoke = self._spoke or bool(frame.text.strip())
                self._screen.text(f" {frame.text}" if apart else frame.text)
            case LLMFullResponseStartFrame():
                self.callers_turn.clear()
                self.taken_over.set()
            case FunctionCallInProgressFrame():
                self._screen.tool(frame.function_name, frame.arguments)
            case RTVIServerMessageFrame(data=dict() as news) if news.get(KIND) == "job":
                self._screen.job(news)
        if over:
            if self._answering.awaited:
                self.taken_over.clear()
            self._answers += self._spoke
            self._spoke = False
            self._screen.turn_over()
            self.callers_turn.set()


@dataclass
class TypedConversation:
    """One typed conversation.

    Attributes:
        side: Where the assistant is.
        screen: Where it is shown.
        may_interrupt: Whether a line that comes early interrupts the assistant; otherwise it waits.
        answer_timeout_s: How long an answer may take before the conversation is given up.
        greeting_timeout_s: How long to wait for the assistant to speak first.
        takeover_timeout_s: How long to wait for whoever takes over to begin to speak.
        farewell_timeout_s: How long it may take, after the last line, to end the conversation.
    """

    side: AssistantSide
    screen: Screen
    may_interrupt: bool = True
    answer_timeout_s: float = ANSWER_TIMEOUT_S
    greeting_timeout_s: float = GREETING_TIMEOUT_S
    takeover_timeout_s: float = TAKEOVER_TIMEOUT_S
    farewell_timeout_s: float = FAREWELL_TIMEOUT_S
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def stop(self) -> None:
        """Hang up."""
        self._stop.set()

    async def hold(self, lines: AsyncIterator[str]) -> TypedResult:
        """Hold the conversation until one side ends it.

        Args:
            lines: What the caller types; its end hangs up.

        Returns:
            How it went; never raises for what the other side does.
        """
        with traced_call():
            return await self._hold(lines)

    async def _hold(self, lines: AsyncIterator[str]) -> TypedResult:
        runner = WorkerRunner(bus=DirectBus(), handle_sigint=False)
        watcher = AnswerWatcher(self.screen)
        main = build_main_task(runner.bus, Parts(watchers=(watcher,)), stays=self.side.stays)
        main.on_failure = watcher.failed
        await self.side.join(runner, main.worker)
        await runner.add_workers(main.worker)
        running = asyncio.create_task(run_conversation(runner, main), name="conversation")
        typing = asyncio.create_task(self._type(main.worker, watcher, lines), name="typing")
        stopping = asyncio.create_task(self._stop.wait())
        result = TypedResult(interrupted=True)
        try:
            await asyncio.wait({running, typing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if typing.done():
                await asyncio.wait({running, stopping}, timeout=self.farewell_timeout_s)
            result.ended_by_assistant = running.done()
            result.interrupted = self._stop.is_set()
        finally:
            for task in (typing, stopping):
                task.cancel()
            await hang_up(runner, running, at_once=result.interrupted)
        result.error = self.side.error or self._judge(typing, watcher)
        return result

    def _judge(self, typing: "asyncio.Task[None]", watcher: AnswerWatcher) -> str | None:
        problem = typing.exception() if typing.done() and not typing.cancelled() else None
        if isinstance(problem, TimeoutError):
            return f"the assistant did not answer within {self.answer_timeout_s:g} s"
        if problem is not None:
            raise problem
        if watcher.answered or self._stop.is_set():
            return None
        return "the assistant did not answer"

    async def _type(
        self, main: PipelineWorker, watcher: AnswerWatcher, lines: AsyncIterator[str]
    ) -> None:
        await self.side.begin(main)
        if not self.may_interrupt:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.greeting_timeout_s):
                    await watcher.callers_turn.wait()
        waited = True
        async for line in lines:
            if not line.strip():
                continue
            if not (self.may_interrupt or waited):
                # Whoever took the conversation over may have begun to speak.
                await self._callers_turn(watcher)
            waited = False
            if not watcher.callers_turn.is_set():
                await main.queue_frame(InterruptionFrame())
            watcher.asked()
            said: list[Any] = [{"role": "user", "content": line.strip()}]
            await main.queue_frame(LLMMessagesAppendFrame(messages=said, run_llm=True))
            if not self.may_interrupt:
                await self._callers_turn(watcher)
        await self._callers_turn(watcher)

    async def _callers_turn(self, watcher: AnswerWatcher) -> None:
        async with asyncio.timeout(self.answer_timeout_s):
            await watcher.callers_turn.wait()
            while not (watcher.taken_over.is_set() and watcher.callers_turn.is_set()):
                if not await self._is_taken_over(watcher):
                    return
                await watcher.callers_turn.wait()

    async def _is_taken_over(self, watcher: AnswerWatcher) -> bool:
        try:
            async with asyncio.timeout(self.takeover_timeout_s):
                await watcher.taken_over.wait()
        except TimeoutError:
            watcher.taken_over.set()
            return False
        return True
