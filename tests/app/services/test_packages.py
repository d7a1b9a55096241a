"""Which packages are missing is known before anything is imported."""

import importlib.util
import shutil
from typing import Any

import pytest

from app.services.packages import Role, missing_part
from app.settings import Settings

KEYS: dict[str, Any] = {
    "openai_api_key": "x",
    "deepgram_api_key": "x",
    "cartesia_api_key": "x",
}


@pytest.mark.parametrize("role", ["stt", "llm", "tts"])
@pytest.mark.parametrize("keys", [{}, KEYS])
def test_nothing_is_missing_where_everything_is_installed(role: Role, keys: dict[str, Any]) -> None:
    assert missing_part(role, Settings(**keys)) is None


@pytest.mark.parametrize(
    ("role", "keys", "extra"),
    [
        ("stt", {}, "embedded"),
        ("stt", KEYS, "deepgram"),
        ("llm", {}, "embedded"),
        ("llm", KEYS, "openai"),
        ("tts", {}, "embedded"),
        ("tts", KEYS, "cartesia"),
    ],
)
def test_what_is_missing_is_named_with_what_brings_it(
    monkeypatch: pytest.MonkeyPatch, role: Role, keys: dict[str, Any], extra: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    missing = missing_part(role, Settings(**keys))
    assert missing is not None
    assert f"pip install 'trunkline[{extra}]'" in str(missing)
