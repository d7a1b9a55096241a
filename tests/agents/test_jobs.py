"""Every job feature, in one process and across a line in both directions."""

import asyncio
from typing import Any

import pytest
from pipecat.bus.messages import BusJobRequestMessage, BusJobUpdateRequestMessage
from pipecat.pipeline.job_context import (
    JobError,
    JobEvent,
    JobGroupError,
    JobGroupEvent,
    JobGroupParams,
    JobParams,
    JobStatus,
)
from pipecat.pipeline.job_decorator import job

from agents.jobs import Jobs, sequential
from tests.agents.placements import PLACEMENTS, Asker, Doer, hold, placed
from tests.proxy.conversation import within


@pytest.fixture(params=PLACEMENTS)
def placement(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Clerk(Jobs):
    """Named handlers and the default one."""

    def __init__(self, name: str = "clerk") -> None:
        super().__init__(name)
        self.now = 0
        self.most = 0
        self.order: list[int] = []
        self.go = asyncio.Event()
        self.both = asyncio.Event()

    @job(name="research")
    async def on_research(self, message: BusJobRequestMessage) -> None:
        await self.send_job_response(message.job_id, {"answer": message.payload})

    @job(name="summarize")
    async def on_summarize(self, message: BusJobRequestMessage) -> None:
        await self.send_job_response(message.job_id, {"summary": message.payload})

    @job(name="one by one", sequential=True)
    async def on_one(self, message: BusJobRequestMessage) -> None:
        await self._count(message)

    @job(name="at once")
    async def on_many(self, message: BusJobRequestMessage) -> None:
        await self._count(message)

    async def on_job_request(self, message: BusJobRequestMessage) -> None:
        await super().on_job_request(message)
        await self.send_job_response(message.job_id, {"default": message.payload})

    async def _count(self, message: BusJobRequestMessage) -> None:
        assert message.payload is not None
        self.now += 1
        self.most = max(self.most, self.now)
        self.order.append(message.payload["n"])
        if self.now == 2:
            self.both.set()
        await self.go.wait()
        self.now -= 1
        await self.send_job_response(message.job_id, {"n": message.payload["n"]})


async def ask(asker: Any, whom: str, **params: Any) -> Any:
    async with asker.job(whom, params=JobParams(**params)) as asked:
        pass
    return asked.response


async def test_a_single_job_is_answered(placement: str) -> None:
    async with placed(placement, Asker(), Clerk()) as place:
        question = {"question": "What is Pipecat?"}
        async with place.asker.job(place.name("clerk"), params=JobParams(payload=question)) as t:
            pass
        assert t.response == {"default": question}
        assert t.status is JobStatus.COMPLETED
        assert place.asker.job_groups == {}


async def test_a_job_without_a_payload_has_none(placement: str) -> None:
    async with placed(placement, Asker(), Clerk()) as place:
        assert await ask(place.asker, place.name("clerk")) == {"default": None}


async def test_a_group_is_answered_by_everyone(placement: str) -> None:
    doers = [Doer(f"w{number}") for number in range(3)]
    async with placed(placement, Asker(), *doers) as place:
        names = place.names("w0", "w1", "w2")
        params = JobGroupParams(payload={"topic": "AI safety"}, timeout=20)
        async with place.asker.job_group(*names, params=params) as tg:
            pass
        assert tg.responses == {place.name(doer.name): {"from": doer.name} for doer in doers}
        assert [await doer.begun.get() for doer in doers] == [{"topic": "AI safety"}] * 3


async def test_each_worker_of_a_group_reads_its_own_key(placement: str) -> None:
    async def own(doer: Doer, message: BusJobRequestMessage) -> None:
        assert message.payload is not None
        await doer.send_job_response(message.job_id, {"mine": message.payload[doer.name]})

    payload = {
        "researcher": {"topic": "AI safety", "depth": "detailed"},
        "fact_checker": {"claims": ["AI can self-improve", "AGI is near"]},
    }
    async with placed(placement, Asker(), *(Doer(name, own) for name in payload)) as place:
        params = JobGroupParams(payload=payload)
        async with place.asker.job_group(*place.names(*payload), params=params) as tg:
            pass
        assert tg.responses == {place.name(name): {"mine": payload[name]} for name in payload}


async def test_a_name_chooses_the_handler_and_the_default_takes_the_rest(placement: str) -> None:
    async with placed(placement, Asker(), Clerk()) as place:
        clerk, payload = place.name("clerk"), {"topic": "AI"}
        asker = place.asker
        assert await ask(asker, clerk, name="research", payload=payload) == {"answer": payload}
        assert await ask(asker, clerk, name="summarize", payload=payload) == {"summary": payload}
        assert await ask(asker, clerk, name="nobody's", payload=payload) == {"default": payload}
        assert await ask(asker, clerk, payload=payload) == {"default": payload}


async def test_sequential_handlers_run_one_at_a_time_in_order(placement: str) -> None:
    clerk = Clerk()
    clerk.go.set()
    async with placed(placement, Asker(), clerk) as place:
        asked = [
            asyncio.create_task(
                ask(place.asker, place.name("clerk"), name="one by one", payload={"n": number})
            )
            for number in range(5)
        ]
        assert await within(asyncio.gather(*asked)) == [{"n": number} for number in range(5)]
        assert (clerk.order, clerk.most) == (list(range(5)), 1)


async def test_parallel_handlers_run_at_once(placement: str) -> None:
    clerk = Clerk()
    async with placed(placement, Asker(), clerk) as place:
        asked = [
            asyncio.create_task(
                ask(place.asker, place.name("clerk"), name="at once", payload={"n": number})
            )
            for number in range(2)
        ]
        await within(clerk.both.wait())
        clerk.go.set()
        assert await within(asyncio.gather(*asked)) == [{"n": 0}, {"n": 1}]


class Later(Jobs):
    """Answers from elsewhere than its handler, as a pipeline does."""

    def __init__(self) -> None:
        super().__init__("later")
        self.asked: asyncio.Queue[BusJobRequestMessage] = asyncio.Queue()

    @sequential
    async def on_job_request(self, message: BusJobRequestMessage) -> None:
        await super().on_job_request(message)
        self.asked.put_nowait(message)


async def test_a_second_job_waits_until_the_first_is_answered_and_is_never_mixed_up(
    placement: str,
) -> None:
    later = Later()
    async with placed(placement, Asker(), later) as place:
        name = place.name("later")
        asked = [
            asyncio.create_task(ask(place.asker, name, payload={"n": number}))
            for number in range(3)
        ]
        for number in range(3):
            request = await within(later.asked.get())
            assert request.payload == {"n": number}
            assert later.asked.empty()
            await later.send_job_response(request.job_id, {"answer to": number})
        answers = await within(asyncio.gather(*asked))
        assert answers == [{"answer to": number} for number in range(3)]


async def test_fire_and_forget_calls_back(placement: str) -> None:
    async with placed(placement, Asker(), Doer("w1"), Doer("w2")) as place:
        names = place.names("w1", "w2")
        await place.asker.request_job(names[0], params=JobParams(payload={"job": 1}))
        assert await within(place.asker.told.get()) == ("completed", {"from": "w1"})
        assert await within(place.asker.told.get()) == ("all", {names[0]: {"from": "w1"}})
        await place.asker.request_job_group(*names)
        told = [await within(place.asker.told.get()) for _ in range(3)]
        answers = {name: {"from": name[:2]} for name in names}
        assert told[-1] == ("all", answers)
        assert place.asker.job_groups == {}


async def test_updates_are_read_while_the_job_runs(placement: str) -> None:
    async def in_steps(doer: Doer, message: BusJobRequestMessage) -> None:
        for step in range(3):
            await doer.send_job_update(message.job_id, {"step": step})
        await doer.go.wait()
        await doer.send_job_response(message.job_id, {"done": True})

    doer = Doer(handle=in_steps)
    async with placed(placement, Asker(), doer) as place:
        events: list[JobEvent] = []
        async with asyncio.timeout(20), place.asker.job(place.name("doer")) as t:
            async for event in t:
                events.append(event)
                if len(events) == 3:
                    doer.go.set()
        assert events == [JobEvent(JobEvent.UPDATE, {"step": step}) for step in range(3)]
        assert t.response == {"done": True}


class Reporter(Doer):
    """Tells how far it is when asked."""

    async def on_job_update_requested(self, message: BusJobUpdateRequestMessage) -> None:
        await self.send_job_update(message.job_id, {"progress": 0.5})


async def test_an_update_is_sent_on_request(placement: str) -> None:
    doer = Reporter(handle=hold)
    async with placed(placement, Asker(), doer) as place:
        name = place.name("doer")
        async with asyncio.timeout(20), place.asker.job(name) as t:
            await place.asker.request_job_update(t.job_id, name)
            async for event in t:
                assert event == JobEvent(JobEvent.UPDATE, {"progress": 0.5})
                doer.go.set()
        assert t.response == {"from": "doer"}


async def test_urgent_updates_and_answers_arrive(placement: str) -> None:
    async def hurry(doer: Doer, message: BusJobRequestMessage) -> None:
        await doer.send_job_update(message.job_id, {"hurry": True}, urgent=True)
        await doer.go.wait()
        await doer.send_job_response(message.job_id, {"done": True}, urgent=True)

    doer = Doer(handle=hurry)
    async with placed(placement, Asker(), doer) as place:
        async with asyncio.timeout(20), place.asker.job(place.name("doer")) as t:
            async for event in t:
                assert event.data == {"hurry": True}
                doer.go.set()
        assert t.response == {"done": True}


async def stream(doer: Doer, message: BusJobRequestMessage) -> None:
    await doer.send_job_stream_start(message.job_id, {"type": "text"})
    for number in range(50):
        await doer.send_job_stream_data(message.job_id, {"n": number})
    await doer.send_job_stream_end(message.job_id, {"count": 50})


async def test_a_stream_is_read_with_async_for(placement: str) -> None:
    async with placed(placement, Asker(), Doer(handle=stream)) as place:
        async with asyncio.timeout(20), place.asker.job(place.name("doer")) as t:
            events = [event async for event in t]
            assert [event async for event in t] == []
        assert events[0] == JobEvent(JobEvent.STREAM_START, {"type": "text"})
        assert [event.data for event in events[1:-1]] == [{"n": number} for number in range(50)]
        assert events[-1] == JobEvent(JobEvent.STREAM_END, {"count": 50})
        assert t.response == {"count": 50}
        assert t.status is JobStatus.COMPLETED


async def test_streams_of_a_group_say_whose_they_are(placement: str) -> None:
    async with placed(placement, Asker(), Doer("w1", stream), Doer("w2", stream)) as place:
        names = place.names("w1", "w2")
        async with asyncio.timeout(20), place.asker.job_group(*names) as tg:
            events = [event async for event in tg]
        for name in names:
            data = [
                event.data
                for event in events
                if (event.worker_name, event.type) == (name, JobGroupEvent.STREAM_DATA)
            ]
            assert data == [{"n": number} for number in range(50)]
        assert tg.responses == {name: {"count": 50} for name in names}


async def test_a_failure_cancels_the_rest_of_the_group_and_keeps_what_is_there(
    placement: str,
) -> None:
    async def fail(doer: Doer, message: BusJobRequestMessage) -> None:
        await doer.go.wait()
        await doer.send_job_response(message.job_id, {"why": "no source"}, status=JobStatus.FAILED)

    quick, broken, slow = Doer("quick"), Doer("broken", fail), Doer("slow", hold)
    async with placed(placement, Asker(), quick, broken, slow) as place:
        names = place.names("quick", "broken", "slow")
        with pytest.raises(JobGroupError, match="errored"):
            async with place.asker.job_group(*names) as tg:
                assert await within(place.asker.told.get()) == ("completed", {"from": "quick"})
                await within(slow.begun.get())
                broken.go.set()
        assert tg.responses == {names[0]: {"from": "quick"}, names[1]: {"why": "no source"}}
        assert tg.statuses[names[1]] is JobStatus.FAILED
        assert "errored" in await within(slow.cancelled.get())


async def test_a_failure_is_an_answer_where_errors_do_not_cancel(placement: str) -> None:
    async def fail(doer: Doer, message: BusJobRequestMessage) -> None:
        await doer.send_job_response(message.job_id, {"why": "?"}, status=JobStatus.FAILED)

    async with placed(placement, Asker(), Doer("good"), Doer("bad", fail)) as place:
        names = place.names("good", "bad")
        params = JobGroupParams(cancel_on_error=False)
        async with place.asker.job_group(*names, params=params) as tg:
            pass
        assert tg.responses == {names[0]: {"from": "good"}, names[1]: {"why": "?"}}
        assert tg.statuses == {names[0]: JobStatus.COMPLETED, names[1]: JobStatus.FAILED}


async def test_a_failed_single_job_raises_and_says_why(placement: str) -> None:
    async def fail(doer: Doer, message: BusJobRequestMessage) -> None:
        await doer.send_job_response(message.job_id, {"why": "?"}, status=JobStatus.FAILED)

    async with placed(placement, Asker(), Doer(handle=fail)) as place:
        with pytest.raises(JobError, match="errored"):
            async with place.asker.job(place.name("doer")) as t:
                pass
        assert (t.response, t.status) == ({"why": "?"}, JobStatus.FAILED)
