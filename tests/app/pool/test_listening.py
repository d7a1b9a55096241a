"""A pool tells an operator of itself, and nobody else."""

import asyncio
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from app.errors import SettingsError
from app.pool.listening import telling
from app.settings import load_settings
from proxy.bus.streams import BrokerDownError
from tests.agents.talking import talking
from tests.app.pool.places import Place
from tests.app.server.identity.asking import bearer
from tests.app.telemetry.served import value

LONG_S = 60.0
ADMIN, TOKEN = "an-admin-of-the-tests", "a-token-of-the-tests"


async def get(url: str, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        return await client.get(path)


async def becomes(url: str, status: str) -> httpx.Response:
    """Wait until a pool says of itself that it is no longer ready, and why."""
    async with asyncio.timeout(LONG_S):
        while (answer := await get(url, "/readyz")).json() != {"status": status}:
            pass
    return answer


async def test_a_pool_shows_its_health_and_what_it_counts(
    there: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise BrokerDownError("it is away")

    async with (
        there.pool("parrot") as pool,
        telling(there.settings(pool_port=0), pool) as url,
    ):
        assert url is not None
        assert (await get(url, "/livez")).json() == {"status": "alive"}
        assert (await get(url, "/readyz")).json() == {"status": "ready"}
        async with talking(there.side("parrot"), greeting_timeout_s=0.01) as talk:
            await talk.ask("hello", "hello")
            found = {family.name: family for family in families((await get(url, "/metrics")).text)}
            assert value(found, "trunkline_sessions", assistant="parrot") == 1
            assert value(found, "trunkline_sessions_started_total", assistant="parrot") == 1
            assert value(found, "trunkline_sessions_limit") == pool.max_sessions
            assert value(found, "trunkline_processes", state="ready") == 1
        with monkeypatch.context() as patching:
            patching.setattr(pool.claims, "offer", away)
            assert (await becomes(url, "broker_away")).status_code == 503
        assert (await becomes(url, "ready")).status_code == 200
        pool.sessions.draining = True
        assert (await becomes(url, "draining")).status_code == 503


async def test_a_pool_with_tokens_shows_its_metrics_to_those_with_the_right(there: Place) -> None:
    given: dict[str, Any] = {"tokens": TOKEN, "admin_tokens": ADMIN, "pool_port": 0}
    async with there.pool("acme") as pool, telling(there.settings(**given), pool) as url:
        assert url is not None
        assert url.startswith("http://127.0.0.1:")
        assert (await get(url, "/metrics")).status_code == 401
        assert (await get(url, "/metrics", **bearer(TOKEN))).json()["code"] == "no_metrics"
        assert (await get(url, "/metrics", **bearer(ADMIN))).status_code == 200
        assert (await get(url, "/readyz")).status_code == 200


async def test_a_pool_tells_nobody_unless_it_is_to(there: Place) -> None:
    async with there.pool("acme") as pool, telling(there.settings(), pool) as url:
        assert url is None


def test_metrics_are_not_shown_to_a_network_without_tokens() -> None:
    with pytest.raises(SettingsError, match="TRUNKLINE_POOL_HOST"):
        load_settings(pool_host="0.0.0.0")
