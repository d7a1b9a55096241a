"""What our jobs rely on in Pipecat, and how they get on with its own tasks."""

import asyncio
import inspect

import pytest
from pipecat.bus.messages import BusJobRequestMessage
from pipecat.pipeline.job_context import JobError, JobParams
from pipecat.workers.base_worker import BaseWorker

from agents.jobs import Jobs
from tests.agents.placements import PLACEMENTS, Asker, Doer, hold, placed, running
from tests.proxy.conversation import Echo, within

RELIED_ON = {
    "_handle_job_cancel": ["self", "message"],
    "_handle_job_request": ["self", "message"],
    "_handle_job_response": ["self", "message"],
    "_handle_job_stream_end": ["self", "message"],
    "_handle_worker_activate": ["self", "message"],
    "_push_job_group_event": ["self", "job_id", "event"],
    "_run_job_handler": ["self", "job_id", "handler", "message", "lock"],
    "_send_job_request": ["self", "worker_name", "job_id", "job_name", "payload"],
    "_task_timeout": ["self", "job_id", "timeout"],
}


@pytest.mark.parametrize("name", RELIED_ON)
def test_what_is_extended_is_still_there(name: str) -> None:
    assert list(inspect.signature(getattr(BaseWorker, name)).parameters) == RELIED_ON[name]


def test_a_task_has_what_jobs_keep_in_it() -> None:
    task = Jobs("task")
    assert (task.active_jobs, task.job_groups) == ({}, {})
    assert (task._job_handler_tasks, task._job_locks, task._job_handlers) == ({}, {}, {})
    assert task._event_handlers["on_job_request"].handlers == []


async def test_a_plain_task_is_asked_and_finds_one_key_more() -> None:
    asker = Asker()
    async with running(asker, Echo("echo")):
        async with asker.job("echo", params=JobParams(payload={"n": 1})) as t:
            pass
        assert t.response["echo"]["n"] == 1
        assert t.response["echo"].keys() == {"n", "trunkline.remaining_s"}


@pytest.mark.parametrize("placement", PLACEMENTS)
async def test_a_plain_task_asks_ours(placement: str) -> None:
    async with placed(placement, BaseWorker("plain"), Doer()) as place:
        async with place.asker.job(place.name("doer"), params=JobParams(timeout=20)) as t:
            pass
        assert t.response == {"from": "doer"}


@pytest.mark.parametrize("placement", PLACEMENTS)
async def test_a_plain_task_that_gives_up_cancels_ours(placement: str) -> None:
    doer = Doer(handle=hold)
    async with placed(placement, BaseWorker("plain"), doer) as place:
        with pytest.raises(JobError, match="timeout"):
            async with place.asker.job(place.name("doer"), params=JobParams(timeout=0.1)):
                pass
        assert await within(doer.cancelled.get()) == "timeout"


async def test_a_worker_that_was_just_added_is_waited_for() -> None:
    class Parent(Asker):
        async def hire(self) -> str:
            await self.add_workers(Doer("child"))
            async with self.job("child") as t:
                pass
            return str(t.response["from"])

    parent = Parent()
    async with running(parent):
        assert await within(parent.hire()) == "child"


async def test_the_arguments_from_before_there_were_params_still_work() -> None:
    asker = Asker()
    async with running(asker, Doer("w1"), Doer("w2")):
        with pytest.warns(DeprecationWarning, match="Params"):
            async with asker.job("w1", payload={"n": 1}) as one:
                pass
        with pytest.warns(DeprecationWarning, match="Params"):
            async with asker.job_group("w1", "w2", timeout=20.0) as group:
                pass
        assert one.response == {"from": "w1"}
        assert group.responses.keys() == {"w1", "w2"}
        with pytest.raises(TypeError, match="names of workers are strings"):
            asker.job_group("w1", 2)  # type: ignore[arg-type]


async def test_updates_that_nobody_reads_do_not_pile_up_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.jobs.asking.MAX_UNREAD", 100)

    async def chatter(doer: Doer, message: BusJobRequestMessage) -> None:
        for number in range(101):
            await doer.send_job_update(message.job_id, {"n": number})
        await doer.go.wait()

    asker, doer = Asker(), Doer(handle=chatter)
    async with running(asker, doer):
        with pytest.raises(JobError, match="nobody read"):
            async with asyncio.timeout(20), asker.job("doer"):
                pass
        await within(doer.cancelled.get())
