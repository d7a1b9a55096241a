"""Jobs over a line that is cut while they run."""

import asyncio
import random
from typing import Any

import pytest
from pipecat.bus.messages import BusJobRequestMessage
from pipecat.pipeline.job_context import JobError, JobGroupError, JobParams

from proxy import ServerLineOptions
from proxy.jobs import LINE_LOST
from tests.agents.placements import ACROSS, Asker, Doer, Place, hold, placed
from tests.proxy.conversation import within


@pytest.fixture(params=ACROSS)
def placement(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def cut(place: Place) -> None:
    """Break the line, and wait until it is whole again."""
    assert place.relay is not None
    assert place.server is not None
    resumed = asyncio.Event()
    place.server.held[0].add_event_handler("on_line_resumed", lambda *_: resumed.set())
    place.relay.cut()
    await within(resumed.wait())


async def test_a_job_survives_a_cut_while_its_handler_works(placement: str) -> None:
    doer = Doer(handle=hold)
    async with placed(placement, Asker(), doer) as place:
        async with place.asker.job(place.name("doer")) as t:
            await within(doer.begun.get())
            await cut(place)
            doer.go.set()
        assert t.response == {"from": "doer"}
        assert doer.begun.empty()


async def test_an_answer_given_while_the_line_is_down_arrives_after_it(placement: str) -> None:
    doer = Doer(handle=hold)
    async with placed(placement, Asker(), doer) as place:
        assert place.relay is not None
        assert place.server is not None
        async with place.asker.job(place.name("doer")) as t:
            await within(doer.begun.get())
            down = asyncio.Event()
            place.server.held[0].add_event_handler("on_line_interrupted", lambda *_: down.set())
            place.relay.refusing = True
            place.relay.cut()
            await within(down.wait())
            doer.go.set()
            await within(doer.answered.wait())
            place.relay.refusing = False
        assert t.response == {"from": "doer"}


async def test_a_cancellation_while_the_line_is_down_arrives_after_it(placement: str) -> None:
    doer = Doer(handle=hold)
    async with placed(placement, Asker(), doer) as place:
        assert place.relay is not None
        job_id = await place.asker.request_job(place.name("doer"))
        await within(doer.begun.get())
        place.relay.refusing = True
        place.relay.cut()
        await place.asker.cancel_job_group(job_id, reason="enough")
        place.relay.refusing = False
        assert await within(doer.cancelled.get()) == "enough"
        assert await within(place.asker.told.get()) == ("cancelled", None)


async def test_a_stream_cut_at_many_places_arrives_piece_by_piece(placement: str) -> None:
    async def stream(doer: Doer, message: BusJobRequestMessage) -> None:
        await doer.send_job_stream_start(message.job_id, {"type": "text"})
        for number in range(60):
            await doer.send_job_stream_data(message.job_id, {"n": number})
        await doer.send_job_stream_end(message.job_id, {"count": 60})

    chance = random.Random(20261120)
    async with placed(placement, Asker(), Doer(handle=stream)) as place:
        assert place.relay is not None
        for _ in range(15):
            place.relay.cut_after(chance.randrange(1, 2500))
            async with asyncio.timeout(20), place.asker.job(place.name("doer")) as t:
                data = [event.data async for event in t]
            pieces = [{"n": number} for number in range(60)]
            assert data == [{"type": "text"}, *pieces, {"count": 60}]
        assert place.relay.cuts >= 8


async def test_a_group_survives_a_cut_between_its_answers(placement: str) -> None:
    quick, slow = Doer("quick"), Doer("slow", hold)
    async with placed(placement, Asker(), quick, slow) as place:
        names = place.names("quick", "slow")
        async with place.asker.job_group(*names) as tg:
            await within(place.asker.told.get())
            await within(slow.begun.get())
            await cut(place)
            slow.go.set()
        assert tg.responses == {names[0]: {"from": "quick"}, names[1]: {"from": "slow"}}


async def test_many_jobs_over_a_line_that_is_cut_again_and_again_are_each_answered_once(
    placement: str,
) -> None:
    async def echo(doer: Doer, message: BusJobRequestMessage) -> None:
        await doer.send_job_response(message.job_id, message.payload)

    chance = random.Random(5)
    doer = Doer(handle=echo)
    async with placed(placement, Asker(), doer) as place:
        assert place.relay is not None

        async def one(number: int) -> Any:
            params = JobParams(payload={"n": number})
            async with place.asker.job(place.name("doer"), params=params) as t:
                pass
            return t.response

        for start in range(0, 100, 10):
            place.relay.cut_after(chance.randrange(1, 1500))
            asked = [one(number) for number in range(start, start + 10)]
            answers = await within(asyncio.gather(*asked))
            assert answers == [{"n": number} for number in range(start, start + 10)]
        assert doer.begun.qsize() == 100


async def test_a_line_that_is_lost_for_good_fails_the_job_and_cancels_it_there(
    placement: str,
) -> None:
    doer, leaf = Doer(handle=_ask_leaf), Doer("leaf", hold)
    impatient = ServerLineOptions(resume_window_s=0.2, heartbeat_s=0.2)
    async with placed(placement, Asker(), doer, hidden=[leaf], options=impatient) as place:
        assert place.relay is not None
        with pytest.raises(JobError):
            async with asyncio.timeout(20), place.asker.job(place.name("doer")) as t:
                await within(leaf.begun.get())
                place.relay.refusing = True
                place.relay.cut()
        assert t.response == {"error": LINE_LOST}
        await within(doer.stopped.get())
        await within(leaf.stopped.get())


async def test_a_line_that_is_lost_for_good_fails_the_whole_group(placement: str) -> None:
    doers = [Doer("w1", hold), Doer("w2", hold)]
    impatient = ServerLineOptions(resume_window_s=0.2, heartbeat_s=0.2)
    async with placed(placement, Asker(), *doers, options=impatient) as place:
        assert place.relay is not None
        with pytest.raises(JobGroupError):
            async with asyncio.timeout(20), place.asker.job_group(*place.names("w1", "w2")):
                for doer in doers:
                    await within(doer.begun.get())
                place.relay.refusing = True
                place.relay.cut()
        for doer in doers:
            await within(doer.stopped.get())


async def _ask_leaf(doer: Doer, message: BusJobRequestMessage) -> None:
    async with doer.job("leaf"):
        pass
