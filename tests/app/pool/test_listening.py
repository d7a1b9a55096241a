"""A pool tells an operator of itself, and nobody else."""

from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from app.errors import SettingsError
from app.pool.listening import telling
from app.settings import load_settings
from tests.agents.talking import talking
from tests.app.pool.places import Place
from tests.app.server.identity.asking import bearer
from tests.app.telemetry.served import value

ADMIN, TOKEN = "an-admin-of-the-tests", "a-token-of-the-tests"


async def get(url: str, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        return await client.get(path)


async def test_a_pool_shows_its_health_and_what_it_counts(there: Place) -> None:
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
        pool.broker_away = True
        away = await get(url, "/readyz")
        assert (away.status_code, away.json()) == (503, {"status": "broker_away"})
        pool.broker_away = False
        pool.sessions.draining = True
        draining = await get(url, "/readyz")
        assert (draining.status_code, draining.json()) == (503, {"status": "draining"})


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
