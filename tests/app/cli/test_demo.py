"""The main job, as a new user runs it: no key, no network."""

import wave
from pathlib import Path

from app.embedded.sphinx_worker import SAMPLE_RATE_HZ, Ears
from tests.app.cli.programs import run


def decoded(path: Path) -> str:
    """Say what PocketSphinx hears in a WAV file."""
    import numpy as np
    import soxr

    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
        heard = soxr.resample(samples.astype(np.float32), file.getframerate(), SAMPLE_RATE_HZ)
    ears = Ears(None)
    ears.start()
    ears.hear(heard.astype(np.int16).tobytes())
    return ears.finish()


async def test_the_demonstration_makes_a_call_without_key_or_network(tmp_path: Path) -> None:
    finished = await run("demo", "--call", home=tmp_path)
    assert finished.code == 0, finished.err
    assert "how much are the rocket boots" in finished.out
    assert "$299" in finished.out
    assert "thank you goodbye" in finished.out
    assert "Goodbye!" in finished.out
    heard = decoded(tmp_path / "demo-call.wav")
    assert "two hundred ninety nine dollars" in heard
    # Nobody reports the use of a library to its vendor.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo-call.wav", "sitecustomize.py"]
