"""Jobs over the stock dialect: nobody waits for an answer that cannot come."""

from dataclasses import replace

from pipecat.bus.messages import (
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
)
from pipecat.pipeline.job_context import JobStatus

from proxy.close_codes import CloseCode
from proxy.dialect import MustClose, Received
from proxy.jobs import MAX_JOBS
from proxy.outbox import OutboxLimits
from tests.proxy.test_stock_line import CODEC, assistant_end, caller_end, outgoing, received


def test_a_job_for_a_task_that_is_not_exported_fails_at_once() -> None:
    line = assistant_end()
    assert received(line, BusJobRequestMessage(source="acme", target="hidden", job_id="1")) == []
    (answer,) = outgoing(line)
    assert isinstance(answer, BusJobResponseMessage)
    assert (answer.source, answer.target, answer.job_id) == ("hidden", "acme", "1")
    assert answer.status is JobStatus.FAILED


def test_a_job_that_cannot_be_written_fails_at_once() -> None:
    line = caller_end()
    request = BusJobRequestMessage(
        source="acme", target="assistant", job_id="1", payload={"x": object()}
    )
    (event,) = line.send(request)
    assert isinstance(event, Received)
    assert isinstance(event.message, BusJobResponseMessage)
    assert event.message.status is JobStatus.FAILED
    assert line.close() == []


def test_an_answer_that_cannot_be_written_arrives_as_a_failure() -> None:
    line = assistant_end()
    received(line, BusJobRequestMessage(source="acme", target="assistant", job_id="1"))
    line.send(
        BusJobResponseMessage(
            source="assistant",
            target="acme",
            job_id="1",
            status=JobStatus.COMPLETED,
            response={"x": object()},
        )
    )
    (answer,) = outgoing(line)
    assert isinstance(answer, BusJobResponseMessage)
    assert (answer.job_id, answer.status) == ("1", JobStatus.FAILED)


def test_a_lost_line_answers_the_jobs_of_both_sides() -> None:
    line = assistant_end()
    line.send(BusJobRequestMessage(source="assistant", target="acme", job_id="ours"))
    received(line, BusJobRequestMessage(source="acme", target="assistant", job_id="theirs"))
    line.send(BusJobRequestMessage(source="assistant", target="acme", job_id="answered"))
    done = BusJobResponseMessage(
        source="acme", target="assistant", job_id="answered", status=JobStatus.COMPLETED
    )
    received(line, done)
    answer, cancel = [
        event.message for event in line.disconnected(1006) if isinstance(event, Received)
    ]
    assert isinstance(answer, BusJobResponseMessage)
    assert (answer.job_id, answer.source, answer.target) == ("ours", "acme", "assistant")
    assert answer.status is JobStatus.FAILED
    assert isinstance(cancel, BusJobCancelMessage)
    assert (cancel.job_id, cancel.source, cancel.target) == ("theirs", "acme", "assistant")
    assert line.close() == []


def test_a_flood_of_jobs_is_answered_until_too_much_waits() -> None:
    line = assistant_end(limits=OutboxLimits(total_bytes=20_000))
    request = BusJobRequestMessage(source="acme", target="assistant", job_id="1")
    codes: list[object] = []
    for number in range(MAX_JOBS + 200):
        codes += line.receive(CODEC.encode(replace(request, job_id=str(number))))[-1:]
    assert codes[MAX_JOBS] == MustClose(CloseCode.PEER_TOO_SLOW)
    answer = next(outgoing(line))
    assert isinstance(answer, BusJobResponseMessage)
    assert (answer.job_id, answer.status) == (str(MAX_JOBS), JobStatus.FAILED)
