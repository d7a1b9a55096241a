"""The embedded recogniser: PocketSphinx in its own process, fed while the caller speaks."""

import asyncio
import contextlib
import json
import struct
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    UserAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.utils.time import time_now_iso8601

from app.embedded.ending import kill
from app.embedded.language_model import TrigramModel
from app.embedded.pre_roll import SAMPLE_RATE_HZ, PreRoll
from app.errors import MissingExtraError

# Put behind an utterance, so that the last word has an end.
TRAILING_SILENCE_S = 0.3

# Measured here: 0.04 s after the last audio, 0.4 s for the first utterance; a busy machine takes
# several times as long.
TTFS_P99_S = 1.2

# Loading the models takes half a second here.
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 2.0

_HEADER = struct.Struct(">cI")


class SphinxSTTService(STTService):
    """Recognises English on this machine.

    Needs 16 kHz mono input and a voice activity detector in the user's aggregator.
    """

    def __init__(self, phrases: Sequence[str] = (), **kwargs: Any) -> None:
        """Prepare the recogniser; the process starts with the pipeline.

        Args:
            phrases: What callers say, in lower case without punctuation. They are preferred where
                the audio fits them; everything else is recognised as general English.
            **kwargs: Further arguments of `STTService`.

        Raises:
            MissingExtraError: If pocketsphinx is not installed.
        """
        try:
            import pocketsphinx  # noqa: F401
        except ModuleNotFoundError:
            raise MissingExtraError("pocketsphinx", "embedded") from None
        settings = STTSettings(model="pocketsphinx-en-us", language=Language.EN_US)
        super().__init__(
            sample_rate=SAMPLE_RATE_HZ, ttfs_p99_latency=TTFS_P99_S, settings=settings, **kwargs
        )
        self._phrases = tuple(phrases)
        self._process: asyncio.subprocess.Process | None = None
        self._answers: asyncio.Task[None] | None = None
        self._pre_roll = PreRoll()
        self._hearing = False

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Start the decoder's process and wait until its models are loaded.

        Args:
            setup: What the pipeline offers.
        """
        await super().setup(setup)
        # Read while the decoder loads, and by nobody after that. So it is gone before the call goes
        # on, also where that ends in a hurry and nothing is cleaned up, or not to the end.
        with tempfile.TemporaryDirectory(prefix="trunkline-lm-") as folder:
            self._process = await _loaded(_write_model(self._phrases, Path(folder)))
        assert self._process.stdout is not None
        self._answers = self.create_task(self._read_answers(self._process.stdout), "answers")

    async def cleanup(self) -> None:
        """End the decoder's process."""
        try:
            await super().cleanup()
            if self._answers is not None:
                await self.cancel_task(self._answers)
                self._answers = None
        finally:
            if self._process is not None:
                await _end(self._process)
                self._process = None

    async def process_audio_frame(
        self, frame: InputAudioRawFrame, direction: FrameDirection
    ) -> None:
        """Pass audio to the decoder while the caller speaks, keep a little of it otherwise.

        Args:
            frame: 16-bit mono PCM at 16 kHz.
            direction: Where the frame is going.
        """
        self._user_id = frame.user_id if isinstance(frame, UserAudioRawFrame) else ""
        if self._hearing:
            await self._send(b"A", frame.audio)
            return
        self._pre_roll.add(frame.audio)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow the voice activity detector.

        Args:
            frame: Any frame.
            direction: Where the frame is going.
        """
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStartedSpeakingFrame) and not self._hearing:
            self._hearing = True
            await self._send(b"S")
            await self._send(b"A", self._pre_roll.take())
        elif isinstance(frame, VADUserStoppedSpeakingFrame) and self._hearing:
            self._hearing = False
            await self._send(b"A", bytes(int(TRAILING_SILENCE_S * SAMPLE_RATE_HZ) * 2))
            await self._send(b"E")

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Not used: audio goes to the decoder as it arrives.

        Args:
            audio: Ignored.

        Yields:
            Nothing.
        """
        nothing: tuple[Frame, ...] = ()
        for frame in nothing:
            yield frame

    async def _send(self, kind: bytes, payload: bytes = b"") -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(_HEADER.pack(kind, len(payload)) + payload)
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return  # the reader of its answers has told

    async def _read_answers(self, stdout: asyncio.StreamReader) -> None:
        while line := await stdout.readline():
            answer = json.loads(line)
            if answer.get("partial"):
                await self.push_frame(
                    InterimTranscriptionFrame(
                        answer["partial"], self._user_id, time_now_iso8601(), Language.EN_US
                    )
                )
            elif "final" in answer:
                await self._push_final(answer["final"])
        await self.push_error("the embedded recogniser ended", force_treat_as_permanent=True)

    async def _push_final(self, text: str) -> None:
        if text:
            final = TranscriptionFrame(text, self._user_id, time_now_iso8601(), Language.EN_US)
            final.finalized = True
            await self.push_frame(final)


def _write_model(phrases: Sequence[str], folder: Path) -> list[str]:
    """Write down what callers say; returns the decoder's arguments."""
    if not phrases:
        return []
    path = folder / "phrases.arpa"
    path.write_text(TrigramModel(phrases).arpa())
    return [str(path)]


async def _loaded(arguments: list[str]) -> asyncio.subprocess.Process:
    """Start a decoder's process and wait until its models are loaded."""
    pipe = asyncio.subprocess.PIPE
    # In a session of its own, so that Ctrl-C leaves its end to us.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.embedded.sphinx_worker", *arguments),
        stdin=pipe,
        stdout=pipe,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            await process.stdout.readline()
    except BaseException:
        # It does not hear that its input ends, and writes beside what it reads.
        await _end(process, at_once=True)
        raise
    return process


async def _end(process: asyncio.subprocess.Process, *, at_once: bool = False) -> None:
    """End a process that stops when its input does; kill one that does not, or has no time to."""
    if process.stdin is not None:
        process.stdin.close()
    if at_once:
        kill(process)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
    finally:
        kill(process)
    await process.wait()
