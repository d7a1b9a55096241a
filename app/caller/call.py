"""A recorded call: speaks recordings to an assistant as a caller would, and notes both sides."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from app.caller.answering import TAKEOVER_TIMEOUT_S, Answering
from app.caller.assistants import AssistantSide
from app.caller.main_task import (
    Failure,
    MainTask,
    Parts,
    build_main_task,
    hang_up,
    run_conversation,
)
from app.caller.recording import RecordedMicrophone, Recording, RecordingSpeaker
from app.caller.transcript import Line, Speaker, Transcript
from app.services import Roles
from app.telemetry.tracing import traced_call
from proxy import DirectBus

# Counted from when everything on this side works. The first answer waits for the services of the
# other side to start; the later ones for a model and a voice.
GREETING_TIMEOUT_S = 60.0
RECOGNITION_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 60.0

# A caller speaks when the other side has been silent for a moment.
PAUSE_S = 0.6

# After the last recording the assistant may say goodbye and end; if it does not, the caller does.
FAREWELL_TIMEOUT_S = 4.0


@dataclass
class CallResult:
    """How a call went.

    Attributes:
        transcript: Both sides.
        speaker: What the caller heard.
        ended_by_assistant: Whether the assistant ended the conversation.
        error: Why the conversation did not take place, or None if it did.
    """

    transcript: Transcript
    speaker: RecordingSpeaker
    ended_by_assistant: bool = False
    error: str | None = None


class SpeechWatcher(FrameProcessor):
    """Knows whether the assistant is speaking, or about to.

    Attributes:
        speaking: Whether it is heard.
        answering: Whether it has more to say.
        changed: Set when that may have changed.
    """

    def __init__(self) -> None:
        """Start in silence."""
        super().__init__(name="speech-watcher")
        self.speaking = False
        self.answering = Answering()
        self.changed = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow the output transport.

        Args:
            frame: Any frame.
            direction: Where it is going.
        """
        await super().process_frame(frame, direction)
        if isinstance(frame, BotStartedSpeakingFrame | BotStoppedSpeakingFrame):
            self.speaking = isinstance(frame, BotStartedSpeakingFrame)
            self.changed.set()
        elif direction is FrameDirection.DOWNSTREAM:
            before = self.timeout_s
            self.answering.follow(frame)
            if self.timeout_s != before:
                self.changed.set()
        await self.push_frame(frame, direction)

    @property
    def timeout_s(self) -> float:
        """How long to wait for a change before the caller speaks."""
        if self.speaking or self.answering.open:
            return ANSWER_TIMEOUT_S
        return TAKEOVER_TIMEOUT_S if self.answering.awaited else PAUSE_S


