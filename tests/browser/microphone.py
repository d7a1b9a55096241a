"""What the browser's microphone hears."""

import wave
from pathlib import Path

from app.caller.main_task import AUDIO_IN_HZ
from app.caller.recording import Recording

# A detector needs a moment of quiet before a voice.
LEAD_S = 1.0


class Microphone:
    """A file that Chromium takes for a microphone: from its beginning, whenever one is opened.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_silent()

    def is_silent(self) -> None:
        """Let nothing be heard from the next time on that the microphone is opened."""
        self._hold(b"")

    def will_hear(self, recording: Recording) -> None:
        """Let somebody speak as soon as the microphone is opened."""
        self._hold(recording.audio)

    def _hold(self, audio: bytes) -> None:
        lead = bytes(int(LEAD_S * AUDIO_IN_HZ) * 2)
        with wave.open(str(self.path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(AUDIO_IN_HZ)
            file.writeframes(lead + audio + lead)
