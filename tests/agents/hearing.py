"""Recordings of what a caller says, and telling which voice said what in what a caller heard."""

import numpy as np
import soxr

from app.caller.main_task import AUDIO_IN_HZ, AUDIO_OUT_HZ
from app.caller.recording import Recording
from app.embedded.voices import find_voice

Samples = np.ndarray[tuple[int], np.dtype[np.float64]]

# So many pieces are looked for, of a twentieth of a second. As quiet as this a piece is no sound of
# a voice, and as alike as this two pieces are the same.
PIECES = 12
PIECE = AUDIO_OUT_HZ // 20
LOUD = 2000
ALIKE = 0.97


async def recording(text: str, voice: int = 0) -> Recording:
    """Let an embedded voice say something, as a caller would."""
    return Recording(text, _pcm(await _said(text, voice, AUDIO_IN_HZ)))


async def likeness(heard: bytes, text: str, voice: int) -> float:
    """Tell how much of what a voice would say is somewhere in what was heard, from 0 to 1.

    Piece by piece, as a loudspeaker on a busy machine leaves gaps between the pieces it plays.
    """
    sample = await _said(text, voice, AUDIO_OUT_HZ)
    whole = np.frombuffer(bytes(heard), dtype=np.int16).astype(np.float64)
    size = 1 << (len(whole) + PIECE - 1).bit_length()
    spectrum = np.fft.rfft(whole, size)
    energy = np.concatenate(([0.0], np.cumsum(whole**2)))
    places = len(whole) - PIECE + 1
    energies = np.maximum(energy[PIECE:] - energy[:places], 1.0)
    found = []
    for piece in _pieces(sample):
        matches = np.fft.irfft(spectrum * np.conj(np.fft.rfft(piece, size)), size)[:places]
        found.append(np.max(matches / np.sqrt(energies * np.sum(piece**2))))
    return float(np.mean(np.array(found) > ALIKE))


def _pieces(sample: Samples) -> list[Samples]:
    every = [sample[start : start + PIECE] for start in range(0, len(sample) - PIECE, PIECE)]
    loud = [piece for piece in every if np.abs(piece).max() > LOUD]
    return loud[:: max(1, len(loud) // PIECES)]


async def _said(text: str, voice: int, rate_hz: int) -> Samples:
    synthesiser = find_voice()
    try:
        speech = await synthesiser.say(text, synthesiser.voices[voice])
    finally:
        await synthesiser.close()
    samples = np.frombuffer(speech.audio, dtype=np.int16).astype(np.float64)
    resampled: Samples = soxr.resample(samples, speech.rate_hz, rate_hz)
    return resampled


def _pcm(samples: Samples) -> bytes:
    return samples.clip(-32768, 32767).astype(np.int16).tobytes()
