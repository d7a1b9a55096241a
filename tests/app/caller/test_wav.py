"""WAV files as recorders write them, and as they are found."""

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.caller.wav import WavError, read_wav

RATE_HZ = 16000
TONE = np.sin(np.arange(RATE_HZ // 2) * 440 * 2 * np.pi / RATE_HZ) * 0.5
GUID = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    padded = content + b"\0" * (len(content) % 2)
    return name + struct.pack("<I", len(content) if size is None else size) + padded


def riff(*chunks: bytes) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def form(coding: int, width: int, *, channels: int = 1, rate_hz: int = RATE_HZ) -> bytes:
    frame = channels * width
    return struct.pack("<HHIIHH", coding, channels, rate_hz, rate_hz * frame, frame, 8 * width)


def extensible(coding: int, width: int) -> bytes:
    tail = struct.pack("<HHIH", 22, 8 * width, 4, coding) + GUID
    return form(0xFFFE, width) + tail


def encoded(coding: int, width: int) -> bytes:
    if coding == 3:
        return TONE.astype(f"<f{width}").tobytes()
    if width == 1:
        return (TONE * 127 + 128).astype(np.uint8).tobytes()
    whole = (TONE * (2 ** (8 * width - 1) - 1)).astype("<i8")
    return bytes(whole.view(np.uint8).reshape(-1, 8)[:, :width].tobytes())


KINDS = [(1, 1), (1, 2), (1, 3), (1, 4), (3, 4), (3, 8)]


@pytest.mark.parametrize(("coding", "width"), KINDS)
@pytest.mark.parametrize("plain", [True, False])
def test_every_width_is_read_plain_and_extensible(coding: int, width: int, plain: bool) -> None:
    described = form(coding, width) if plain else extensible(coding, width)
    audio = chunk(b"data", encoded(coding, width))
    data = riff(chunk(b"LIST", b"odd"), chunk(b"fmt ", described), audio)
    wav = read_wav(data, max_s=10)
    assert wav.rate_hz == RATE_HZ
    assert wav.samples.shape == (len(TONE), 1)
    assert np.abs(wav.samples[:, 0] - TONE).max() < (0.02 if width == 1 else 0.0001)


def test_it_reads_what_python_writes() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(np.array([[16384, -16384]] * 100, dtype="<i2").tobytes())
    wav = read_wav(file.getvalue(), max_s=10)
    assert wav.samples.shape == (100, 2)
    assert wav.samples[7].tolist() == [0.5, -0.5]


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_size_that_the_recorder_did_not_know_means_to_the_end(size: int) -> None:
    data = riff(chunk(b"fmt ", form(1, 2)), chunk(b"data", encoded(1, 2), size))
    assert len(read_wav(data, max_s=10).samples) == len(TONE)


GOOD = riff(chunk(b"fmt ", form(1, 2)), chunk(b"data", encoded(1, 2)))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not a WAV file"),
        (b"hello, this is a text", "not a WAV file"),
        (GOOD[:12], "damaged: it has no audio"),
        (GOOD[:20], "damaged: its format is cut short"),
        (GOOD[:-1001], "cut short: it has 14999 of 16000 bytes of audio"),
        (riff(chunk(b"data", b"1234")), "damaged: its audio comes before its format"),
        (riff(chunk(b"fmt ", form(1, 2))), "damaged: it has no audio"),
        (riff(chunk(b"fmt ", form(1, 2)), chunk(b"data", b"")), "empty, or longer than 10 s"),
        (riff(chunk(b"fmt ", form(1, 2)), chunk(b"data", b"1")), "empty, or longer than 10 s"),
        (
            riff(chunk(b"fmt ", form(1, 2, rate_hz=1000)), chunk(b"data", bytes(20_002))),
            "empty, or longer than 10 s",
        ),
        (riff(chunk(b"fmt ", form(1, 2, channels=0))), "damaged: it has 0 channels"),
        (riff(chunk(b"fmt ", form(1, 2, rate_hz=0))), "damaged: its rate is 0 Hz"),
        (riff(chunk(b"fmt ", form(1, 0))), "damaged: its format contradicts itself"),
        (riff(chunk(b"fmt ", form(1, 5))), "40-bit samples; record 16-bit PCM"),
        (riff(chunk(b"fmt ", form(6, 1))), "compressed; record PCM"),
        (riff(chunk(b"fmt ", form(0xFFFE, 2))), "compressed; record PCM"),
        (
            riff(chunk(b"fmt ", form(3, 4)), chunk(b"data", b"\0\0\xc0\x7f" * 9)),
            "damaged: some of its samples are no numbers",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(data: bytes, problem: str) -> None:
    with pytest.raises(WavError, match=problem):
        read_wav(data, max_s=10)


@given(st.binary(max_size=80), st.integers(0, len(GOOD)), st.integers(0, len(GOOD)))
def test_no_damage_is_a_crash(noise: bytes, start: int, end: int) -> None:
    try:
        wav = read_wav(GOOD[:start] + noise + GOOD[end:], max_s=10)
    except WavError:
        return
    assert np.isfinite(wav.samples).all()
