"""The caller's main task: transport, recogniser, conversation, bridge, voice, transport.

The same pipeline serves a browser, a recording and a keyboard; parts that a caller does not have
are left out. The conversation is kept here, next to the caller; the assistants see it over the
bridge.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.bus import WorkerBus
from pipecat.frames.frames import ErrorFrame, Frame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker, ProcessorUnusablePolicy
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMAssistantAggregator,
    LLMContextAggregatorPair,
    LLMUserAggregator,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.processors.frameworks.rtvi import RTVIObserverParams, RTVIProcessor
from pipecat.processors.frameworks.rtvi.frames import RTVIClientMessageFrame, RTVISendTextFrame
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.errors import ErrorCategory
from pipecat.workers.runner import WorkerRunner

from app.telemetry.tracing import tracing
from proxy import CallerBridge

MAIN_NAME = "caller"

# The embedded recogniser and Smart Turn hear 16 kHz; 24 kHz is what the vendors' voices speak.
AUDIO_IN_HZ = 16000
AUDIO_OUT_HZ = 24000


# What was said last is still to be heard when a caller hangs up.
HANG_UP_TIMEOUT_S = 15.0

# A person who presses Ctrl-C waits this long at most for each of two steps.
GONE_TIMEOUT_S = 2.0


# Loading the recogniser and the detector of speech takes a second; many on a machine that is small,
# or busy.
SETUP_TIMEOUT_S = 60.0

NOT_STARTED = "the recogniser or the voice did not start here in time; is this machine busy?"


# What a caller's program said, for whoever watches this pipeline. What the assistant is to know of
# it is in the conversation.
_SAID_BY_PROGRAMS = frozenset({RTVIClientMessageFrame, RTVISendTextFrame})


@dataclass(frozen=True)
class Parts:
    """What a caller has.

    Attributes:
        input: Where audio comes from; None for a caller who types.
        stt: The recogniser; None for a caller who types.
        tts: The voice; None for a caller who reads, and where the assistant speaks for itself.
        output: Where audio goes to.
        last_word: Says to the caller why the conversation ends, ahead of the output; None where
            nobody wants to know.
        watchers: Processors that see everything the caller gets, behind the output.
        rtvi: Speaks with the caller's program; None for Pipecat's own way.
        reported: What that program is told; None for Pipecat's choice.
    """

    input: FrameProcessor | None = None
    stt: FrameProcessor | None = None
    tts: FrameProcessor | None = None
    output: FrameProcessor | None = None
    last_word: FrameProcessor | None = None
    watchers: Sequence[FrameProcessor] = field(default_factory=tuple)
    rtvi: RTVIProcessor | None = None
    reported: RTVIObserverParams | None = None


@dataclass(frozen=True)
class Failure:
    """A service that failed, on either side.

    Attributes:
        text: What to tell the caller; holds no text of an exception.
        in_tool: Whether it was a tool of the assistant, which can still answer.
    """

    text: str
    in_tool: bool = False


@dataclass
class MainTask:
    """The main task and the two ends of its conversation.

    Attributes:
        worker: The task.
        user: Says when the caller's turns begin and end, and what was said.
        assistant: The same for the assistant's turns.
        on_failure: Called with every failure that is reported.
        problem: Why the task cannot go on, such as a recogniser whose key is wrong; None if it can.
        started: Set when the recogniser, the voice and everything else of the caller work.
    """

    worker: PipelineWorker
    user: LLMUserAggregator
    assistant: LLMAssistantAggregator
    on_failure: Callable[[Failure], None] = lambda failure: None
    problem: str | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Note what fails, which service gave up, and whether all of them began."""

        async def on_error(_: PipelineWorker, frame: ErrorFrame) -> None:
            category = frame.category or ErrorCategory.UNKNOWN
            # Frames of another process do not say who failed.
            who = frame.processor.name if frame.processor is not None else "the assistant"
            reason = category.value.replace("_", " ")
            if frame.exception is not None:
                reason += f", {type(frame.exception).__name__}"
            in_tool = category is ErrorCategory.APPLICATION
            what = "a tool failed" if in_tool else f"a service failed ({reason})"
            self.on_failure(Failure(f"{who}: {what}", in_tool))
            if frame.processor is not None and not frame.processor.is_usable:
                self.problem = f"{who} can no longer do its job ({reason})"

        async def on_started(*_: object) -> None:
            self.started.set()

        async def on_late(*_: object) -> None:
            # An end that takes too long is reported in the same way.
            if not self.started.is_set():
                self.problem = NOT_STARTED

        self.worker.add_event_handler("on_pipeline_error", on_error)
        self.worker.add_event_handler("on_pipeline_started", on_started)
        self.worker.add_event_handler("on_setup_timeout", on_late)
        self.worker.add_event_handler("on_pipeline_timeout", on_late)


