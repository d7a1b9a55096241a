"""The metrics of one server, for Prometheus.

What happens seldom is counted as it happens. What happens with every message is counted by the
lines themselves, and added up when somebody asks. `docs/telemetry.md` describes every metric.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.telemetry.endings import RecentEndings
from app.version import __version__
from proxy import LineStats

# A person notices a fifth of a second, and hangs up after a few.
ANSWER_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
# Within a process, a loop that is late by this much delays sound.
LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
JOB_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SESSION_BUCKETS_S = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

# When a series began is told by its first sample, and would be another series.
disable_created_metrics()

# For a message that could not be read.
UNKNOWN = "unknown"


class Live(Protocol):
    """What counts what crosses it, such as a line."""

    @property
    def stats(self) -> LineStats:
        """What crossed its line so far."""


class HostedCalls(Protocol):
    """The calls of a server's page; see `app.calls.table.CallTable`."""

    @property
    def max_calls(self) -> int:
        """How many there may be."""

    @property
    def started(self) -> Mapping[str, int]:
        """How many there were, by transport."""

    @property
    def ended(self) -> Mapping[tuple[str, str], int]:
        """How many have ended, by transport and how."""

    def now(self) -> Mapping[str, int]:
        """Count those that go on, by transport."""


@dataclass(frozen=True)
class ServerView:
    """What metrics are read from when somebody asks.

    Attributes:
        assistants: The assistants that are hosted.
        states: The states of a session that is not over.
        sessions: Gives assistant and state of every session.
        max_sessions: How many there may be.
        draining: Tells whether no more are taken.
        refusals: Who was turned away, by reason.
        resumes: Who came back, by outcome.
        calls: The calls of its page; None where there are none to be hosted.
    """

    assistants: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    sessions: Callable[[], Iterable[tuple[str, str]]] = tuple
    max_sessions: int = 0
    draining: Callable[[], bool] = bool
    refusals: Mapping[str, int] = field(default_factory=dict)
    resumes: Mapping[str, int] = field(default_factory=dict)
    calls: HostedCalls | None = None


class Metrics:
    """What a server counts.

    Attributes:
        registry: What is exposed.
        live: The sessions whose lines are added to what is over.
        endings: Why sessions ended in the last hour; for the administration.
    """

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self.registry = registry = CollectorRegistry()
        self.live: set[Live] = set()
        self.over = LineStats()
        self.endings = RecentEndings()
        self.started = Counter(
            "trunkline_sessions_started",
            "Sessions that began.",
            ["assistant"],
            registry=registry,
        )
        self.ended = Counter(
            "trunkline_sessions_ended",
            "Sessions that ended, by the name of their close code.",
            ["assistant", "reason"],
            registry=registry,
        )
        self.duration = _seconds(
            "trunkline_session_duration_seconds",
            "How long sessions lasted.",
            ["assistant"],
            SESSION_BUCKETS_S,
            registry,
        )
        self.first_answer = _seconds(
            "trunkline_first_answer_seconds",
            "From the caller's last word to the first frame of the answer.",
            ["assistant"],
            ANSWER_BUCKETS_S,
            registry,
        )
        self.handoff = _seconds(
            "trunkline_handoff_duration_seconds",
            "From a task's activation of another until that is active.",
            ["assistant"],
            LAG_BUCKETS_S,
            registry,
        )
        self.job = _seconds(
            "trunkline_job_duration_seconds",
            "From a job's request to its answer.",
            ["assistant", "status"],
            JOB_BUCKETS_S,
            registry,
        )
        self.lag = _seconds(
            "trunkline_event_loop_lag_seconds",
            "How late the event loop called back.",
            [],
            LAG_BUCKETS_S,
            registry,
        )

    def serve(self, view: ServerView) -> None:
        """Expose a server's sessions, and the process that it runs in.

        Args:
            view: What to read from.
        """
        for assistant in view.assistants:
            self.started.labels(assistant)
            for histogram in (self.duration, self.first_answer, self.handoff):
                histogram.labels(assistant)
        self.registry.register(_OnDemand(self, view))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)


