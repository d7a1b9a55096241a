"""The embedded voices: flite where it is installed, eSpeak NG from a Python package otherwise."""

import asyncio
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.embedded.ending import kill
from app.errors import MissingExtraError, ServiceError

# A sentence takes 50 ms here. One that takes this long never ends.
SAY_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Speech:
    """What a voice said.

    Attributes:
        audio: 16-bit mono PCM.
        rate_hz: Its sample rate.
    """

    audio: bytes
    rate_hz: int


class Voice(Protocol):
    """A synthesiser on this machine."""

    name: str
    voices: tuple[str, ...]

    async def say(self, text: str, voice: str) -> Speech:
        """Synthesise a text.

        Args:
            text: What to say.
            voice: One of `voices`.

        Raises:
            ServiceError: If it cannot.
        """

    async def close(self) -> None:
        """Release what the synthesiser holds; may be called again."""


class Flite:
    """CMU Flite, run once a sentence.

    The text goes through a file in a folder of our own, as the list of processes is for all to
    read and flite takes no standard input.
    """

    name = "flite"
    voices: tuple[str, ...] = ("slt", "rms", "awb", "kal16", "kal")

    def __init__(self, program: str) -> None:
        """Use an installed flite.

        Args:
            program: Path of the program.
        """
        self._program = program

    async def say(self, text: str, voice: str) -> Speech:
        """Synthesise a text in a thread; see `Voice.say`."""
        return await asyncio.to_thread(self._say, text, voice)

    def _say(self, text: str, voice: str) -> Speech:
        with tempfile.TemporaryDirectory(prefix="trunkline-flite-") as folder:
            words, sound = Path(folder, "say.txt"), Path(folder, "said.wav")
            words.write_text(text)
            command = [self._program, "-voice", voice, "-f", str(words), "-o", str(sound)]
            try:
                # In a session of its own, so that Ctrl-C does not cut a goodbye short.
                subprocess.run(
                    command,
                    check=True,
                    capture_output=True,
                    timeout=SAY_TIMEOUT_S,
                    start_new_session=True,
                )
                with wave.open(str(sound)) as file:
                    return Speech(file.readframes(file.getnframes()), file.getframerate())
            except (OSError, subprocess.SubprocessError, wave.Error) as error:
                raise ServiceError(f"flite did not speak ({type(error).__name__})") from None

    async def close(self) -> None:
        """Nothing is held between sentences."""


class Espeak:
    """eSpeak NG from the package espeakng-loader, in a process of its own."""

    name = "espeak-ng"
    voices: tuple[str, ...] = ("en-us", "en-us+f3", "en-gb-x-rp", "en-gb-scotland", "en-029")

    def __init__(self) -> None:
        """Prepare; the process starts with the first sentence."""
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def say(self, text: str, voice: str) -> Speech:
        """Synthesise a text; see `Voice.say`."""
        async with self._lock:
            process = self._process = self._process or await self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                async with asyncio.timeout(SAY_TIMEOUT_S):
                    request = {"text": text, "voice": voice}
                    process.stdin.write(json.dumps(request).encode() + b"\n")
                    await process.stdin.drain()
                    head = json.loads(await process.stdout.readline())
                    audio = await process.stdout.readexactly(head["bytes"])
            except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
                await self.close()
                raise ServiceError("eSpeak NG did not speak") from None
            except asyncio.CancelledError:
                await self.close()
                raise
        if not audio:
            raise ServiceError(f"eSpeak NG has no voice {voice!r}")
        return Speech(audio, head["rate_hz"])

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            kill(process)
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.embedded.espeak_worker",
            stdin=pipe,
            stdout=pipe,
            start_new_session=True,
        )


def find_voice() -> Voice:
    """Return the best synthesiser that is installed.

    Raises:
        MissingExtraError: If there is none.
    """
    program = shutil.which("flite")
    if program is not None:
        return Flite(program)
    if importlib.util.find_spec("espeakng_loader") is not None:
        return Espeak()
    raise MissingExtraError("a voice (flite, or the package espeakng-loader)", "embedded")
