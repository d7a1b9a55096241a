"""Jobs across a line: who asked whom, so that nobody waits for an answer that cannot come.

Source: Pipecat 1.14 waits for ever for a task that is unknown, inactive or gone.
"""

from dataclasses import dataclass, field

from pipecat.bus.messages import (
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobResponseUrgentMessage,
    BusJobStreamEndMessage,
    BusMessage,
)
from pipecat.pipeline.job_context import JobStatus

# Jobs of the other end in flight on one line. A conversation has a handful.
MAX_JOBS = 1024

UNREACHABLE = "the task cannot be reached"
LINE_LOST = "the line was lost"
UNSENDABLE = "the answer could not be sent"

# What a line or a bus says of a job that it answers itself.
JOB_FAILURES = frozenset({UNREACHABLE, LINE_LOST, UNSENDABLE})

_ENDINGS = (BusJobResponseMessage, BusJobResponseUrgentMessage, BusJobStreamEndMessage)

# A job of a group has the same id for each of its tasks.
_Job = tuple[str, str]


def failure(request: BusJobRequestMessage, why: str) -> BusJobResponseMessage:
    """Answer a request that cannot be met.

    Args:
        request: The request; it has a target.
        why: A fixed sentence.
    """
    assert request.target is not None
    return _failed(request.job_id, request.target, request.source, why)


def failure_instead(answer: BusMessage) -> BusJobResponseMessage | None:
    """Say what to send in place of an answer that could not be written.

    Args:
        answer: Any message.

    Returns:
        None if it is no answer that somebody waits for.
    """
    if not isinstance(answer, _ENDINGS):
        return None
    return _failed(answer.job_id, answer.source, str(answer.target), UNSENDABLE)


@dataclass
class JobLedger:
    """The jobs in flight on one line."""

    _asked: dict[_Job, str] = field(default_factory=dict)  # there, for a task here
    _serving: dict[_Job, str] = field(default_factory=dict)  # here, for a task there

    def leaving(self, message: BusMessage) -> None:
        """Note a message that is about to cross to the other end."""
        _note(message, self._asked, self._serving)

    def arriving(self, message: BusMessage) -> bool:
        """Note a message that came from the other end.

        Returns:
            False if it is a request and too many are in flight.
        """
        if isinstance(message, BusJobRequestMessage) and len(self._serving) >= MAX_JOBS:
            return False
        _note(message, self._serving, self._asked)
        return True

    def settle(self) -> list[BusMessage]:
        """Answer every request of this side, and cancel the other side's; the line is gone.

        Returns:
            What to put on this side's bus.
        """
        messages: list[BusMessage] = [
            _failed(job_id, worker, requester, LINE_LOST)
            for (job_id, worker), requester in self._asked.items()
        ]
        messages += [
            BusJobCancelMessage(source=requester, target=worker, job_id=job_id, reason=LINE_LOST)
            for (job_id, worker), requester in self._serving.items()
        ]
        self._asked.clear()
        self._serving.clear()
        return messages


def _note(message: BusMessage, requests: dict[_Job, str], answers: dict[_Job, str]) -> None:
    if isinstance(message, BusJobRequestMessage):
        requests[message.job_id, str(message.target)] = message.source
    elif isinstance(message, BusJobCancelMessage):
        requests.pop((message.job_id, str(message.target)), None)
    elif isinstance(message, _ENDINGS):
        answers.pop((message.job_id, message.source), None)


def _failed(job_id: str, worker: str, requester: str, why: str) -> BusJobResponseMessage:
    return BusJobResponseMessage(
        source=worker,
        target=requester,
        job_id=job_id,
        status=JobStatus.FAILED,
        response={"error": why},
    )
