"""Deadlines that travel with jobs, and cancellation that follows them down."""

import asyncio
from typing import Any

import pytest
from pipecat.bus.messages import BusJobRequestMessage
from pipecat.pipeline.job_context import (
    JobError,
    JobGroupError,
    JobGroupParams,
    JobParams,
    JobStatus,
)
from pipecat.workers.base_worker import BaseWorker, WorkerActivationArgs

from agents.jobs import DEFAULT_TIMEOUT_S, LONGEST_S, REMAINING_S, Deadline, Jobs, sequential
from agents.jobs.asking import TOO_LATE
from agents.jobs.deadline import stamped, unstamped
from tests.agents.placements import IN_PROCESS, PLACEMENTS, Asker, Doer, hold, placed, running
from tests.proxy.conversation import within


@pytest.fixture(params=PLACEMENTS)
def placement(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def ask_on(doer: Doer, message: BusJobRequestMessage) -> None:
    """Ask the leaf for as long as it likes, and pass its answer on."""
    async with doer.job(doer.leaf, params=JobParams(timeout=LONGEST_S)) as asked:
        pass
    await doer.send_job_response(message.job_id, asked.response)


async def ask(asker: Any, name: str, timeout_s: float | None = None) -> Any:
    async with asker.job(name, params=JobParams(timeout=timeout_s)) as asked:
        pass
    return asked.response


async def test_a_job_without_a_timeout_has_one(placement: str) -> None:
    doer = Doer(handle=hold)
    asker = Asker(job_timeout_s=0.2)
    async with placed(placement, asker, doer) as place:
        with pytest.raises(JobError):
            await within(ask(asker, place.name("doer")))
        await within(doer.cancelled.get())
        assert 0 < doer.remaining_s[0] <= 0.2
        assert asker.job_groups == {}
    assert Jobs("plain").job_timeout_s == DEFAULT_TIMEOUT_S


async def test_what_a_job_asks_of_others_gets_what_is_left_and_never_more(placement: str) -> None:
    middle, leaf = Doer("middle", ask_on), Doer("leaf")
    async with placed(placement, Asker(), middle, hidden=[leaf]) as place:
        assert await ask(place.asker, place.name("middle"), 15) == {"from": "leaf"}
        assert middle.remaining_s[0] <= 15
        assert leaf.remaining_s[0] <= middle.remaining_s[0]


async def test_a_deadline_that_crosses_and_comes_back_only_shrinks(placement: str) -> None:
    middle = Doer("middle", ask_on)

    class Both(Asker, Doer):
        """Asks, and is asked in turn."""

        def __init__(self) -> None:
            Doer.__init__(self, "asker")
            self.told = asyncio.Queue()

    both = Both()
    async with placed(placement, both, middle) as place:
        middle.leaf = middle.name_of_caller_task("asker")
        assert await ask(both, place.name("middle"), 15) == {"from": "asker"}
        assert both.remaining_s[0] <= middle.remaining_s[0] <= 15


async def test_a_deadline_that_passes_ends_the_whole_tree(placement: str) -> None:
    middle, leaf = Doer("middle", ask_on), Doer("leaf", hold)
    async with placed(placement, Asker(), middle, hidden=[leaf]) as place:
        with pytest.raises(JobError):
            await within(ask(place.asker, place.name("middle"), 0.3))
        await within(middle.stopped.get())
        await within(leaf.stopped.get())
        await within(leaf.cancelled.get())


async def test_an_interruption_cancels_the_whole_tree(placement: str) -> None:
    middle, leaf = Doer("middle", ask_on), Doer("leaf", hold)
    async with placed(placement, Asker(), middle, hidden=[leaf]) as place:
        tool = asyncio.create_task(ask(place.asker, place.name("middle")))
        await within(leaf.begun.get())
        tool.cancel()
        await within(middle.cancelled.get())
        assert await within(leaf.cancelled.get()) == "nobody waits any more"
        await within(leaf.stopped.get())


async def test_what_a_handler_only_requested_is_cancelled_with_its_job(placement: str) -> None:
    async def request_on(doer: Doer, message: BusJobRequestMessage) -> None:
        await doer.request_job("leaf")

    middle, leaf = Doer("middle", request_on), Doer("leaf", hold)
    async with placed(placement, Asker(), middle, hidden=[leaf]) as place:
        job_id = await place.asker.request_job(place.name("middle"))
        await within(leaf.begun.get())
        await place.asker.cancel_job_group(job_id, reason="enough")
        assert await within(leaf.cancelled.get()) == "enough"


async def test_what_a_handler_requested_goes_on_once_its_job_is_done(placement: str) -> None:
    async def request_on(doer: Doer, message: BusJobRequestMessage) -> None:
        await doer.request_job("leaf")
        await doer.send_job_response(message.job_id, {"requested": True})

    middle, leaf = Doer("middle", request_on), Doer("leaf", hold)
    async with placed(placement, Asker(), middle, hidden=[leaf]) as place:
        assert await ask(place.asker, place.name("middle")) == {"requested": True}
        leaf.go.set()
        await within(leaf.begun.get())
        assert leaf.cancelled.empty()


async def test_a_failed_handler_takes_what_it_requested_with_it(placement: str) -> None:
    async def request_and_fail(doer: Doer, message: BusJobRequestMessage) -> None:
        await doer.request_job("leaf")
        raise LookupError

    middle, leaf = Doer("middle", request_and_fail), Doer("leaf", hold)
    async with placed(placement, Asker(), middle, hidden=[leaf]) as place:
        with pytest.raises(JobError):
            await ask(place.asker, place.name("middle"))
        assert await within(leaf.cancelled.get()) == "it ended with error"


class Piped(Doer):
    """Asks others from elsewhere than its handler, as a pipeline with a language model does."""

    def __init__(self) -> None:
        super().__init__("piped", self.wake)
        self.wake_up = asyncio.Event()
        self.asking: asyncio.Task[Any] | None = None

    async def on_activated(self, args: dict[str, Any] | None) -> None:
        await super().on_activated(args)
        self.asking = asyncio.create_task(self._pipeline())

    @staticmethod
    async def wake(doer: Doer, message: BusJobRequestMessage) -> None:
        assert isinstance(doer, Piped)
        doer.wake_up.set()

    async def _pipeline(self) -> None:
        await self.wake_up.wait()
        await ask(self, "leaf", LONGEST_S)


async def test_a_pipeline_that_does_a_job_is_bound_by_it(placement: str) -> None:
    piped, leaf = Piped(), Doer("leaf", hold)
    async with placed(placement, Asker(), piped, hidden=[leaf]) as place:
        job_id = await place.asker.request_job(place.name("piped"), params=JobParams(timeout=15))
        await within(leaf.begun.get())
        assert leaf.remaining_s[0] <= piped.remaining_s[0] <= 15
        await place.asker.cancel_job_group(job_id, reason="enough")
        assert await within(leaf.cancelled.get()) == "enough"
        assert piped.asking is not None
        with pytest.raises(JobError):
            await within(piped.asking)


async def test_a_job_that_nobody_answers_fails_at_its_deadline() -> None:
    async def forget(doer: Doer, message: BusJobRequestMessage) -> None:
        """Answer nothing."""

    doer = Doer(handle=forget)
    asker = BaseWorker("asker")
    responses: asyncio.Queue[Any] = asyncio.Queue()
    asker.add_event_handler("on_job_response", lambda _, message: responses.put_nowait(message))
    async with running(asker, doer):
        payload = {"n": 1, REMAINING_S: 0.1}
        await asker.request_job("doer", params=JobParams(payload=payload))
        answer = await within(responses.get())
        assert (answer.status, answer.response) == (JobStatus.FAILED, {"error": TOO_LATE})
        assert await doer.begun.get() == {"n": 1}
        assert await doer.cancelled.get() == TOO_LATE


async def test_a_queued_job_whose_deadline_passes_never_begins(placement: str) -> None:
    class OneAtATime(Doer):
        @sequential
        async def on_job_request(self, message: BusJobRequestMessage) -> None:
            await super().on_job_request(message)

    doer, other = OneAtATime(handle=hold), Doer("other")
    async with placed(placement, Asker(), doer, other) as place:
        first = asyncio.create_task(ask(place.asker, place.name("doer")))
        await within(doer.begun.get())
        with pytest.raises(JobError):
            await within(ask(place.asker, place.name("doer"), 0.1))
        # What was sent before its answer is there by now, so the end of the other job, too.
        assert await within(ask(place.asker, place.name("other"))) == {"from": "other"}
        doer.go.set()
        assert await within(first) == {"from": "doer"}
        assert doer.begun.empty()


@pytest.mark.parametrize("left", [0, -5, 0.0])
async def test_a_job_that_comes_too_late_is_refused(left: float) -> None:
    doer, asker = Doer(), Asker()
    async with running(asker, doer):
        payload = {REMAINING_S: left}
        await BaseWorker.send_bus_message(
            asker,
            BusJobRequestMessage(source="asker", target="doer", job_id="1", payload=payload),
        )
        assert await within(asker.told.get()) == ("failed", {"error": TOO_LATE})
        assert doer.begun.empty()


@pytest.mark.parametrize("left", ["soon", None, float("nan"), True, [1], {}])
async def test_a_deadline_that_is_no_number_is_none(left: object) -> None:
    assert unstamped({"n": 1, REMAINING_S: left}) == ({"n": 1}, None)


async def test_a_deadline_is_never_longer_than_the_longest() -> None:
    _, deadline = unstamped({REMAINING_S: float("inf")})
    assert deadline is not None
    assert deadline.remaining_s <= LONGEST_S
    assert stamped(None, deadline).keys() == {REMAINING_S}


async def test_no_job_is_sent_when_no_time_is_left() -> None:
    asker, doer = Asker(), Doer()
    async with running(asker, doer):
        with pytest.raises(JobError, match=TOO_LATE):
            await ask(asker, "doer", 0)
        with pytest.raises(JobGroupError, match=TOO_LATE):
            async with asker.job_group("doer", params=JobGroupParams(timeout=-1)):
                pass
        assert doer.begun.empty()


class Support(Doer):
    """Takes over, and asks others when it does and whenever it is told to."""

    def __init__(self) -> None:
        super().__init__("support", active=False)
        self.args: asyncio.Queue[Any] = asyncio.Queue()
        self.bound: list[Deadline | None] = []

    async def on_activated(self, args: dict[str, Any] | None) -> None:
        await super().on_activated(args)
        self.bound.append(self.job_scope().deadline)
        self.args.put_nowait(args)


async def test_a_handoff_gets_what_is_left_and_keeps_its_own_arguments() -> None:
    async def hand_over(doer: Doer, message: BusJobRequestMessage) -> None:
        args = WorkerActivationArgs(metadata={"about": "refund"})
        await doer.activate_worker("support", args=args)
        await doer.go.wait()

    greeter, support, leaf = Doer("greeter", hand_over), Support(), Doer("leaf")
    async with placed(IN_PROCESS, Asker(), greeter, support, leaf) as place:
        await place.asker.request_job("greeter", params=JobParams(timeout=15))
        assert await within(support.args.get()) == {"metadata": {"about": "refund"}}
        assert await ask(support, "leaf", LONGEST_S) == {"from": "leaf"}
        assert leaf.remaining_s[0] <= greeter.remaining_s[0] <= 15
        assert support.bound[0] is not None
        # The next one to take over by itself owes nobody anything.
        await place.asker.activate_worker("support")
        assert await within(support.args.get()) is None
        await ask(support, "leaf", 600)
        assert leaf.remaining_s[1] > 15
        assert support.bound[1] is None


async def test_a_handoff_outside_of_a_job_has_no_deadline() -> None:
    support = Support()
    async with placed(IN_PROCESS, Asker(), support) as place:
        await place.asker.activate_worker("support", args=WorkerActivationArgs())
        assert await within(support.args.get()) == {}
        assert support.bound == [None]
