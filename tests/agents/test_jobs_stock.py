"""Jobs over a line that speaks the stock dialect, in both directions.

That dialect has no hello: an assistant knows one task of its caller's, the one that its messages
come from, and not before the first of them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from pipecat.bus.messages import BusJobRequestMessage
from pipecat.pipeline.job_context import JobError, JobGroupError, JobParams

from agents.jobs.serving import FAILED
from tests.agents.placements import (
    ACROSS,
    TO_ASSISTANT,
    TO_CALLER,
    Asker,
    Doer,
    Place,
    hold,
    placed,
)
from tests.proxy.conversation import within


@pytest.fixture(params=ACROSS)
def placement(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextlib.asynccontextmanager
async def joined(placement: str, asker: Asker, *doers: Doer) -> AsyncIterator[Place]:
    """Run an asker and workers, of whom the first has said something to the asker."""
    async with placed(placement, asker, *doers, stock=True) as place:
        if placement == TO_CALLER:
            met = asyncio.Event()
            asker.add_event_handler("on_activated", lambda *_: met.set())
            await doers[0].activate_worker(asker.name)
            await within(met.wait())
        yield place


async def test_a_job_is_answered_with_what_is_left_of_its_deadline(placement: str) -> None:
    doer = Doer()
    async with joined(placement, Asker(), doer) as place:
        params = JobParams(payload={"n": 1}, timeout=15)
        async with asyncio.timeout(20), place.asker.job(place.name("doer"), params=params) as t:
            pass
        assert t.response == {"from": "doer"}
        assert await doer.begun.get() == {"n": 1}
        assert 0 < doer.remaining_s[0] <= 15


async def test_a_group_is_answered_by_everyone() -> None:
    async with joined(TO_ASSISTANT, Asker(), Doer("w1"), Doer("w2")) as place:
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

    async with joined(placement, Asker(), Doer(handle=stream)) as place:
        async with asyncio.timeout(20), place.asker.job(place.name("doer")) as t:
            data = [event.data async for event in t]
        assert data == [{"type": "text"}, {"half": True}, {"n": 1}, {"count": 1}]


async def fail(doer: Doer, message: BusJobRequestMessage) -> None:
    raise LookupError("a secret of the handler")


async def test_a_failure_is_told(placement: str) -> None:
    async with joined(placement, Asker(), Doer(handle=fail)) as place:
        with pytest.raises(JobError):
            async with asyncio.timeout(20), place.asker.job(place.name("doer")) as t:
                pass
        assert t.response == {"error": FAILED}


async def test_a_failure_cancels_the_rest_of_the_group() -> None:
    slow = Doer("slow", hold)
    async with joined(TO_ASSISTANT, Asker(), Doer("bad", fail), slow) as place:
        with pytest.raises(JobGroupError):
            async with asyncio.timeout(20), place.asker.job_group("bad", "slow") as tg:
                pass
        assert tg.responses == {"bad": {"error": FAILED}}
        await within(slow.cancelled.get())


async def test_a_task_of_the_caller_that_has_said_nothing_fails_at_once() -> None:
    other = Doer("other")
    async with joined(TO_CALLER, Asker(), Doer(), other) as place:
        with pytest.raises(JobError):
            async with asyncio.timeout(20), place.asker.job(place.name("other")):
                pass
        assert other.begun.empty()


async def test_a_cancellation_arrives(placement: str) -> None:
    doer = Doer(handle=hold)
    async with joined(placement, Asker(), doer) as place:
        job_id = await place.asker.request_job(place.name("doer"))
        await within(doer.begun.get())
        await place.asker.cancel_job_group(job_id, reason="enough")
        assert await within(doer.cancelled.get()) == "enough"
        assert await within(place.asker.told.get()) == ("cancelled", None)


async def test_a_line_that_is_cut_fails_the_job_and_cancels_it_there(placement: str) -> None:
    doer = Doer(handle=hold)
    async with joined(placement, Asker(), doer) as place:
        assert place.relay is not None
        with pytest.raises(JobError):
            async with asyncio.timeout(20), place.asker.job(place.name("doer")):
                await within(doer.begun.get())
                place.relay.cut()
        await within(doer.stopped.get())