@dataclass
class Call:
    """One recorded call.

    Attributes:
        side: Where the assistant is.
        recordings: What the caller says, one after the other.
        on_line: Called with every turn as it is complete.
        on_failure: Called with every failure that either side reports.
    """

    side: AssistantSide
    recordings: Sequence[Recording]
    on_line: Callable[[Line], None] = lambda line: None
    on_failure: Callable[[Failure], None] = lambda failure: None
    _news: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _watcher: SpeechWatcher = field(default_factory=SpeechWatcher, init=False)
    _transcript: Transcript = field(init=False)
    _turns: list["_Turn"] = field(default_factory=list, init=False)

    async def hold(self, roles: Roles, phrases: tuple[str, ...] = ()) -> CallResult:
        """Hold the call.

        Args:
            roles: Makes the caller's recogniser and voice.
            phrases: What the recogniser should expect.

        Returns:
            How it went; never raises for what the other side does.
        """
        with traced_call():
            return await self._hold(roles, phrases)

    async def _hold(self, roles: Roles, phrases: tuple[str, ...]) -> CallResult:
        runner = WorkerRunner(bus=DirectBus(), handle_sigint=False)
        microphone, speaker = RecordedMicrophone(), RecordingSpeaker()
        voice = None if await self.side.speaks() else roles.tts()
        main = build_main_task(
            runner.bus,
            Parts(microphone, roles.stt(phrases), voice, speaker, watchers=(self._watcher,)),
            stays=self.side.stays,
        )
        main.on_failure = self.on_failure
        self._transcript = Transcript(self._add)
        self._transcript.follow(main)
        await self.side.join(runner, main.worker)
        await runner.add_workers(main.worker)
        result = CallResult(self._transcript, speaker)
        running = asyncio.create_task(run_conversation(runner, main), name="call")
        talking = asyncio.create_task(self._talk(main, microphone), name="talk")
        interrupted = True
        try:
            await asyncio.wait({running, talking}, return_when=asyncio.FIRST_COMPLETED)
            if talking.done():
                await asyncio.wait({running}, timeout=FAREWELL_TIMEOUT_S)
            result.ended_by_assistant = running.done()
            interrupted = False
        finally:
            talking.cancel()
            await hang_up(runner, running, at_once=interrupted)
        result.error = self.side.error or main.problem or self._judge(talking)
        return result

    def _add(self, line: Line) -> None:
        self._news.set()
        self.on_line(line)

    async def _talk(self, main: MainTask, microphone: RecordedMicrophone) -> None:
        await self.side.begin(main.worker)
        await main.started.wait()  # a main task that does not start in time ends the call
        problem = "the assistant did not greet"
        await self._lines_of(Speaker.ASSISTANT, 1, GREETING_TIMEOUT_S, problem)
        await self._silence()
        for recording in self.recordings:
            turn = _Turn(self._said(Speaker.CALLER), self._said(Speaker.ASSISTANT))
            self._turns.append(turn)
            logger.info(f"Caller speaks {recording.name}")
            await microphone.say(recording)
            problem = f"{recording.name} was not recognised as speech"
            await self._lines_of(Speaker.CALLER, turn.heard + 1, RECOGNITION_TIMEOUT_S, problem)
            problem = f"{recording.name} was not answered"
            await self._lines_of(Speaker.ASSISTANT, turn.answers + 1, ANSWER_TIMEOUT_S, problem)
            await self._silence()

    async def _lines_of(self, speaker: Speaker, count: int, timeout_s: float, problem: str) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while self._said(speaker) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise CallFailed(problem) from None

    async def _silence(self) -> None:
        """Wait until the assistant has been silent for a moment, and has nothing more to say."""
        while True:
            self._watcher.changed.clear()
            try:
                async with asyncio.timeout(self._watcher.timeout_s):
                    await self._watcher.changed.wait()
            except TimeoutError:
                # What has not come by now is not waited for again.
                self._watcher.answering = Answering()
                return

    def _judge(self, talking: "asyncio.Task[None]") -> str | None:
        if talking.done() and not talking.cancelled():
            problem = talking.exception()
            if isinstance(problem, CallFailed):
                return str(problem)
            if problem is not None:
                raise problem
            return None
        # The assistant ended it. Each recording but the last was waited for; was that one answered?
        count, total = len(self._turns), len(self.recordings)
        if count == total and all(self._took_place(turn) for turn in self._turns):
            return None
        if count == 0:
            return "the assistant ended the conversation before the caller spoke"
        name = self.recordings[count - 1].name
        return f"the assistant ended the conversation at {name}, recording {count} of {total}"

    def _took_place(self, turn: "_Turn") -> bool:
        heard, answers = self._said(Speaker.CALLER), self._said(Speaker.ASSISTANT)
        return heard > turn.heard and answers > turn.answers

    def _said(self, speaker: Speaker) -> int:
        return len(self._transcript.said_by(speaker))


@dataclass(frozen=True)
class _Turn:
    """How many lines each side had when a recording was played.

    Attributes:
        heard: The caller's.
        answers: The assistant's.
    """

    heard: int
    answers: int


class CallFailed(Exception):  # noqa: N818  # it is an outcome that is reported, not raised on
    """The conversation did not go as a conversation does."""
