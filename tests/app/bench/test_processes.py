"""The processes of a benchmark: what they answer, and that none is left."""

import os
from pathlib import Path

import pytest

from app.bench.child import running, server_and_load
from app.bench.names import Scene
from app.bench.report import Peer
from app.errors import AppError

PEERS = [Peer.OURS, Peer.STOCK]


@pytest.mark.parametrize("peer", PEERS)
async def test_a_text_comes_back_through_the_real_language_model_service(peer: Peer) -> None:
    async with server_and_load(peer, Scene.MODEL) as (server, load):
        await load.ask("resize", count=3)
        await server.ask("start_watch")
        heard = await load.ask("type", for_s=1.0, every_s=0.1, replace_every_s=0.4)
        pauses = await server.ask("pauses")
    assert heard["lost"] == 0
    assert heard["texts"] > 0
    assert heard["p99_ms"] >= heard["p50_ms"] > 0
    assert pauses["longest_ms"] > 0


@pytest.mark.parametrize("peer", PEERS)
async def test_a_voice_conversation_is_ten_words_a_second(peer: Peer) -> None:
    async with server_and_load(peer, Scene.VOICE) as (_, load):
        await load.ask("resize", count=2)
        heard = await load.ask("converse", for_s=1.0, settle_s=1.0)
        await load.ask("resize", count=0)
    # Those of the last tenth of a second may still be under way.
    assert 2 * 8 <= heard["texts"] <= 2 * 11
    assert heard["lost"] == 0


async def test_a_process_tells_what_it_used_and_ends_with_its_parent() -> None:
    async with running("app.bench.server", Peer.BARE, Scene.ECHO) as server:
        assert server.hello["url"].startswith("ws://127.0.0.1:")
        used = await server.ask("usage")
        assert used["cpu_s"] > 0
        assert used["resident_bytes"] > 1024 * 1024
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_question_that_fails_is_an_error_with_its_name(tmp_path: Path) -> None:
    async with running("app.bench.server", Peer.BARE, Scene.ECHO) as server:
        with pytest.raises(AppError, match="KeyError"):
            await server.ask("nonsense")
        with pytest.raises(AppError, match="FileNotFoundError"):
            await server.ask("write_profile", path=str(tmp_path / "no" / "where"))
        assert (await server.ask("usage"))["cpu_s"] > 0


async def test_a_process_that_dies_is_an_error_with_its_last_words() -> None:
    with pytest.raises(AppError, match="is not a valid Peer"):
        async with running("app.bench.load", "nobody"):
            pass
