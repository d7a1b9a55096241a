"""Jobs that end before their time: cancelled, interrupted, failed, too late, out of reach."""

import asyncio
from typing import Any

import pytest
from loguru import logger
from pipecat.bus.messages import BusJobCancelMessage, BusJobRequestMessage
from pipecat.pipeline.job_context import (
    JobError,
    JobGroupError,
    JobGroupParams,
    JobParams,
    JobStatus,
)
from pipecat.pipeline.job_decorator import job
from pipecat.workers.base_worker import BaseWorker

from agents.jobs import REMAINING_S, Jobs
from agents.jobs.asking import TOO_LATE
from agents.jobs.serving import FAILED, NO_HANDLER, NOT_NOW
from tests.agents.placements import PLACEMENTS, Asker, Doer, hold, placed
from tests.proxy.conversation import within


@pytest.fixture(params=PLACEMENTS)
def placement(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_block_that_raises_cancels_its_job(placement: str) -> None:
    doer = Doer(handle=hold)
    async with placed(placement, Asker(), doer) as place:
        with pytest.raises(LookupError):
            async with place.asker.job(place.name("doer")):
                await within(doer.begun.get())
                raise LookupError
        await within(doer.stopped.get())
        assert await within(doer.cancelled.get()) == "nobody waits any more"
        assert await within(place.asker.told.get()) == ("cancelled", None)
        assert doer.active_jobs == {}


@pytest.mark.parametrize("waits", ["in the block", "behind the block"])
async def test_an_interrupted_tool_cancels_its_jobs_wherever_it_waits(
    placement: str, waits: str
) -> None:
    doers = [Doer("w1", hold), Doer("w2", hold)]
    async with placed(placement, Asker(), *doers) as place:

        async def tool() -> None:
            async with place.asker.job_group(*place.names("w1", "w2")):
                if waits == "in the block":
                    await asyncio.Event().wait()

        running = asyncio.create_task(tool())
        for doer in doers:
            await within(doer.begun.get())
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(running)
        for doer in doers:
            await within(doer.stopped.get())
            await within(doer.cancelled.get())
        assert place.asker.job_groups == {}


async def test_a_job_that_was_only_requested_is_cancelled_by_hand(placement: str) -> None:
    doers = [Doer("w1", hold), Doer("w2", hold)]
    async with placed(placement, Asker(), *doers) as place:
        ids = [await place.asker.request_job(name) for name in place.names("w1", "w2")]
        for doer in doers:
            await within(doer.begun.get())
        for job_id in ids:
            await place.asker.cancel_job_group(job_id, reason="tool cancelled")
        for doer in doers:
            assert await within(doer.cancelled.get()) == "tool cancelled"
            assert await within(place.asker.told.get()) == ("cancelled", None)


class Careless(Doer):
    """Fails while it cleans up."""

    async def on_job_cancelled(self, message: BusJobCancelMessage) -> None:
        await super().on_job_cancelled(message)
        raise RuntimeError("the file is gone")


async def test_the_answer_to_a_cancellation_comes_even_if_cleaning_up_fails(
    placement: str,
) -> None:
    doer = Careless(handle=hold)
    async with placed(placement, Asker(), doer) as place:
        job_id = await place.asker.request_job(place.name("doer"))
        await within(doer.begun.get())
        await place.asker.cancel_job_group(job_id)
        await within(doer.cancelled.get())
        assert await within(place.asker.told.get()) == ("cancelled", None)


async def test_only_who_asked_may_cancel() -> None:
    doer, other = Doer(handle=hold), Asker("other")
    async with placed(PLACEMENTS[0], Asker(), doer, other) as place:
        job_id = await place.asker.request_job("doer")
        await within(doer.begun.get())
        await other.send_bus_message(
            BusJobCancelMessage(source="other", target="doer", job_id=job_id)
        )
        doer.go.set()
        assert await within(place.asker.told.get()) == ("completed", {"from": "doer"})


async def test_a_worker_that_stops_answers_cancelled_for_all_it_holds(placement: str) -> None:
    doer = Doer(handle=hold)
    async with placed(placement, Asker(), doer) as place:
        params = JobParams(timeout=20)
        for _ in range(3):
            await place.asker.request_job(place.name("doer"), params=params)
            await within(doer.begun.get())
        await doer.stop()
        for _ in range(3):
            assert await within(place.asker.told.get()) == ("cancelled", None)
            await within(place.asker.told.get())
            await within(doer.stopped.get())
        with pytest.raises(JobError):
            async with place.asker.job(place.name("doer"), params=params) as late:
                pass
        assert late.response == {"error": NOT_NOW}


async def test_a_worker_that_stops_is_a_failure_and_not_an_empty_answer(placement: str) -> None:
    doer = Doer(handle=hold)
    async with placed(placement, Asker(), doer) as place:
        with pytest.raises(JobError, match="gave up"):
            async with place.asker.job(place.name("doer")) as t:
                await within(doer.begun.get())
                await doer.stop()
        assert t.status == "cancelled"


async def test_a_stopping_worker_cancels_what_it_asked_for(placement: str) -> None:
    doer = Doer(handle=hold)
    async with placed(placement, Asker(), doer) as place:
        await place.asker.request_job(place.name("doer"))
        await within(doer.begun.get())
        await place.asker.stop()
        assert "stopped" in str(await within(doer.cancelled.get()))


async def test_a_handler_that_raises_answers_with_a_fixed_sentence(placement: str) -> None:
    async def leak(doer: Doer, message: BusJobRequestMessage) -> None:
        raise ValueError("the password is swordfish")

    async with placed(placement, Asker(), Doer(handle=leak)) as place:
        with pytest.raises(JobError) as raised:
            async with place.asker.job(place.name("doer")) as t:
                pass
        assert (t.response, t.status) == ({"error": FAILED}, "error")
        assert "swordfish" not in str(raised.value)


async def test_a_handler_whose_own_wait_was_cancelled_answers_too(placement: str) -> None:
    async def lost(doer: Doer, message: BusJobRequestMessage) -> None:
        other = asyncio.create_task(asyncio.Event().wait())
        other.cancel()
        await other

    async with placed(placement, Asker(), Doer(handle=lost)) as place:
        with pytest.raises(JobError):
            async with place.asker.job(place.name("doer")) as t:
                pass
        assert (t.response, t.status) == ({"error": FAILED}, "error")


async def test_nobody_waits_for_a_name_that_nobody_has(placement: str) -> None:
    async with placed(placement, Asker(), Doer()) as place:
        params = JobParams(timeout=3600)
        with pytest.raises(JobError, match="errored"):
            await within(_ask(place.asker, "nobody", params))
        with pytest.raises(JobGroupError, match="errored"):
            async with asyncio.timeout(20):
                group = JobGroupParams(timeout=3600)
                async with place.asker.job_group(place.name("doer"), "nobody", params=group):
                    pass


async def test_an_inactive_worker_fails_at_once(placement: str) -> None:
    idle = Doer("idle", active=False)
    async with placed(placement, Asker(), idle) as place:
        with pytest.raises(JobError, match="errored"):
            await within(_ask(place.asker, place.name("idle"), JobParams(timeout=3600)))
        assert idle.begun.empty()


class Specialist(Jobs):
    """Does one thing only."""

    @job(name="fold")
    async def on_fold(self, message: BusJobRequestMessage) -> None:
        await self.send_job_response(message.job_id, {"folded": True})


@pytest.mark.parametrize("name", ["iron", None])
async def test_a_job_that_the_worker_does_not_do_fails_at_once(
    placement: str, name: str | None
) -> None:
    async with placed(placement, Asker(), Specialist("doer")) as place:
        with pytest.raises(JobError):
            await within(_ask(place.asker, place.name("doer"), JobParams(name=name, timeout=3600)))
        assert await within(place.asker.told.get()) == ("failed", {"error": NO_HANDLER})
        await _ask(place.asker, place.name("doer"), JobParams(name="fold"))


async def test_an_event_handler_does_jobs_too(placement: str) -> None:
    worker = Jobs("doer")

    async def on_job_request(worker: Jobs, message: BusJobRequestMessage) -> None:
        await worker.send_job_response(message.job_id, {"n": 1})

    worker.add_event_handler("on_job_request", on_job_request)
    async with placed(placement, Asker(), worker) as place:
        await _ask(place.asker, place.name("doer"), JobParams())
        assert await within(place.asker.told.get()) == ("completed", {"n": 1})


async def test_a_worker_that_has_handed_over_still_hears_of_its_jobs(placement: str) -> None:
    doer = Doer(handle=hold)
    async with placed(placement, Asker(), doer) as place:
        await place.asker.request_job(place.name("doer"))
        await within(doer.begun.get())
        await place.asker.deactivate_worker("asker")
        doer.go.set()
        assert await within(place.asker.told.get()) == ("completed", {"from": "doer"})


async def _ask(asker: Any, name: str, params: JobParams) -> None:
    async with asker.job(name, params=params):
        pass


class Tidy(Doer):
    """Takes its time to clean up."""

    def __init__(self) -> None:
        super().__init__(handle=hold)
        self.tidying = asyncio.Event()
        self.tidied = asyncio.Event()
        self.may_finish = asyncio.Event()

    async def on_job_cancelled(self, message: BusJobCancelMessage) -> None:
        await super().on_job_cancelled(message)
        self.tidying.set()
        await self.may_finish.wait()
        self.tidied.set()


async def test_a_cancellation_that_comes_behind_the_deadline_does_not_clean_up_again() -> None:
    asker, tidy = Asker(), Tidy()
    async with placed(PLACEMENTS[0], asker, tidy):
        # Nothing but the worker's own deadline ends the first.
        request = BusJobRequestMessage(
            source="asker", target="doer", job_id="1", payload={REMAINING_S: 0.1}
        )
        await BaseWorker.send_bus_message(asker, request)
        await within(tidy.begun.get())
        await within(tidy.tidying.wait())
        await asker.send_bus_message(BusJobCancelMessage(source="asker", target="doer", job_id="1"))
        # Messages come in order.
        await asker.request_job("doer")
        await within(tidy.begun.get())
        tidy.may_finish.set()
        await within(tidy.tidied.wait())
        assert await within(asker.told.get()) == ("failed", {"error": TOO_LATE})
        assert tidy.cancelled.get_nowait() == TOO_LATE
        assert tidy.cancelled.empty()


async def test_a_job_that_comes_as_the_worker_stops_is_answered_and_nothing_fails() -> None:
    asker, doer = Asker(), Doer(handle=hold)
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    try:
        async with placed(PLACEMENTS[0], asker, doer):
            request = BusJobRequestMessage(source="asker", target="doer", job_id="1")
            await doer.on_bus_message(request)
            await doer._answer("1", JobStatus.CANCELLED)
            assert await within(asker.told.get()) == ("cancelled", None)
            await doer.stop()
            assert doer.begun.empty()
    finally:
        logger.remove(sink)
    assert lines == []
