"""What is noted of a session: handoffs between its tasks, and jobs, whoever asks."""

import pytest
from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobResponseUrgentMessage,
    BusJobStreamEndMessage,
    BusMessage,
)
from pipecat.pipeline.job_context import JobStatus
from pipecat.workers.base_worker import BaseWorker

from app.telemetry import Metrics, ServerView, SessionRecord
from app.telemetry.record import MAX_UNDER_WAY, reason_of
from proxy import CloseCode, DirectBus, LineStats

CALLER = "acme@caller"


class Line:
    """Nothing crosses it."""

    stats = LineStats()


class Noted:
    """A record of two tasks, and a clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.metrics = Metrics()
        self.metrics.serve(ServerView(assistants=("acme",)))
        self.record = SessionRecord("acme", self.metrics, lambda: self.now)
        self.tasks = [BaseWorker("desk"), BaseWorker("office")]
        self.bus = DirectBus()
        self.record.begin("abc")
        self.record.follow(self.bus, Line(), self.tasks)

    def at(self, now: float, *messages: BusMessage) -> None:
        self.now = now
        for message in messages:
            self.record.noticed(message)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, {"assistant": "acme", **labels})

    def jobs(self, status: str) -> tuple[float | None, float | None]:
        name = "trunkline_job_duration_seconds"
        return self.value(f"{name}_count", status=status), self.value(f"{name}_sum", status=status)


@pytest.fixture
async def noted() -> Noted:
    return Noted()


def request(job: str, target: str = "desk") -> BusJobRequestMessage:
    return BusJobRequestMessage(source=CALLER, target=target, job_id=job)


@pytest.mark.parametrize("kind", [BusJobResponseMessage, BusJobResponseUrgentMessage])
@pytest.mark.parametrize("status", JobStatus)
async def test_a_job_lasts_from_its_request_to_its_answer(
    noted: Noted, kind: type[BusJobResponseMessage], status: JobStatus
) -> None:
    noted.at(1.0, request("1"), request("1", "office"))
    noted.at(1.5, kind(source="desk", target=CALLER, job_id="1", status=status))
    noted.at(2.0, kind(source="desk", target=CALLER, job_id="1", status=status))
    noted.at(3.0, kind(source="nobody", target=CALLER, job_id="1", status=status))
    assert noted.jobs(status) == (1, 0.5)


async def test_a_stream_is_an_answer_when_it_ends(noted: Noted) -> None:
    noted.at(1.0, request("1"))
    noted.at(3.0, BusJobStreamEndMessage(source="desk", target=CALLER, job_id="1"))
    assert noted.jobs("completed") == (1, 2.0)


async def test_a_job_that_is_cancelled_is_over(noted: Noted) -> None:
    noted.at(1.0, request("1"))
    noted.at(2.0, BusJobCancelMessage(source=CALLER, target="desk", job_id="1"))
    assert noted.jobs("cancelled") == (1, 1.0)


async def test_no_more_jobs_are_timed_than_there_is_room_for(noted: Noted) -> None:
    noted.at(1.0, *(request(str(number)) for number in range(MAX_UNDER_WAY + 5)))
    for number in range(MAX_UNDER_WAY + 5):
        answer = BusJobResponseMessage(
            source="desk", target=CALLER, job_id=str(number), status=JobStatus.COMPLETED
        )
        noted.at(2.0, answer)
    assert noted.jobs("completed") == (MAX_UNDER_WAY, MAX_UNDER_WAY)


async def test_only_tasks_of_the_session_hand_over(noted: Noted) -> None:
    for source, target in ((CALLER, "desk"), ("desk", "desk"), ("desk", CALLER)):
        noted.at(1.0, BusActivateWorkerMessage(source=source, target=target))
    assert noted.record._handoffs == {}
    noted.at(1.0, BusActivateWorkerMessage(source="desk", target="office"))
    noted.now = 1.25
    for _ in range(2):
        noted.record._on_activated(noted.tasks[1], None)
    assert noted.value("trunkline_handoff_duration_seconds_count") == 1
    assert noted.value("trunkline_handoff_duration_seconds_sum") == 0.25


async def test_when_a_session_is_over_nothing_more_is_noted(noted: Noted) -> None:
    noted.record.finish(CloseCode.ASSISTANT_FAILED)
    assert noted.bus.watch is None
    assert noted.metrics.live == set()
    assert noted.value("trunkline_sessions_ended_total", reason="assistant_failed") == 1


def test_a_close_code_that_is_not_ours_is_another() -> None:
    assert reason_of(1000) == "ended"
    assert reason_of(4999) == "other"


async def test_a_job_for_nobody_has_failed_at_once(noted: Noted) -> None:
    noted.bus.hand(request("1", "nobody"))
    assert noted.jobs("failed") == (1, 0.0)
