"""A session outlives its connections: the shells, over real sockets that break."""

import asyncio
import random
from typing import Any

import pytest
from pipecat.bus.messages import BusEndMessage, BusFrameMessage
from pipecat.frames.frames import LLMTextFrame
from pipecat.pipeline.job_context import JobError, JobParams
from pipecat.processors.frame_processor import FrameDirection

from proxy import CloseCode, ServerLineOptions
from tests.proxy.conversation import Echo, SmallServer, calling, parrot, say, within
from tests.proxy.relay import Relay

PATIENT = ServerLineOptions(resume_window_s=30.0)


async def test_a_session_goes_on_over_a_new_connection() -> None:
    async with (
        SmallServer(lambda: [parrot()], options=PATIENT).serve() as server,
        Relay.to(server.url).running() as relay,
        calling(relay.url) as caller,
    ):
        assert await say(caller, "before the cut") == "before the cut"
        relay.cut()
        assert await say(caller, "after the cut") == "after the cut"
        assert relay.connections == 2
        assert (caller.connected, server.connected, server.resumed) == (1, 1, 1)
        assert caller.gone.empty()
        assert server.gone.empty()


async def test_a_conversation_cut_at_many_places_arrives_word_for_word() -> None:
    chance = random.Random(20261120)
    async with (
        SmallServer(lambda: [parrot()], options=PATIENT).serve() as server,
        Relay.to(server.url).running() as relay,
        calling(relay.url) as caller,
    ):
        for turn in range(40):
            text = " ".join(f"word{turn}.{number}" for number in range(30))
            relay.cut_after(chance.randrange(1, 2500))
            assert await say(caller, text) == text
        assert relay.cuts >= 20
        assert server.resumed == relay.cuts


async def test_an_outage_in_the_middle_of_an_answer_loses_and_repeats_nothing() -> None:
    async with (
        SmallServer(lambda: [parrot()], options=PATIENT).serve() as server,
        Relay.to(server.url).running() as relay,
        calling(relay.url) as caller,
    ):
        text = " ".join(f"word{number}" for number in range(200))
        relay.cut_after(800)
        talking = asyncio.create_task(say(caller, text))
        await within(relay.was_cut.wait())
        relay.refusing = True
        await asyncio.sleep(1.0)
        assert not talking.done()
        relay.refusing = False
        assert await within(talking) == text


async def test_an_end_said_during_an_outage_arrives_after_it() -> None:
    tasks = [parrot()]
    async with (
        SmallServer(lambda: tasks, options=PATIENT).serve() as server,
        Relay.to(server.url).running() as relay,
        calling(relay.url) as caller,
    ):
        await say(caller, "hello")
        interrupted = asyncio.Event()
        server.held[0].add_event_handler("on_line_interrupted", lambda *_: interrupted.set())
        relay.refusing = True
        relay.cut()
        await within(interrupted.wait())
        goodbye = BusFrameMessage(
            source="assistant",
            frame=LLMTextFrame("goodbye"),
            direction=FrameDirection.DOWNSTREAM,
        )
        bus = server.runners[0].bus
        await bus.send(goodbye)
        await bus.send(BusEndMessage(source="assistant", reason="goodbye"))
        await within(tasks[0].wait())
        relay.refusing = False
        assert caller.running is not None
        await within(caller.running)
        assert caller.words[-1] == "goodbye"
        assert (await within(caller.gone.get())).code == CloseCode.ENDED
        assert (await within(server.gone.get())).code == CloseCode.ENDED


async def test_a_caller_that_never_returns_ends_its_session() -> None:
    options = ServerLineOptions(resume_window_s=0.5, heartbeat_s=0.2)
    async with (
        SmallServer(lambda: [parrot()], options=options).serve() as server,
        Relay.to(server.url).running() as relay,
        calling(relay.url) as caller,
    ):
        await say(caller, "hello")
        relay.refusing = True
        relay.cut()
        assert (await within(server.gone.get())).code == CloseCode.ABNORMAL
        await within(server.over.get())
        error = await within(caller.gone.get())
        assert error.code == CloseCode.ABNORMAL


async def test_both_sides_notice_a_network_that_vanished_without_a_word() -> None:
    options = ServerLineOptions(resume_window_s=20.0, heartbeat_s=0.2)
    async with (
        SmallServer(lambda: [parrot()], options=options).serve() as server,
        Relay.to(server.url).running() as relay,
        calling(relay.url) as caller,
    ):
        await say(caller, "hello")
        noticed: asyncio.Queue[str] = asyncio.Queue()
        caller.line.add_event_handler(
            "on_line_interrupted", lambda *_: noticed.put_nowait("caller")
        )
        relay.freeze()
        assert await within(noticed.get()) == "caller"
        relay.cut()
        relay.thaw()
        assert await say(caller, "back again") == "back again"


async def test_a_session_that_is_gone_is_said_to_be_gone() -> None:
    async with (
        SmallServer(lambda: [parrot()], options=PATIENT).serve() as server,
        Relay.to(server.url).running() as relay,
        calling(relay.url) as caller,
    ):
        await say(caller, "hello")
        server.held.clear()
        relay.cut()
        assert (await within(caller.gone.get())).code == CloseCode.SESSION_GONE


async def test_nobody_takes_a_session_without_its_token() -> None:
    from websockets.asyncio.client import connect

    from proxy.wire import SUBPROTOCOL, Hello, encode

    async with (
        SmallServer(lambda: [parrot()], options=PATIENT).serve() as server,
        calling(server.url) as caller,
    ):
        await say(caller, "hello")
        session = caller.line._dialect.session  # type: ignore[union-attr]
        forged = Hello(1, ("acme",), (), 65536, 65536, 5.0, session, "a guess", 0)
        async with connect(server.url, subprotocols=[SUBPROTOCOL]) as socket:  # type: ignore[list-item]
            await socket.send(encode(forged))
            await within(socket.wait_closed())
            assert socket.close_code == CloseCode.SESSION_GONE
        assert await say(caller, "still here") == "still here"


async def test_a_job_in_flight_is_answered_when_the_line_is_lost() -> None:
    class Silent(Echo):
        async def on_job_request(self, message: Any) -> None:
            asked.set()

    asked = asyncio.Event()
    async with (
        SmallServer(lambda: [Silent("assistant")]).serve() as server,
        Relay.to(server.url).running() as relay,
        calling(relay.url) as caller,
    ):

        async def ask() -> None:
            async with caller.main.job("assistant", params=JobParams(payload={})):
                pass

        asking = asyncio.create_task(ask())
        await within(asked.wait())
        relay.refusing = True
        relay.cut()
        with pytest.raises(JobError):
            await within(asking)
