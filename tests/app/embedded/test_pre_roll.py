"""What was said before its beginning is reported."""

import numpy as np

from app.embedded.pre_roll import BLIND_S, KEPT_S, LATE_S, LEAD_S, SAMPLE_RATE_HZ, PreRoll

PIECE_S = 0.02


def sound(seconds: float, level: int) -> list[bytes]:
    """Pieces of a tone, as a microphone delivers them."""
    size = int(PIECE_S * SAMPLE_RATE_HZ)
    tone = (level * np.sin(np.arange(size))).astype(np.int16).tobytes()
    return [tone] * round(seconds / PIECE_S)


def taken(*pieces: list[bytes], rush: bool = True) -> bytes:
    now = 0.0
    roll = PreRoll(lambda: now)
    for piece in (one for part in pieces for one in part):
        now += 0.0 if rush else PIECE_S
        roll.add(piece)
    audio = roll.take()
    assert roll.take() == b"", "it is taken once"
    return audio


def seconds(audio: bytes) -> float:
    return len(audio) / 2 / SAMPLE_RATE_HZ


def test_of_the_silence_before_speech_a_little_is_left() -> None:
    speech = sound(0.3, 5000)
    for rush in (True, False):
        audio = taken(sound(6.0, 0), speech, rush=rush)
        assert audio.endswith(b"".join(speech))
        assert seconds(audio) == LEAD_S + 0.3


def test_of_the_noise_of_a_room_too() -> None:
    assert seconds(taken(sound(6.0, 900), sound(0.3, 8000))) == LEAD_S + 0.3


def test_a_sentence_that_is_reported_when_it_is_over_is_there_from_its_first_word() -> None:
    quiet, sentence = sound(1.0, 0), sound(2.0, 5000)
    audio = taken(quiet, sentence, sound(3.0, 0))
    assert seconds(audio) == LEAD_S + 2.0 + 3.0
    assert b"".join(sentence) in audio


def test_where_nothing_stands_out_a_second_and_a_half_is_taken() -> None:
    assert seconds(taken(sound(6.0, 4000))) == BLIND_S
    assert seconds(taken(sound(1.0, 4000))) == 1.0


def test_what_is_kept_is_bounded() -> None:
    assert seconds(taken(sound(20.0, 5000), sound(1.0, 0))) == KEPT_S
    assert LATE_S <= seconds(taken(sound(20.0, 5000), sound(1.0, 0), rush=False)) < LATE_S + 0.1


def test_without_sound_there_is_none() -> None:
    assert PreRoll().take() == b""
