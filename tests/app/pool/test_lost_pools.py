"""A pool is killed, or told to stop, and its callers go on with another."""

import asyncio
import contextlib
import signal
from pathlib import Path

import pytest

from agents.handoff import script as lines
from app.caller import pooled
from app.caller.pooled import (
    HAND_OVER_TIMEOUT_S,
    PATIENCE,
    REPLACE_TIMEOUT_S,
    TOLD_WITHIN_S,
    PooledAssistant,
)
from app.pool.serving import HEARTBEAT_S
from proxy.backoff import BASE_S
from proxy.bus.claims import Offer
from proxy.bus.dialler import CONFIRM_S
from proxy.bus.streams import NOTICE_PERIOD_S, NOTICE_TTL_S
from proxy.pulse import MISSED_HEARTBEATS, TICKS_PER_HEARTBEAT
from tests.agents.talking import CURT, Talk, talking
from tests.app.pool.places import Place
from tests.app.pool.programs import pool_program
from tests.proxy.conversation import within

# A caller hears of a pool's death within five seconds on a machine that is not busy, see below. A
# test waits longer: on one that is, a process gets no turn for seconds.
PATIENCE_S = 30.0


def test_all_waits_until_a_caller_is_told_are_less_than_five_seconds_together() -> None:
    heartbeat_s = max(PATIENCE.heartbeat_s, HEARTBEAT_S)
    silent_s = heartbeat_s * (MISSED_HEARTBEATS + 1 / TICKS_PER_HEARTBEAT)
    # Whoever dials again looks at once whether the pool's offer is still up.
    missed_s = max(silent_s + BASE_S, NOTICE_TTL_S) + NOTICE_PERIOD_S / 2
    gone_s = missed_s + CONFIRM_S
    assert gone_s + REPLACE_TIMEOUT_S <= TOLD_WITHIN_S
    assert HAND_OVER_TIMEOUT_S < TOLD_WITHIN_S
    # Nobody is missed who lives: an offer is put up again within half of the wait for one.
    assert REPLACE_TIMEOUT_S >= 2 * NOTICE_PERIOD_S


async def told(side: PooledAssistant) -> None:
    """Wait until a caller hears that the conversation cannot go on."""
    while side.error is None:  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0.05)


async def begun_again(talk: Talk) -> None:
    """Send the porter until there is one again; before, it is told at once that there is none."""
    while talk.said.count("begun") < 2:
        await talk.ask("go again", "\n")


async def test_callers_of_a_pool_that_is_killed_go_on_with_another(
    there: Place, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as pools, contextlib.AsyncExitStack() as talks:
        running = pool_program(tmp_path, there.server.url, "--assistant", "handoff")
        first = await pools.enter_async_context(running)
        said = [await talks.enter_async_context(talking(there.side("handoff"))) for _ in range(3)]
        for talk in said:
            await talk.ask("how much is the tornado kit?", "costs $199")
        second = await pools.enter_async_context(there.pool("handoff"))
        first.process.kill()
        async with asyncio.timeout(PATIENCE_S):
            for talk in said:
                await talk.hear(lines.GREETING)
        assert len(second.sessions) == 3
        for talk in said:
            await talk.ask("what do you sell", lines.LISTING)
            await talk.ask("goodbye", lines.FAREWELL)


async def test_the_task_of_a_killed_pool_that_spoke_goes_on_elsewhere(
    there: Place, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as pools:
        greeter = await pools.enter_async_context(there.pool("handoff", "greeter"))
        options = ("--assistant", "handoff", "--tasks", "support")
        running = pool_program(tmp_path, there.server.url, *options)
        support = await pools.enter_async_context(running)
        async with talking(there.side("handoff")) as talk:
            await talk.hear(lines.GREETING)
            await talk.say("my rocket boots do not start")
            await talk.hear("no fuel in them")
            await pools.enter_async_context(there.pool("handoff", "support"))
            support.process.kill()
            await talk.hear(lines.SUPPORT_HERE)
            assert len(greeter.sessions) == 1
            await talk.say("back to the greeter please")
            await talk.hear(lines.WELCOME_BACK)
            await talk.ask("goodbye", lines.FAREWELL)


async def test_a_claim_that_a_pool_took_with_it_is_put_again(there: Place) -> None:
    tasks = ("assistant",)
    await there.claims.offer(Offer("dies", "parrot", tasks, tasks, tasks, free=1))
    taking = asyncio.create_task(there.claims.take("parrot", tasks, wait_s=30))
    async with talking(there.side("parrot"), **CURT) as talk:
        assert await within(taking) is not None  # and that pool never says a word
        async with there.pool("parrot"):
            await talk.ask("hello", "hello")
            talk.hang_up()


async def test_a_job_that_is_under_way_in_a_pool_that_is_killed_fails(
    there: Place, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as pools:
        await pools.enter_async_context(there.pool("errand", "clerk"))
        options = ("--assistant", "errand", "--tasks", "porter")
        modules = {"TRUNKLINE_ASSISTANT_MODULES": "tests.app.pool.errand"}
        running = pool_program(tmp_path, there.server.url, *options, **modules)
        porter = await pools.enter_async_context(running)
        async with talking(there.side("errand"), **CURT) as talk:
            await talk.ask("go", "begun")
            porter.process.kill()
            await talk.hear("job failed")
            await pools.enter_async_context(there.pool("errand", "porter"))
            await within(begun_again(talk))


async def test_a_pool_that_stops_hands_its_callers_over(there: Place, tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as pools:
        running = pool_program(tmp_path, there.server.url, "--assistant", "handoff")
        first = await pools.enter_async_context(running)
        async with talking(there.side("handoff")) as talk:
            await talk.ask("how much is the tornado kit?", "costs $199")
            await pools.enter_async_context(there.pool("handoff"))
            first.process.send_signal(signal.SIGTERM)
            await talk.hear(lines.GREETING)
            assert await within(first.process.wait()) == 0
            await talk.ask("goodbye", lines.FAREWELL)
        assert talk.result is not None
        assert talk.result.error is None


async def test_a_pool_that_was_only_busy_is_claimed_again(
    there: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooled, "REPLACE_TIMEOUT_S", PATIENCE_S)
    async with pool_program(tmp_path, there.server.url, "--assistant", "handoff") as only:
        side = there.side("handoff", offer_timeout_s=PATIENCE_S)
        async with talking(side) as talk:
            await talk.ask("how much is the tornado kit?", "costs $199")
            only.process.send_signal(signal.SIGSTOP)
            async with asyncio.timeout(PATIENCE_S):
                while not side._going_on.looking():  # noqa: ASYNC110  # nothing tells
                    await asyncio.sleep(0.05)
            only.process.send_signal(signal.SIGCONT)
            await talk.hear(lines.GREETING)
            await talk.ask("goodbye", lines.FAREWELL)


async def test_without_another_pool_the_caller_is_told(there: Place, tmp_path: Path) -> None:
    url = there.server.url
    async with pool_program(tmp_path, url, "--assistant", "handoff") as only:
        side = there.side("handoff")
        async with talking(side) as talk:
            await talk.ask("how much is the tornado kit?", "costs $199")
            only.process.kill()
            await within(told(side), PATIENCE_S)
        assert talk.result is not None
        assert talk.result.error is not None
        assert "the line was lost" in talk.result.error
        assert "nobody serves" in talk.result.error
