"""The demonstration: recordings of a caller, and what a call with them has to give."""

from pathlib import Path

from app.caller.recording import Recording

_FOLDER = Path(__file__).parent

# Spoken by flite's voice rms; the assistant answers in another one.
SCRIPT = ("how-much-are-the-rocket-boots.wav", "thank-you-goodbye.wav")

# What the assistant has to say for the call to have taken place.
EXPECTED = ("299", "goodbye")


def paths() -> list[Path]:
    """Return where the recordings are."""
    return [_FOLDER / name for name in SCRIPT]


def recordings() -> list[Recording]:
    """Read what the demonstration's caller says."""
    return [Recording.load(path) for path in paths()]
