"""What the settings say of logs, traces and the length of sessions holds in a pool too."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

from tests.agents.talking import CURT, talking
from tests.app.cli.programs import ended, read_until, start
from tests.app.pool.places import Place
from tests.proxy.conversation import within

TOLD_TIMEOUT_S = 60.0


async def why_it_ends(there: Place, **limits: Any) -> str | None:
    """Talk to a pool until it ends the session, and tell what the caller hears of it."""
    async with there.pool("parrot", **limits) as pool:
        async with talking(there.side("parrot"), **CURT) as talk:
            await talk.ask("hello", "hello")
            await within(pool.sessions.wait_empty())
        assert talk.result is not None
        return talk.result.error


async def test_a_session_in_which_nothing_is_said_ends_on_a_pool_too(there: Place) -> None:
    told = await why_it_ends(there, idle_timeout_s=1.0)
    assert told == "the line was lost: nothing was said for too long"


async def test_a_session_lasts_as_long_as_it_may_on_a_pool_too(there: Place) -> None:
    told = await why_it_ends(there, max_session_s=1.0)
    assert told == "the line was lost: the session has lasted as long as it may"


async def test_what_is_said_to_one_pool_counts_for_the_other_that_has_the_rest(
    there: Place,
) -> None:
    async with (
        there.pool("pair", "one"),
        there.pool("pair", "two") as silent,
        talking(there.side("pair"), **CURT) as talk,
    ):
        await talk.ask("hello", "one:hello")
        (session,) = silent.sessions
        before = session.stats.messages.total()
        await talk.ask("again", "one:again")
        async with asyncio.timeout(TOLD_TIMEOUT_S):
            while session.stats.messages.total() == before:  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.01)
        talk.hang_up()


async def test_a_pool_writes_its_log_and_its_traces_as_the_settings_say(
    there: Place, tmp_path: Path
) -> None:
    further = {
        "TRUNKLINE_BUS_URL": there.url,
        "TRUNKLINE_LOG_FORMAT": "json",
        "OTEL_TRACES_EXPORTER": "console",
    }
    pool = await start("agents", "--assistant", "acme", home=tmp_path, further=further)
    async with ended(pool):
        assert pool.stderr is not None
        logged = [await read_until(pool.stderr, "This pool serves")]
        async with talking(there.side("acme")) as talk:
            await talk.ask("how much are the rocket boots?", "$299")
        logged.append(await read_until(pool.stderr, "Session ended after"))
        pool.send_signal(signal.SIGTERM)
        traced, rest = await within(pool.communicate())
    assert pool.returncode == 0
    for line in [*logged, *rest.decode().splitlines()]:
        assert json.loads(line)["message"]
    assert '"name": "session acme"' in traced.decode()