class _OnDemand(Collector):
    """What is read when somebody asks."""

    def __init__(self, metrics: Metrics, view: ServerView) -> None:
        self._metrics = metrics
        self._view = view

    def describe(self) -> Iterable[Metric]:
        """Say nothing: names need not be known before somebody asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read everything."""
        yield from self._sessions()
        if self._view.calls is not None:
            yield from _of_calls(self._view.calls)
        yield from self._traffic()

    def _sessions(self) -> Iterator[Metric]:
        view = self._view
        build = GaugeMetricFamily(
            "trunkline_build_info", "The version that runs.", labels=["version"]
        )
        build.add_metric([__version__], 1)
        yield build
        counts = {(name, state): 0 for name in view.assistants for state in view.states}
        for key in view.sessions():
            counts[key] = counts.get(key, 0) + 1
        sessions = GaugeMetricFamily(
            "trunkline_sessions", "Sessions now.", labels=["assistant", "state"]
        )
        for (assistant, state), count in counts.items():
            sessions.add_metric([assistant, state], count)
        yield sessions
        yield GaugeMetricFamily(
            "trunkline_sessions_limit", "Sessions that there may be.", value=view.max_sessions
        )
        yield GaugeMetricFamily(
            "trunkline_draining", "Whether no more sessions are taken.", value=view.draining()
        )
        yield _counter(
            "trunkline_admissions_refused", "Who was turned away.", "reason", view.refusals
        )
        yield _counter("trunkline_resumes", "Who came back.", "outcome", view.resumes)

    def _traffic(self) -> Iterator[Metric]:
        total, waiting_bytes = LineStats(), [0]
        total.add(self._metrics.over)
        for one in self._metrics.live:
            stats = one.stats
            total.add(stats)
            waiting_bytes.append(stats.waiting_bytes)
        labels = ["direction", "kind"]
        messages = CounterMetricFamily(
            "trunkline_messages", "Messages that crossed a line.", labels=labels
        )
        size = CounterMetricFamily(
            "trunkline_message_bytes", "Bytes of messages that crossed a line.", labels=labels
        )
        for (direction, kind), tally in total.tallies.items():
            messages.add_metric([direction, kind], tally.messages)
            size.add_metric([direction, kind], tally.size_bytes)
        dropped = CounterMetricFamily(
            "trunkline_messages_dropped",
            "Messages that did not cross a line.",
            labels=[*labels, "reason"],
        )
        for (direction, lost, reason), count in total.losses.items():
            dropped.add_metric([direction, lost or UNKNOWN, reason], count)
        yield from (messages, size, dropped)
        yield GaugeMetricFamily(
            "trunkline_send_buffer_bytes",
            "What waits for callers, of all sessions.",
            value=sum(waiting_bytes),
        )
        yield GaugeMetricFamily(
            "trunkline_send_buffer_max_bytes",
            "What waits for the caller who is furthest behind.",
            value=max(waiting_bytes),
        )


def _of_calls(calls: HostedCalls) -> Iterator[Metric]:
    now = GaugeMetricFamily("trunkline_calls", "Calls of the page now.", labels=["transport"])
    for transport, count in calls.now().items():
        now.add_metric([transport], count)
    yield now
    yield GaugeMetricFamily(
        "trunkline_calls_limit", "Calls that there may be.", value=calls.max_calls
    )
    yield _counter("trunkline_calls_started", "Calls that began.", "transport", calls.started)
    ended = CounterMetricFamily(
        "trunkline_calls_ended", "Calls that ended, and how.", labels=["transport", "end"]
    )
    for labels, count in calls.ended.items():
        ended.add_metric(labels, count)
    yield ended


def _counter(name: str, help_text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _seconds(
    name: str,
    help_text: str,
    labels: list[str],
    buckets: tuple[float, ...],
    registry: CollectorRegistry,
) -> Histogram:
    return Histogram(name, help_text, labels, buckets=buckets, registry=registry)
