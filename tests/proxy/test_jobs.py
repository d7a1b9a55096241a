"""Who asked whom over a line, so that nobody waits for an answer that cannot come."""

from typing import Any

import pytest
from pipecat.bus.messages import (
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobResponseUrgentMessage,
    BusJobStreamDataMessage,
    BusJobStreamEndMessage,
    BusJobUpdateMessage,
    BusMessage,
    BusTTSSpeakMessage,
)
from pipecat.pipeline.job_context import JobStatus

from proxy.jobs import (
    LINE_LOST,
    MAX_JOBS,
    UNREACHABLE,
    UNSENDABLE,
    JobLedger,
    failure,
    failure_instead,
)

DONE = JobStatus.COMPLETED


def asked(job: str = "1", *, source: str = "acme", target: str = "assistant") -> Any:
    return BusJobRequestMessage(source=source, target=target, job_id=job)


ANSWERS: list[BusMessage] = [
    BusJobResponseMessage(source="assistant", target="acme", job_id="1", status=DONE),
    BusJobResponseUrgentMessage(source="assistant", target="acme", job_id="1", status=DONE),
    BusJobStreamEndMessage(source="assistant", target="acme", job_id="1"),
]
ON_THE_WAY: list[BusMessage] = [
    BusJobUpdateMessage(source="assistant", target="acme", job_id="1"),
    BusJobStreamDataMessage(source="assistant", target="acme", job_id="1"),
    BusTTSSpeakMessage(source="assistant", target="acme", text="hi"),
]


def kind_of(message: BusMessage) -> str:
    return type(message).__name__


def test_a_request_that_cannot_be_met_fails_with_a_fixed_sentence() -> None:
    answer = failure(asked("7"), UNREACHABLE)
    assert (answer.source, answer.target, answer.job_id) == ("assistant", "acme", "7")
    assert answer.status is JobStatus.FAILED
    assert answer.response == {"error": "the task cannot be reached"}


def test_whoever_asked_is_answered_when_the_line_is_gone() -> None:
    ledger = JobLedger()
    ledger.leaving(asked())
    (answer,) = ledger.settle()
    assert isinstance(answer, BusJobResponseMessage)
    assert (answer.source, answer.target, answer.status) == ("assistant", "acme", JobStatus.FAILED)
    assert answer.response == {"error": LINE_LOST}
    assert ledger.settle() == []


def test_whoever_works_for_the_other_end_is_told_to_stop() -> None:
    ledger = JobLedger()
    assert ledger.arriving(asked())
    (cancel,) = ledger.settle()
    assert isinstance(cancel, BusJobCancelMessage)
    assert (cancel.source, cancel.target, cancel.reason) == ("acme", "assistant", LINE_LOST)
    assert ledger.settle() == []


@pytest.mark.parametrize("answer", ANSWERS, ids=kind_of)
def test_an_answer_ends_a_job_of_either_side(answer: BusMessage) -> None:
    ledger = JobLedger()
    ledger.leaving(asked())
    assert ledger.arriving(answer)
    assert ledger.settle() == []
    assert ledger.arriving(asked())
    ledger.leaving(answer)
    assert ledger.settle() == []


@pytest.mark.parametrize("message", ON_THE_WAY, ids=kind_of)
def test_nothing_else_does(message: BusMessage) -> None:
    ledger = JobLedger()
    ledger.leaving(asked())
    assert ledger.arriving(message)
    assert len(ledger.settle()) == 1


def test_a_job_that_was_cancelled_needs_no_answer() -> None:
    ledger = JobLedger()
    cancel = BusJobCancelMessage(source="acme", target="assistant", job_id="1")
    ledger.leaving(asked())
    ledger.leaving(cancel)
    assert ledger.arriving(asked())
    assert ledger.arriving(cancel)
    assert ledger.settle() == []


def test_a_job_of_a_group_is_one_for_each_of_its_tasks() -> None:
    ledger = JobLedger()
    for target in ("greeter", "support"):
        ledger.leaving(asked(target=target))
    done = BusJobResponseMessage(source="support", target="acme", job_id="1", status=DONE)
    ledger.arriving(done)
    (answer,) = ledger.settle()
    assert answer.source == "greeter"


def test_an_answer_to_nothing_is_let_be() -> None:
    assert JobLedger().arriving(ANSWERS[0])


def test_the_other_end_has_so_many_jobs_and_no_more() -> None:
    ledger = JobLedger()
    for number in range(MAX_JOBS):
        assert ledger.arriving(asked(str(number)))
    assert not ledger.arriving(asked("one too many"))
    ledger.leaving(
        BusJobResponseMessage(source="assistant", target="acme", job_id="5", status=DONE)
    )
    assert ledger.arriving(asked("the next"))
    assert len(ledger.settle()) == MAX_JOBS


def test_every_job_of_this_side_is_answered_however_many_there_are() -> None:
    ledger = JobLedger()
    numbers = list(map(str, range(MAX_JOBS + 10)))
    for number in numbers:
        ledger.leaving(asked(number))
    answers = ledger.settle()
    assert [a.job_id for a in answers if isinstance(a, BusJobResponseMessage)] == numbers


@pytest.mark.parametrize("answer", ANSWERS, ids=kind_of)
def test_an_answer_that_cannot_be_sent_becomes_a_failure(answer: BusMessage) -> None:
    instead = failure_instead(answer)
    assert instead is not None
    assert (instead.source, instead.target, instead.job_id) == ("assistant", "acme", "1")
    assert (instead.status, instead.response) == (JobStatus.FAILED, {"error": UNSENDABLE})


@pytest.mark.parametrize("message", [asked(), *ON_THE_WAY], ids=kind_of)
def test_nobody_waits_for_anything_else(message: BusMessage) -> None:
    assert failure_instead(message) is None
