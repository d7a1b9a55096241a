"""The microphone of a benchmark."""

import random

from pipecat.frames.frames import InputAudioRawFrame

HZ = 16_000
INTERVAL_S = 0.02
FRAME_BYTES = int(HZ * INTERVAL_S) * 2  # 16-bit mono


def microphone() -> InputAudioRawFrame:
    """Return 20 ms of noise, which compresses no better than a voice does."""
    return InputAudioRawFrame(random.Random(1).randbytes(FRAME_BYTES), HZ, 1)
