"""Reading WAV files as they are found: PCM of any width, plain or extensible, whole or cut short.

Python's own reader refuses the extensible form before 3.12, and says little about damage.

Source: "Multiple channel audio data and WAVE files" (Microsoft, 2001); RFC 2361 for the formats.
"""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_PCM = 0x0001
_FLOAT = 0x0003
_EXTENSIBLE = 0xFFFE

# The end of a subformat's GUID, behind the two bytes that say which format it is.
_SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")

# What a program writes that does not know yet how much will follow.
_UNKNOWN_SIZES = frozenset({0, 0xFFFFFFFF, 0x7FFFFFFF})

_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")

# A recorder with more channels is no caller.
MAX_CHANNELS = 64
MIN_RATE_HZ, MAX_RATE_HZ = 1000, 768_000


class WavError(Exception):
    """The bytes are no recording; the text says why, for people."""


@dataclass(frozen=True)
class Wav:
    """A recording.

    Attributes:
        rate_hz: Its sample rate.
        samples: One row a moment, one column a channel, from -1 to 1.
    """

    rate_hz: int
    samples: npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Format:
    """What a format chunk says."""

    coding: int
    channels: int
    rate_hz: int
    width_bytes: int


def read_wav(data: bytes, *, max_s: float) -> Wav:
    """Read a WAV file.

    Args:
        data: The file.
        max_s: The longest recording to take.

    Raises:
        WavError: If it is no WAV file, is damaged, is not PCM, or is empty or too long.
    """
    if len(data) < _RIFF.size or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise WavError("not a WAV file")
    form, audio = _chunks(data)
    frame_bytes = form.width_bytes * form.channels
    frames = len(audio) // frame_bytes
    if not 0 < frames <= max_s * form.rate_hz:
        raise WavError(f"empty, or longer than {max_s:g} s")
    samples = _samples(audio[: frames * frame_bytes], form)
    if not np.isfinite(samples).all():
        raise WavError("damaged: some of its samples are no numbers")
    return Wav(form.rate_hz, samples.reshape(-1, form.channels))


def _chunks(data: bytes) -> tuple[_Format, bytes]:
    """Find the format and the audio."""
    form: _Format | None = None
    at = _RIFF.size
    while at + _CHUNK.size <= len(data):
        name, size = _CHUNK.unpack_from(data, at)
        at += _CHUNK.size
        here = len(data) - at
        if name == b"fmt ":
            form = _format(data[at : at + size])
        elif name == b"data":
            if form is None:
                raise WavError("damaged: its audio comes before its format")
            if size in _UNKNOWN_SIZES:
                size = here
            if size > here:
                raise WavError(f"cut short: it has {here} of {size} bytes of audio")
            return form, data[at : at + size]
        at += size + size % 2
    raise WavError("damaged: it has no audio in it")


def _format(chunk: bytes) -> _Format:
    if len(chunk) < _FORMAT.size:
        raise WavError("damaged: its format is cut short")
    coding, channels, rate_hz, _, frame_bytes, bits = _FORMAT.unpack_from(chunk)
    if coding == _EXTENSIBLE:
        if len(chunk) < 40 or chunk[26:40] != _SUBFORMAT:
            raise WavError("compressed; record PCM")
        (coding,) = struct.unpack_from("<H", chunk, 24)
    if not 0 < channels <= MAX_CHANNELS:
        raise WavError(f"damaged: it has {channels} channels")
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise WavError(f"damaged: its rate is {rate_hz} Hz")
    width_bytes = frame_bytes // channels
    if frame_bytes != width_bytes * channels or not 0 < bits <= 8 * width_bytes:
        raise WavError("damaged: its format contradicts itself")
    known = {_PCM: (1, 2, 3, 4), _FLOAT: (4, 8)}
    if coding not in known:
        raise WavError("compressed; record PCM")
    if width_bytes not in known[coding]:
        raise WavError(f"{bits}-bit samples; record 16-bit PCM")
    return _Format(coding, channels, rate_hz, width_bytes)


def _samples(audio: bytes, form: _Format) -> npt.NDArray[np.float32]:
    if form.coding == _FLOAT:
        loud = np.frombuffer(audio, dtype=f"<f{form.width_bytes}")
        return loud.clip(-1.0, 1.0).astype(np.float32)
    if form.width_bytes == 1:
        return (np.frombuffer(audio, dtype=np.uint8).astype(np.float32) - 128.0) / 128.0
    if form.width_bytes == 3:
        # Three bytes become the upper three of four.
        wide = np.zeros((len(audio) // 3, 4), dtype=np.uint8)
        wide[:, 1:] = np.frombuffer(audio, dtype=np.uint8).reshape(-1, 3)
        return wide.reshape(-1).view("<i4").astype(np.float32) / 2.0**31
    whole = np.frombuffer(audio, dtype=f"<i{form.width_bytes}")
    return whole.astype(np.float32) / float(2 ** (8 * form.width_bytes - 1))
