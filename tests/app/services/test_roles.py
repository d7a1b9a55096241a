"""Services by role: started when they are first played, and announced then."""

import asyncio
import sys
from collections.abc import Iterator

import pytest
from loguru import logger

from agents import discover
from app.errors import MissingExtraError
from app.services import Roles
from app.services.probes import probe_voice
from app.services.voices import voice_of
from app.settings import Settings


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    heard: list[str] = []
    sink = logger.add(lambda message: heard.append(message.record["message"]), level="WARNING")
    yield heard
    logger.remove(sink)


async def test_only_roles_that_are_played_are_announced_and_once(warnings: list[str]) -> None:
    async with Roles.open(Settings(), discover()) as roles:
        assert warnings == []
        roles.stt()
        roles.stt()
        (told,) = warnings
        assert "the recogniser (PocketSphinx)" in told
        roles.llm(script="acme/assistant", instruction="")
        roles.llm(script="acme/assistant", instruction="")
        assert len(warnings) == 2
        assert "the language model (scripts)" in warnings[1]


async def test_nothing_is_started_for_a_role_that_nobody_plays() -> None:
    before = len(asyncio.all_tasks())
    async with Roles.open(Settings(), discover()) as roles:
        roles.tts()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == before


async def test_what_was_started_is_stopped() -> None:
    before = len(asyncio.all_tasks())
    async with Roles.open(Settings(), discover()) as roles:
        # A recipe may be built in a thread.
        await asyncio.to_thread(roles.llm, script="acme/assistant", instruction="")
    assert len(asyncio.all_tasks()) == before


@pytest.mark.parametrize(("vendor", "extra"), [("openai", "openai"), ("embedded", "embedded")])
async def test_a_package_that_is_missing_is_named_when_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, vendor: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    monkeypatch.delitem(sys.modules, "app.services.language_models", raising=False)
    settings = Settings(llm=vendor, openai_base_url="http://127.0.0.1:9")  # type: ignore[arg-type]
    async with Roles.open(settings, discover()) as roles:
        with pytest.raises(MissingExtraError, match=rf"pip install 'trunkline\[{extra}\]'"):
            roles.llm(script="acme/assistant", instruction="")


@pytest.mark.parametrize(
    ("settings", "voices"),
    [
        (Settings(), ["a", "b", "c", "a"]),
        (Settings(voice="b"), ["b", "a", "c", "b"]),
        (Settings(voice="x", other_voices=("b",)), ["x", "b", "a", "c"]),
        (Settings(other_voices="c, b"), ["a", "c", "b", "a"]),  # type: ignore[arg-type]
    ],
)
def test_speakers_have_voices_of_their_own(settings: Settings, voices: list[str]) -> None:
    assert [voice_of(settings, speaker, ("a", "b", "c")) for speaker in range(4)] == voices


async def test_another_voice_that_is_not_there_is_named() -> None:
    (problem,) = await probe_voice(Settings(tts="embedded", other_voices=("nobody",)))
    assert problem.startswith("TRUNKLINE_OTHER_VOICES: ")
    assert "has no voice 'nobody'" in problem