def build_main_task(
    bus: WorkerBus,
    parts: Parts,
    *,
    stays: Callable[[type[Frame]], bool],
    idle_timeout_s: float | None = None,
) -> MainTask:
    """Build the main task of one conversation.

    Args:
        bus: The bus of the runner that will run it.
        parts: What the caller has.
        stays: Tells which frames the assistant does not want.
        idle_timeout_s: Seconds without speech after which the conversation is given up; None to
            wait for ever.
    """
    aggregators = LLMContextAggregatorPair(LLMContext(), user_params=_user_params(parts))
    bridge = CallerBridge(
        bus=bus,
        worker_name=MAIN_NAME,
        name=f"{MAIN_NAME}::bridge",
        stays=lambda frame: frame in _SAID_BY_PROGRAMS or stays(frame),
    )
    processors = (
        parts.input,
        parts.stt,
        aggregators.user(),
        bridge,
        parts.tts,
        parts.last_word,
        parts.output,
        *parts.watchers,
        aggregators.assistant(),
    )
    worker = PipelineWorker(
        Pipeline([processor for processor in processors if processor is not None]),
        name=MAIN_NAME,
        params=PipelineParams(
            audio_in_sample_rate=AUDIO_IN_HZ,
            audio_out_sample_rate=AUDIO_OUT_HZ,
            enable_metrics=True,
            enable_usage_metrics=True,
        ),
        idle_timeout_secs=idle_timeout_s,
        setup_timeout_secs=SETUP_TIMEOUT_S,
        processor_unusable_policy=ProcessorUnusablePolicy.END,
        enable_tracing=tracing(),
        rtvi_processor=parts.rtvi,
        rtvi_observer_params=parts.reported,
    )
    return MainTask(worker, aggregators.user(), aggregators.assistant())


async def run_conversation(runner: WorkerRunner, main: MainTask) -> None:
    """Run until somebody ends the runner, or the main task is over.

    Other tasks on the runner wait for messages for ever; without the main task none will come.

    Args:
        runner: The caller's runner, with everything added.
        main: The caller's main task.
    """

    async def end_with_main() -> None:
        await main.worker.wait()
        await runner.end(reason="the main task is over")

    ending = asyncio.create_task(end_with_main(), name="end-with-main")
    try:
        await runner.run(auto_end=False)
    finally:
        ending.cancel()


async def hang_up(
    runner: WorkerRunner, running: "asyncio.Task[None]", *, at_once: bool = False
) -> None:
    """End a conversation from the caller's side; bounded, whatever the other side does.

    Args:
        runner: The caller's runner.
        running: The task of `run_conversation`.
        at_once: Drop what is still to be said, as somebody waits for the program to be gone.
    """
    if at_once:
        await runner.cancel(reason="the caller is gone")
    else:
        await runner.end(reason="the caller hangs up")
    await asyncio.wait({running}, timeout=GONE_TIMEOUT_S if at_once else HANG_UP_TIMEOUT_S)
    running.cancel()
    await asyncio.wait({running}, timeout=GONE_TIMEOUT_S)


def _user_params(parts: Parts) -> LLMUserAggregatorParams:
    if parts.stt is None:
        # Nobody speaks, so nobody has to detect when they stop.
        return LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
    return LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
