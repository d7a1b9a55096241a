"""A caller in a process of its own: is told what to say, and tells what it heard.

    python -m tests.end_to_end.caller URL [HEARTBEAT_S]

Lines of JSON come in and go out. `{"say": text}` is said to the assistant, `{"interrupt": null}`
interrupts it. What goes out has one key each, see `Told`.
"""

import asyncio
import json
import sys
from enum import StrEnum
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    FunctionCallInProgressFrame,
    InterruptionFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from app.caller.main_task import MainTask, Parts, build_main_task, run_conversation
from proxy import DirectBus, WebSocketProxyClientTask, backoff
from proxy.handshake import TrunkOptions
from proxy.pulse import Patience

# Somebody who speaks faster than anybody can.
PAUSE_S = 0.01


class Told(StrEnum):
    """What the caller tells."""

    TEXT = "text"  # a piece of an answer came
    TOOL = "tool"  # the assistant calls a tool
    TURN = "turn"  # the assistant's turn is over; all that it said in it
    SPOKEN = "spoken"  # a piece of an answer was spoken aloud
    SILENCED = "silenced"  # the voice was interrupted
    INTERRUPTED = "interrupted"  # the connection is lost; the close code
    RESUMED = "resumed"  # the session goes on
    GAP = "gap"  # frames are missing; how many
    GONE = "gone"  # the line is gone for good; the close code


def tell(what: Told, value: object = None) -> None:
    sys.stdout.write(json.dumps({what: value}) + "\n")
    sys.stdout.flush()


class Voice(FrameProcessor):
    """Stands in for a voice and a loudspeaker: takes text, and takes its time to speak it."""

    def __init__(self) -> None:
        super().__init__(name="voice")
        self._waiting: asyncio.Queue[str] = asyncio.Queue()

    async def speak(self) -> None:
        while True:
            tell(Told.SPOKEN, (await self._waiting.get()).strip())
            await asyncio.sleep(PAUSE_S)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case LLMTextFrame():
                tell(Told.TEXT, frame.text)
                self._waiting.put_nowait(frame.text)
            case FunctionCallInProgressFrame():
                tell(Told.TOOL, dict(frame.arguments))
            case InterruptionFrame() if direction is FrameDirection.DOWNSTREAM:
                while not self._waiting.empty():
                    self._waiting.get_nowait()
                tell(Told.SILENCED)
        await self.push_frame(frame, direction)


def listen(line: WebSocketProxyClientTask, main: MainTask, runner: WorkerRunner) -> None:
    """Tell what happens to the line and to the assistant's turns."""

    async def on_remote_ready(_: object, names: tuple[str, ...]) -> None:
        await main.worker.activate_worker(names[0])

    async def on_disconnected(_: object, error: Any) -> None:
        tell(Told.GONE, int(error.code))
        await runner.end(reason="the line is gone")

    async def on_connect_failed(_: object, error: Any) -> None:
        logger.error(f"The caller cannot dial: {error}")
        await runner.cancel(reason="nobody is there")

    def on_turn(_: object, message: Any) -> None:
        if message.content:
            tell(Told.TURN, message.content)

    line.add_event_handler("on_remote_ready", on_remote_ready)
    line.add_event_handler("on_disconnected", on_disconnected)
    line.add_event_handler("on_connect_failed", on_connect_failed)
    line.add_event_handler(
        "on_line_interrupted", lambda _, error: tell(Told.INTERRUPTED, int(error.code))
    )
    line.add_event_handler("on_line_resumed", lambda *_: tell(Told.RESUMED))
    line.add_event_handler("on_resume_gap", lambda _, gap: tell(Told.GAP, gap.lost))
    main.assistant.add_event_handler("on_assistant_turn_stopped", on_turn)


async def obey(main: MainTask) -> None:
    """Say what the test wants said."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        match json.loads(line):
            case {"say": text}:
                said: list[Any] = [{"role": "user", "content": text}]
                frame: Frame = LLMMessagesAppendFrame(messages=said, run_llm=True)
                await main.worker.queue_frame(frame)
            case {"interrupt": _}:
                await main.worker.queue_frame(InterruptionFrame())


async def call(url: str, heartbeat_s: float) -> None:
    """Hold one conversation."""
    runner, voice = WorkerRunner(bus=DirectBus(), handle_sigint=False), Voice()
    line = WebSocketProxyClientTask(
        "line",
        url=url,
        local_task_name="caller",
        active=True,
        options=TrunkOptions(patience=Patience(heartbeat_s=heartbeat_s)),
    )
    main = build_main_task(runner.bus, Parts(output=voice), stays=line.stays)
    listen(line, main, runner)
    await runner.add_workers(main.worker, line)
    others = [asyncio.create_task(obey(main)), asyncio.create_task(voice.speak())]
    try:
        await run_conversation(runner, main)
    finally:
        for task in others:
            task.cancel()


if __name__ == "__main__":
    # Minutes are compressed into seconds, and so are the pauses between dials.
    backoff.BASE_S, backoff.CAP_S = 0.02, 0.2
    logger.remove()
    logger.add(sys.stderr, level="INFO", diagnose=False)
    asyncio.run(call(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 5.0))
