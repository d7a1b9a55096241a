"""However a conversation over a broker ends, both ends learn of it and nothing is left."""

import asyncio
import os
from pathlib import Path

import pytest

from agents.handoff import script as lines
from app.pool.pool import Pool
from proxy.bus.channel import Channel, End
from proxy.bus.claims import Claim, new_secret
from tests.agents.talking import talking
from tests.app.cli.programs import ended, read_until, start
from tests.app.pool.places import Place
from tests.app.pool.programs import ROOT
from tests.proxy.conversation import within


async def empty(pool: Pool) -> None:
    """Wait until a pool has nobody, and room for everybody."""
    while pool.free < pool.max_sessions:  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0.02)


async def test_a_caller_that_is_killed_leaves_nothing(there: Place, tmp_path: Path) -> None:
    async with there.pool("acme", resume_window_s=0.5) as pool:
        caller = await start(
            *("console", "--assistant", "acme"),
            home=tmp_path,
            further={"TRUNKLINE_BUS_URL": there.server.url, "PYTHONPATH": os.fspath(ROOT)},
        )
        assert caller.stdout is not None
        async with ended(caller):
            await read_until(caller.stdout, "welcome to Acme")
            assert len(pool.sessions) == 1
            caller.kill()
        await within(empty(pool))


async def test_a_broker_that_stays_away_ends_the_conversation_and_is_named(there: Place) -> None:
    async with there.pool("handoff", resume_window_s=0.5) as pool:
        async with talking(there.side("handoff", offer_timeout_s=0.5)) as talk:
            await talk.hear(lines.GREETING)
            await there.server.kill()
            await within(empty(pool))
        assert talk.result is not None
        assert talk.result.error is not None
        assert "the line was lost" in talk.result.error
        assert "the broker is away" in talk.result.error
        await there.server.start()
        async with talking(there.side("handoff")) as talk:
            await talk.hear(lines.GREETING)
    # Nobody could remove the streams while the broker was away; they vanish by themselves.
    for key in await there.server.keys():
        assert not (await there.server.command("PTTL", key)).startswith(b":-")
    await there.server.command("FLUSHALL")


async def test_who_hangs_up_while_a_pool_is_replaced_claims_no_other(there: Place) -> None:
    side = there.side("handoff")
    async with talking(side) as talk:
        async with there.pool("handoff"):
            await talk.hear(lines.GREETING)
        while not side._going_on.looking():  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.01)
    async with there.pool("handoff") as other:
        assert not side._going_on.looking()
        await within(empty(other))
    assert talk.result is not None
    assert not talk.result.ended_by_assistant


async def test_a_handoff_between_pools_survives_a_broker_that_is_killed(there: Place) -> None:
    async with there.pool("handoff", "greeter"), there.pool("handoff", "support"):
        async with talking(there.side("handoff")) as talk:
            await talk.hear(lines.GREETING)
            await talk.say("my rocket boots do not start")
            await talk.hear(lines.TRANSFER_TO_SUPPORT[:10])
            await there.server.kill()
            await there.server.start()
            await talk.hear("no fuel in them")
            await talk.say("back to the greeter please")
            await talk.hear(lines.WELCOME_BACK)
            await talk.ask("goodbye", lines.FAREWELL)
        assert talk.said.count(lines.SUPPORT_HERE) == 1
        assert talk.problems == []


class TestClaims:
    async def claim(self, there: Place) -> Channel:
        """Put a claim as a caller does, and wait until it is taken."""
        streams, secret = there.claims.streams, new_secret()
        up, down = there.claims.channel_names(secret)
        await streams.create([up, down])
        channel = Channel(streams, End.CALLER, reads=down, writes=up)
        channel.start()
        await there.claims.put("parrot", Claim(secret, ("assistant",)))
        await within(asyncio.shield(channel.taken))
        return channel

    async def test_a_caller_that_leaves_without_a_word_costs_a_place_for_a_moment(
        self, there: Place
    ) -> None:
        async with there.pool("parrot", max_sessions=1) as pool:
            channel = await self.claim(there)
            assert pool.free == 0
            await channel.leave()
            await within(empty(pool))
            assert len(pool.sessions) == 0

    async def test_a_claim_whose_caller_has_given_up_is_passed_over(self, there: Place) -> None:
        async with there.pool("parrot") as pool:
            await there.claims.put("parrot", Claim(new_secret(), ("assistant",)))
            channel = await self.claim(there)
            await channel.leave()
            await within(empty(pool))

    async def test_what_is_no_hello_is_sent_away(self, there: Place) -> None:
        async with there.pool("parrot") as pool:
            channel = await self.claim(there)
            link = channel.connect()
            await link.send(b"nonsense")
            with pytest.raises(Exception, match="4400"):
                await within(link.receive())
            await channel.leave()
            await within(empty(pool))

    async def test_a_claim_that_comes_while_a_pool_drains_is_left_to_another(
        self, there: Place
    ) -> None:
        async with there.pool("parrot") as draining:
            draining.sessions.draining = True
            claiming = asyncio.create_task(self.claim(there))
            async with there.pool("parrot") as other:
                channel = await within(claiming)
                assert await channel.taken == other.id
                await channel.leave()
                await within(empty(other))
