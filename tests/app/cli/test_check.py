"""`check` and `voices`: what is set, what is wrong, what there is to choose."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.loopback import serve_on_loopback
from tests.app.cli.programs import run
from tests.emulators import cartesia
from tests.emulators.cartesia import CartesiaEmulator


@pytest.fixture
async def vendor() -> AsyncIterator[dict[str, str]]:
    async with serve_on_loopback(CartesiaEmulator().app) as url:
        yield {"CARTESIA_API_KEY": cartesia.KEY, "CARTESIA_BASE_URL": url}


async def test_nothing_is_wrong_out_of_the_box(tmp_path: Path) -> None:
    finished = await run("check", home=tmp_path)
    assert finished.code == 0, finished.err
    assert "Nothing is wrong." in finished.err
    assert "TRUNKLINE_PORT" in finished.out
    assert "127.0.0.1:8765" in finished.out


async def test_secrets_are_not_shown(tmp_path: Path) -> None:
    further = {
        "OPENAI_API_KEY": "sk-very-secret",
        "TRUNKLINE_TOKENS": "very-secret-token-1,very-secret-token-2",
        "TRUNKLINE_TTS": "embedded",
    }
    finished = await run("check", home=tmp_path, further=further)
    assert finished.code == 0, finished.err
    assert "secret" not in finished.out + finished.err
    assert "2 set, not shown" in finished.out


async def test_a_voice_that_does_not_exist_is_found_before_a_caller_does(
    tmp_path: Path, vendor: dict[str, str]
) -> None:
    finished = await run("check", home=tmp_path, further={**vendor, "TRUNKLINE_VOICE": "gone"})
    assert finished.code == 1
    assert "TRUNKLINE_VOICE: cartesia has no voice 'gone'" in finished.err
    good = next(iter(cartesia.VOICES))
    finished = await run("check", home=tmp_path, further={**vendor, "TRUNKLINE_VOICE": good})
    assert finished.code == 0, finished.err
    assert cartesia.KEY not in finished.out + finished.err


async def test_an_embedded_voice_that_does_not_exist_is_found_too(tmp_path: Path) -> None:
    finished = await run("check", home=tmp_path, further={"TRUNKLINE_VOICE": "nobody"})
    assert finished.code == 1
    assert "embedded has no voice 'nobody'; `trunkline voices` lists them" in finished.err


async def test_everything_wrong_is_listed(tmp_path: Path) -> None:
    further = {
        "TRUNKLINE_DEFAULT_ASSISTANT": "nobody",
        "CARTESIA_API_KEY": "x",
        "CARTESIA_BASE_URL": "http://127.0.0.1:9",
    }
    finished = await run("check", home=tmp_path, further=further)
    assert finished.code == 1
    assert "there is no assistant 'nobody'" in finished.err
    assert "Cartesia cannot be reached" in finished.err


async def test_voices_of_the_vendor_are_listed(tmp_path: Path, vendor: dict[str, str]) -> None:
    finished = await run("voices", home=tmp_path, further=vendor)
    assert finished.code == 0, finished.err
    for voice, name in cartesia.VOICES.items():
        assert voice in finished.out
        assert name in finished.out


async def test_embedded_voices_are_listed(tmp_path: Path) -> None:
    finished = await run("voices", home=tmp_path)
    assert finished.code == 0, finished.err
    assert "slt" in finished.out
