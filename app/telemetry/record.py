"""What is noted of one session while it runs: its turns, handoffs and jobs, and what crossed.

The frames that cross its line are looked at in passing, and so are the messages on its bus. Their
types and senders are noted, and when they came; never what is in them.
"""

import time
from collections.abc import Callable, Sequence

from pipecat.bus.bus import WorkerBus
from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusFrameMessage,
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobResponseUrgentMessage,
    BusJobStreamEndMessage,
    BusMessage,
)
from pipecat.frames.frames import Frame
from pipecat.pipeline.job_context import JobStatus
from pipecat.workers.base_worker import BaseWorker

from app.telemetry.metrics import Live, Metrics
from app.telemetry.spans import NoSpans, SessionSpans
from app.telemetry.tools import Tools
from app.telemetry.tracing import session_spans
from app.telemetry.turns import ANSWERS, ARRIVING, LEAVING, Turns
from proxy import CloseCode, DirectBus, LineStats

# Jobs and handoffs under way that are timed; a conversation has a handful.
MAX_UNDER_WAY = 256

# Endings that are nobody's fault.
_FINE = frozenset({CloseCode.ENDED, CloseCode.GOING_AWAY})

_STATUSES = frozenset(status.value for status in JobStatus)

Clock = Callable[[], float]


class SessionRecord:
    """The telemetry of one session; also the tap of its line.

    Attributes:
        arriving: The frames of the caller that it looks at.
        leaving: The frames of the assistant that it looks at.
    """

    arriving: frozenset[type[Frame]] = ARRIVING
    leaving: frozenset[type[Frame]] = LEAVING

    def __init__(self, assistant: str, metrics: Metrics, clock: Clock = time.monotonic) -> None:
        """Prepare; nothing is noted before `begin`.

        Args:
            assistant: The assistant's name.
            metrics: Where to count.
            clock: Gives the time in seconds.
        """
        self._assistant = assistant
        self._metrics = metrics
        self._clock = clock
        self._trace(NoSpans())
        self._line: Live | None = None
        self._bus: DirectBus | None = None
        self._names: frozenset[str] = frozenset()
        self._handoffs: dict[str, float] = {}
        self._jobs: dict[tuple[str, str], float] = {}
        self._began_at = 0.0

    @property
    def stats(self) -> LineStats:
        """What crossed the line so far."""
        return LineStats() if self._line is None else self._line.stats

    def begin(self, session_id: str, traceparent: str | None = None) -> str | None:
        """Note that the session begins.

        Args:
            session_id: Its id.
            traceparent: What the caller said of the trace that it is part of.

        Returns:
            The id of its trace, or None where there is none.
        """
        self._trace(session_spans(self._assistant, traceparent))
        self._began_at = self._clock()
        self._metrics.started.labels(self._assistant).inc()
        return self._spans.begin(session_id)

    def follow(self, bus: WorkerBus, line: Live, tasks: Sequence[BaseWorker]) -> None:
        """Look at what the session does from here on.

        Args:
            bus: Its bus.
            line: Its line.
            tasks: The assistant's tasks, not running yet.
        """
        self._line = line
        self._metrics.live.add(self)
        self._names = frozenset(task.name for task in tasks)
        self._tools.follow(tasks)
        self._spans.follow(tasks)
        for task in tasks:
            task.add_event_handler("on_activated", self._on_activated)
        if isinstance(bus, DirectBus):
            self._bus = bus
            bus.watch = self.noticed

    def leave(self) -> None:
        """Look no more, and keep what was counted; the line is about to be taken apart."""
        if self._line is not None:
            self._metrics.over.add(self._line.stats)
            self._metrics.live.discard(self)
            self._line = None
        if self._bus is not None:
            self._bus.watch = None
            self._bus = None
        self._tools.leave()

    def finish(self, code: int) -> None:
        """Note that the session is over.

        Args:
            code: The close code of its line.
        """
        self.leave()
        self._turns.end()
        reason = reason_of(code)
        self._metrics.ended.labels(self._assistant, reason).inc()
        self._metrics.endings.add(reason)
        self._metrics.duration.labels(self._assistant).observe(self._clock() - self._began_at)
        self._spans.finish(reason, failed=code not in _FINE)

    def arrived(self, message: BusFrameMessage) -> None:
        """Look at a frame of the caller; see `proxy.tap.FrameTap`."""
        self._turns.arrived(message.frame)

    def left(self, message: BusFrameMessage) -> None:
        """Look at a frame of the assistant; see `proxy.tap.FrameTap`."""
        if type(message.frame) in ANSWERS:
            # There are many, and only the first of each answer matters.
            if self._turns.asked_at is not None:
                self._turns.answered(message.source)
            return
        self._turns.left(message.frame)
        self._tools.left(message)

    def noticed(self, message: BusMessage) -> None:
        """Look at a message on the bus that is not a frame.

        Args:
            message: The message.
        """
        match message:
            case BusActivateWorkerMessage(source=source, target=str(target)):
                self._activating(source, target)
            case BusJobRequestMessage(target=str(target)):
                self._asked(message.job_id, target)
            case BusJobResponseMessage() | BusJobResponseUrgentMessage():
                self._answered(message.job_id, message.source, _status(message.status))
            case BusJobStreamEndMessage():
                self._answered(message.job_id, message.source, JobStatus.COMPLETED)
            case BusJobCancelMessage(target=str(target)):
                self._answered(message.job_id, target, JobStatus.CANCELLED)

    def _trace(self, spans: SessionSpans) -> None:
        self._spans = spans
        self._tools = Tools(spans)
        self._turns = Turns(self._metrics.first_answer.labels(self._assistant), spans, self._clock)

    def _activating(self, source: str, target: str) -> None:
        """Note a handoff; the caller's activation of the first task is none."""
        ours = source in self._names and target in self._names and source != target
        if ours and len(self._handoffs) < MAX_UNDER_WAY:
            self._handoffs[target] = self._clock()
            names = {"trunkline.handoff.from": source, "trunkline.handoff.to": target}
            self._spans.opened(("handoff", target), "handoff", names)

    def _on_activated(self, task: BaseWorker, _: object) -> None:
        began_at = self._handoffs.pop(task.name, None)
        if began_at is not None:
            self._metrics.handoff.labels(self._assistant).observe(self._clock() - began_at)
            self._spans.closed(("handoff", task.name))

    def _asked(self, job_id: str, target: str) -> None:
        if len(self._jobs) < MAX_UNDER_WAY:
            self._jobs[job_id, target] = self._clock()
            # What a caller calls its own tasks is for nobody to see.
            known = target if target in self._names else "caller"
            self._spans.opened(("job", job_id, target), "job", {"trunkline.job.task": known})

    def _answered(self, job_id: str, source: str, status: str) -> None:
        began_at = self._jobs.pop((job_id, source), None)
        if began_at is not None:
            lasted_s = self._clock() - began_at
            self._metrics.job.labels(self._assistant, status).observe(lasted_s)
            failed = "" if status == JobStatus.COMPLETED else status
            result = {"trunkline.job.status": status}
            self._spans.closed(("job", job_id, source), result, failed=failed)


def reason_of(code: int) -> str:
    """Return the name of a close code, for a label; a code that is not ours has none.

    Args:
        code: What either end closed with.
    """
    try:
        return CloseCode(code).name.lower()
    except ValueError:
        return "other"


def _status(status: object) -> str:
    value = str(getattr(status, "value", status))
    return value if value in _STATUSES else "other"
