"""A caller made of recordings: a transport that speaks WAV files and writes down what it hears."""

import asyncio
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    InputAudioRawFrame,
    OutputAudioRawFrame,
    StartFrame,
)
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams

from app.caller.main_task import AUDIO_IN_HZ, AUDIO_OUT_HZ
from app.caller.wav import WavError, read_wav
from app.errors import AppError

# What a microphone delivers at a time.
CHUNK_S = 0.02

# A loudspeaker plays on from its buffer while a piece is this late; a timer alone is late by a
# millisecond, which between all pieces would be heard as a hum.
JITTER_S = 0.1

# A recording of a question is a few seconds long; a bound keeps a mistaken file from hours.
MAX_RECORDING_S = 120.0
MAX_RECORDING_BYTES = 200_000_000


@dataclass(frozen=True)
class Recording:
    """One thing that the caller says.

    Attributes:
        name: The file's name.
        audio: 16-bit mono PCM at 16 kHz.
    """

    name: str
    audio: bytes

    @classmethod
    def load(cls, path: Path) -> "Recording":
        """Read a WAV file of any rate, width and number of channels.

        Args:
            path: The file; PCM.

        Raises:
            AppError: If it cannot be read, is damaged, is not PCM, or is empty or too long.
        """
        try:
            if not path.is_file() and path.exists():
                raise AppError(f"{path}: not a file")
            if path.stat().st_size > MAX_RECORDING_BYTES:
                raise AppError(f"{path}: larger than {MAX_RECORDING_BYTES // 1_000_000} MB")
            wav = read_wav(path.read_bytes(), max_s=MAX_RECORDING_S)
        except OSError as error:
            raise AppError(f"{path}: {error.strerror}") from None
        except WavError as error:
            raise AppError(f"{path}: {error}") from None
        mono = wav.samples.mean(axis=1) * 32768.0
        heard = soxr.resample(mono, wav.rate_hz, AUDIO_IN_HZ)
        return cls(path.name, heard.clip(-32768, 32767).astype(np.int16).tobytes())


class RecordedMicrophone(BaseInputTransport):
    """Delivers audio at the pace of a microphone: recordings when told to, silence otherwise."""

    def __init__(self) -> None:
        """Prepare; it delivers from the start of the pipeline."""
        super().__init__(TransportParams(audio_in_enabled=True, audio_in_sample_rate=AUDIO_IN_HZ))
        self._pending = bytearray()
        self._silent = asyncio.Event()
        self._silent.set()
        self._pacing: asyncio.Task[None] | None = None

    async def say(self, recording: Recording) -> None:
        """Speak a recording and return when its last sample was delivered.

        Args:
            recording: What to say.
        """
        self._silent.clear()
        self._pending += recording.audio
        await self._silent.wait()

    async def start(self, frame: StartFrame) -> None:
        """Start delivering.

        Args:
            frame: The start of the pipeline.
        """
        await super().start(frame)
        await self.set_transport_ready(frame)
        self._pacing = self.create_task(self._pace(), "microphone")

    async def stop(self, frame: EndFrame) -> None:
        """Stop delivering."""
        await super().stop(frame)
        await self._stop_pacing()

    async def cancel(self, frame: CancelFrame) -> None:
        """Stop delivering."""
        await super().cancel(frame)
        await self._stop_pacing()

    async def cleanup(self) -> None:
        """Stop delivering, whatever happened before."""
        await super().cleanup()
        await self._stop_pacing()

    async def _stop_pacing(self) -> None:
        self._silent.set()
        if self._pacing is not None:
            pacing, self._pacing = self._pacing, None
            await self.cancel_task(pacing)

    async def _pace(self) -> None:
        loop = asyncio.get_running_loop()
        size = int(AUDIO_IN_HZ * CHUNK_S) * 2
        due = loop.time()
        while True:
            chunk = bytes(self._pending[:size])
            del self._pending[:size]
            frame = InputAudioRawFrame(chunk.ljust(size, b"\0"), AUDIO_IN_HZ, 1)
            await self.push_audio_frame(frame)
            # What was handed over last may wait in the transport until something is behind it.
            if not (chunk or self._pending):
                self._silent.set()
            due += CHUNK_S
            await asyncio.sleep(due - loop.time())


class RecordingSpeaker(BaseOutputTransport):
    """Plays audio at the pace of a loudspeaker and keeps it.

    Attributes:
        heard: 16-bit mono PCM at `AUDIO_OUT_HZ`, with the silences that were there.
    """

    def __init__(self) -> None:
        """Prepare."""
        super().__init__(
            TransportParams(
                audio_out_enabled=True,
                audio_out_sample_rate=AUDIO_OUT_HZ,
                audio_out_end_silence_secs=0,
            )
        )
        self.heard = bytearray()
        self._began = 0.0
        self._next_at = 0.0

    async def start(self, frame: StartFrame) -> None:
        """Start playing.

        Args:
            frame: The start of the pipeline.
        """
        await super().start(frame)
        self._began = self._next_at = asyncio.get_running_loop().time()
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Play one piece.

        Args:
            frame: Audio at the transport's rate.
        """
        now = asyncio.get_running_loop().time()
        if now > self._next_at + JITTER_S:
            gap_samples = int((now - self._began) * AUDIO_OUT_HZ) - len(self.heard) // 2
            self.heard += bytes(max(0, gap_samples) * 2)
            self._next_at = now
        self.heard += frame.audio
        self._next_at += len(frame.audio) / (2 * AUDIO_OUT_HZ)
        await asyncio.sleep(max(0.0, self._next_at - now))
        return True

    @staticmethod
    def ensure_writable(path: Path) -> None:
        """Find out before a call whether what is heard in it can be written; leaves all as it is.

        Args:
            path: Where it is to be written.

        Raises:
            AppError: If it cannot be.
        """
        new = not path.exists()
        try:
            path.open("ab").close()
            if new:
                path.unlink()
        except OSError as error:
            raise AppError(f"{path}: {error.strerror}") from None

    def write_wav(self, path: Path) -> None:
        """Write what was heard.

        Args:
            path: Where to; an existing file is replaced.

        Raises:
            AppError: If it cannot be written.
        """
        try:
            with path.open("wb") as raw, wave.open(raw, "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(AUDIO_OUT_HZ)
                file.writeframes(bytes(self.heard))
        except OSError as error:
            raise AppError(f"{path}: {error.strerror}") from None
