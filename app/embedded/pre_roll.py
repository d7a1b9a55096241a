"""What a caller said before the detector of speech has reported it.

The detector reports speech a fifth of a second after it began. On a machine that was busy, or over
a network that was away for a moment, sound comes in a rush, and the report when a whole sentence
has passed. So what came within the last seconds is kept, and of it what is heard before the speech
is left out: silence, or the noise of a room.
"""

import time
from collections import deque
from collections.abc import Callable

import numpy as np

SAMPLE_RATE_HZ = 16000

# How late the detector may be on a busy machine, counted from when the sound came here; and how
# much sound a rush may bring meanwhile.
LATE_S = 4.0
KEPT_S = 8.0

# In front of the first loud piece; the beginning of a word may be quiet.
LEAD_S = 0.5

# Where nothing stands out from the noise, so much is taken.
BLIND_S = 1.5

# As loud as this speech is at least, in samples of 16 bits, and so much louder than the room.
LOUD = 300
ABOVE_NOISE = 4.0
NOISE_PERCENTILE = 5

_BYTES_A_SECOND = SAMPLE_RATE_HZ * 2


class PreRoll:
    """The last seconds of 16-bit mono PCM at 16 kHz."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing.

        Args:
            clock: Gives the time in seconds.
        """
        self._clock = clock
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._size_bytes = 0

    def add(self, audio: bytes) -> None:
        """Keep a piece, and let go of what is too old.

        Args:
            audio: Any number of whole samples.
        """
        now = self._clock()
        self._pieces.append((now, audio))
        self._size_bytes += len(audio)
        while self._pieces[0][0] < now - LATE_S or self._size_bytes > KEPT_S * _BYTES_A_SECOND:
            self._size_bytes -= len(self._pieces.popleft()[1])

    def take(self) -> bytes:
        """Remove everything; gives it from shortly before the speech on."""
        pieces = [piece for _, piece in self._pieces]
        audio = b"".join(pieces)
        levels = [_level(piece) for piece in pieces]
        noise = float(np.percentile(levels, NOISE_PERCENTILE)) if levels else 0.0
        loud = max(LOUD, ABOVE_NOISE * noise)
        before_bytes = 0
        for piece, level in zip(pieces, levels, strict=True):
            if level > loud:
                break
            before_bytes += len(piece)
        else:
            before_bytes = len(audio) - _whole_samples(BLIND_S - LEAD_S)
        self._pieces.clear()
        self._size_bytes = 0
        return audio[max(0, before_bytes - _whole_samples(LEAD_S)) :]


def _level(piece: bytes) -> int:
    samples = np.frombuffer(piece, dtype=np.int16)
    return int(np.abs(samples.astype(np.int32)).max()) if samples.size else 0


def _whole_samples(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE_HZ) * 2
