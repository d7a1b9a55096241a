"""eSpeak NG in a process of its own: the library has one global state and is not thread-safe.

Reads requests from standard input, one JSON object a line with `text` and `voice`. Answers each on
standard output with one JSON object a line, `{"rate_hz": 22050, "bytes": 1234}`, followed by that
many bytes of 16-bit mono PCM. No sound for a voice that does not exist: `bytes` is 0.

Source: the C interface in espeak-ng's speak_lib.h.
"""

import ctypes
import json
import sys
from typing import BinaryIO

import espeakng_loader

# Constants of speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_CHARS_UTF8 = 1

_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Espeak:
    """The synthesiser.

    Attributes:
        rate_hz: The sample rate of everything that it says.
    """

    def __init__(self) -> None:
        """Load the library and its data."""
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._heard = bytearray()
        self._callback = _CALLBACK(self._collect)  # kept, or the library would call freed memory
        data = espeakng_loader.get_data_path().encode()
        self.rate_hz = int(self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data, 0))
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, text: str, voice: str) -> bytes:
        """Synthesise a text.

        Args:
            text: What to say.
            voice: A voice's name, for example `en-us`.

        Returns:
            16-bit mono PCM; empty if there is no such voice.
        """
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            return b""
        self._heard.clear()
        encoded = text.encode()
        size = len(encoded) + 1
        self._library.espeak_Synth(encoded, size, 0, 0, 0, _CHARS_UTF8, None, None)
        self._library.espeak_Synchronize()
        return bytes(self._heard)

    def _collect(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _: object) -> int:
        if count > 0:
            self._heard += ctypes.string_at(samples, count * 2)
        return 0


def run(requests: BinaryIO, answers: BinaryIO) -> None:
    """Serve until standard input ends."""
    espeak = Espeak()
    for line in requests:
        request = json.loads(line)
        audio = espeak.say(request["text"], request["voice"])
        head = {"rate_hz": espeak.rate_hz, "bytes": len(audio)}
        answers.write(json.dumps(head).encode() + b"\n" + audio)
        answers.flush()


if __name__ == "__main__":
    try:
        run(sys.stdin.buffer, sys.stdout.buffer)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(0)
