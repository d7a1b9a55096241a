"""Jobs over a line that speaks the stock dialect, in both directions."""

import asyncio

import pytest
from pipecat.bus.messages import BusJobRequestMessage
from pipecat.pipeline.job_context import JobError, JobGroupError, JobParams

from agents.jobs.serving import FAILED
from tests.agents.placements import ACROSS, Asker, Doer, hold, placed
from tests.proxy.conversation import within


@pytest.fixture(params=ACROSS)
def placement(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_job_is_answered_with_what_is_left_of_its_deadline(placement: str) -> None:
    doer = Doer()
    async with placed(placement, Asker(), doer, stock=True) as place:
        params = JobParams(payload={"n": 1}, timeout=15)
        async with asyncio.timeout(20), place.asker.job(place.name("doer"), params=params) as t:
            pass
        assert t.response == {"from": "doer"}
        assert await doer.begun.get() == {"n": 1}
        assert 0 < doer.remaining_s[0] <= 15


async def test_a_group_is_answered_by_everyone(placement: str) -> None:
    async with placed(placement, Asker(), Doer("w1"), Doer("w2"), stock=True) as place:
        names = place.names("w1", "w2")
        async with asyncio.timeout(20), place.asker.job_group(*names) as tg:
            pass
        assert tg.responses == {names[0]: {"from": "w1"}, names[1]: {"from": "w2"}}


async def test_a_stream_is_read_with_async_for(placement: str) -> None:
    async def stream(doer: Doer, message: BusJobRequestMessage) -> None:
        await doer.send_job_stream_start(message.job_id, {"type": "text"})
        await doer.send_job_update(message.job_id, {"half": True})
        await doer.send_job_stream_data(message.job_id, {"n": 1})
        await doer.send_job_stream_end(message.job_id, {"count": 1})

    async with placed(placement, Asker(), Doer(handle=stream), stock=True) as place:
        async with asyncio.timeout(20), place.asker.job(place.name("doer")) as t:
            data = [event.data async for event in t]
        assert data == [{"type": "text"}, {"half": True}, {"n": 1}, {"count": 1}]


async def test_a_failure_is_told_and_the_rest_of_the_group_cancelled(placement: str) -> None:
    async def fail(doer: Doer, message: BusJobRequestMessage) -> None:
        raise LookupError("a secret of the handler")

    slow = Doer("slow", hold)
    async with placed(placement, Asker(), Doer("bad", fail), slow, stock=True) as place:
        names = place.names("bad", "slow")
        with pytest.raises(JobGroupError):
            async with asyncio.timeout(20), place.asker.job_group(*names) as tg:
                pass
        assert tg.responses == {names[0]: {"error": FAILED}}
        await within(slow.cancelled.get())


async def test_a_cancellation_arrives(placement: str) -> None:
    doer = Doer(handle=hold)
    async with placed(placement, Asker(), doer, stock=True) as place:
        job_id = await place.asker.request_job(place.name("doer"))
        await within(doer.begun.get())
        await place.asker.cancel_job_group(job_id, reason="enough")
        assert await within(doer.cancelled.get()) == "enough"
        assert await within(place.asker.told.get()) == ("cancelled", None)


async def test_a_line_that_is_cut_fails_the_job_and_cancels_it_there(placement: str) -> None:
    doer = Doer(handle=hold)
    async with placed(placement, Asker(), doer, stock=True) as place:
        assert place.relay is not None
        with pytest.raises(JobError):
            async with asyncio.timeout(20), place.asker.job(place.name("doer")):
                await within(doer.begun.get())
                place.relay.cut()
        await within(doer.stopped.get())
