"""Twenty callers at once on two pools; the broker dies in the middle, or the network goes away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.agents.talking import CURT, Talk, talking
from tests.app.pool.pair import OVER
from tests.app.pool.places import Place
from tests.proxy.relay import Relay

CALLERS = 20
TURNS = 6

# How long the broker is away in the middle of a conversation.
OUTAGE_S = 10.0


def line(caller: int, turn: int) -> str:
    """What a caller says: every word carries the caller's marker."""
    return " ".join(f"caller{caller}.turn{turn}.word{word}" for word in range(20))


async def converse(talk: Talk, caller: int, turns: range) -> None:
    for turn in turns:
        await talk.ask(line(caller, turn), f"caller{caller}.turn{turn}.word19")


async def all_of_them(talks: Sequence[Talk], turns: range) -> None:
    await asyncio.gather(*(converse(talk, caller, turns) for caller, talk in enumerate(talks)))


def words(caller: int, turns: range) -> list[str]:
    return " ".join(line(caller, turn) for turn in turns).split()


@contextlib.asynccontextmanager
async def calling(
    there: Place, assistant: str = "parrot", count: int = CALLERS
) -> AsyncIterator[list[Talk]]:
    """Callers who talk to an assistant that repeats what they say."""
    async with contextlib.AsyncExitStack() as stack:
        calls = [talking(there.side(assistant), **CURT) for _ in range(count)]
        talks = await asyncio.gather(*map(stack.enter_async_context, calls))
        yield list(talks)
        for talk in talks:
            talk.hang_up()  # all at once: each then waits a while for a farewell


async def test_no_word_crosses_between_callers(there: Place) -> None:
    """Two tasks, and two pools for each; every caller is handed from one task to the other."""
    async with (
        there.pool("pair", "one", max_sessions=10) as first,
        there.pool("pair", "one"),
        there.pool("pair", "two", max_sessions=10) as second,
        there.pool("pair", "two"),
    ):
        async with calling(there, "pair") as talks:
            await all_of_them(talks, range(2))
            for talk in talks:
                await talk.say(OVER)
            for talk in talks:
                await talk.hear("two:here")
            await all_of_them(talks, range(2, 4))
            for pool in (first, second):
                assert 0 < len(pool.sessions) <= 10
        for caller, talk in enumerate(talks):
            before = [f"one:{word}" for word in words(caller, range(2))]
            after = [f"two:{word}" for word in words(caller, range(2, 4))]
            assert talk.said.split() == [*before, f"one:{OVER}", "two:here", *after]
            assert talk.problems == []


async def test_ending_one_ends_one(there: Place) -> None:
    async with (
        there.pool("parrot") as pool,
        talking(there.side("parrot"), **CURT) as stays,
    ):
        async with talking(there.side("parrot"), **CURT) as leaves:
            await leaves.ask("going", "going")
        assert leaves.result is not None
        assert leaves.result.error is None
        await stays.ask("still here", "here")
        assert len(pool.sessions) == 1


@contextlib.asynccontextmanager
async def in_the_middle(talks: Sequence[Talk]) -> AsyncIterator[None]:
    """Be in the middle of conversations, which then go on and are heard whole."""
    await all_of_them(talks, range(2))
    rest = asyncio.create_task(all_of_them(talks, range(2, TURNS)))
    try:
        await talks[0].hear("caller0.turn2.word0")
        yield
        await rest
    finally:
        rest.cancel()
        await asyncio.wait({rest})
    for caller, talk in enumerate(talks):
        assert talk.said.split() == words(caller, range(TURNS))


def are_well(talks: Sequence[Talk]) -> None:
    for talk in talks:
        assert talk.problems == []
        assert talk.result is not None
        assert talk.result.error is None


@pytest.mark.long
async def test_a_broker_that_is_killed_for_ten_seconds_costs_no_word(there: Place) -> None:
    async with there.pool("parrot", max_sessions=10), there.pool("parrot", max_sessions=10):
        async with calling(there) as talks, in_the_middle(talks):
            await there.server.kill()
            await asyncio.sleep(OUTAGE_S)
            await there.server.start()
        are_well(talks)


@pytest.mark.long
async def test_a_network_that_is_away_for_ten_seconds_costs_no_word(there: Place) -> None:
    """It says nothing of it, and then forgets what was under way."""
    async with Relay.to(there.url).running() as network, there.over(network) as far:
        async with far.pool("parrot"), calling(far) as talks, in_the_middle(talks):
            network.freeze()
            await asyncio.sleep(OUTAGE_S)
            network.cut()
            network.thaw()
        are_well(talks)
