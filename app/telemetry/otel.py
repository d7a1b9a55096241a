"""The spans of a session and of a call, by OpenTelemetry.

Names and attributes are those of its conventions for generative AI, where they have any. Imported
only where traces are on: the packages are an extra.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from pipecat.pipeline.worker import PipelineWorker
from pipecat.utils.tracing.tracing_context import TracingContext
from pipecat.workers.base_worker import BaseWorker

from app.telemetry.spans import NOTHING, Value

SCOPE = "trunkline"

# Spans that are open at a time; a conversation has a handful.
MAX_OPEN = 256

_PROPAGATOR = TraceContextTextMapPropagator()


class OtelSpans:
    """The spans of one session.

    Attributes:
        on: True.
    """

    on = True

    def __init__(self, assistant: str, traceparent: str | None) -> None:
        """Prepare; nothing is traced before `begin`.

        Args:
            assistant: The assistant's name.
            traceparent: What the caller said of the trace that it is part of; passed over where it
                cannot be read.
        """
        self._assistant = assistant
        carrier = {} if traceparent is None else {"traceparent": traceparent}
        self._parent = _PROPAGATOR.extract(carrier, Context())
        self._tracer = trace.get_tracer(SCOPE)
        self._session: Span = trace.INVALID_SPAN
        self._turn: Span | None = None
        self._open: dict[tuple[str, ...], Span] = {}
        self._services: list[TracingContext] = []

    def begin(self, session_id: str) -> str | None:
        """Begin the session's own span; see `SessionSpans`."""
        attributes = {
            "trunkline.assistant": self._assistant,
            # As in the log: enough to find it, not enough to guess the rest.
            "gen_ai.conversation.id": session_id[:8],
        }
        self._session = self._tracer.start_span(
            f"session {self._assistant}", self._parent, SpanKind.SERVER, attributes
        )
        # For this task and those that it starts, which end with the session.
        contexts.attach(trace.set_span_in_context(self._session))
        return trace.format_trace_id(self._session.get_span_context().trace_id)

    def follow(self, tasks: Sequence[BaseWorker]) -> None:
        """Let the services of these tasks trace what they do; see `SessionSpans`."""
        for task in tasks:
            if isinstance(task, PipelineWorker):
                self._services.append(_traced(task))
        for service in self._services:
            service.set_conversation_context(self._session.get_span_context())

    def turn_began(self) -> None:
        """Begin a turn; see `SessionSpans`."""
        self._turn = self._tracer.start_span(
            "invoke_agent", self._inside(), attributes={"gen_ai.operation.name": "invoke_agent"}
        )
        for service in self._services:
            service.set_turn_context(self._turn.get_span_context())

    def turn_ended(
        self, task: str, *, ended_ns: int, attributes: Mapping[str, Value] = NOTHING
    ) -> None:
        """End the turn; see `SessionSpans`."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        for service in self._services:
            service.set_turn_context(None)
        turn.set_attributes(dict(attributes))
        if task:
            turn.update_name(f"invoke_agent {task}")
            turn.set_attribute("gen_ai.agent.name", task)
        turn.end(ended_ns)

    def opened(
        self, key: tuple[str, ...], name: str, attributes: Mapping[str, Value] = NOTHING
    ) -> None:
        """Begin a span; see `SessionSpans`."""
        if key not in self._open and len(self._open) < MAX_OPEN:
            self._open[key] = self._tracer.start_span(
                name, self._inside(), attributes=dict(attributes)
            )

    def closed(
        self,
        key: tuple[str, ...],
        attributes: Mapping[str, Value] = NOTHING,
        *,
        failed: str = "",
    ) -> None:
        """End a span; see `SessionSpans`."""
        span = self._open.pop(key, None)
        if span is None:
            return
        span.set_attributes(dict(attributes))
        if failed:
            span.set_attribute("error.type", failed)
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def finish(self, reason: str, *, failed: bool) -> None:
        """End everything; see `SessionSpans`."""
        for key in list(self._open):
            self.closed(key, failed="session over")
        self._session.set_attribute("trunkline.close.reason", reason)
        if failed:
            self._session.set_attribute("error.type", reason)
            self._session.set_status(Status(StatusCode.ERROR))
        self._session.end()
        self._services.clear()

    def _inside(self) -> Context:
        return trace.set_span_in_context(self._turn or self._session, Context())


@contextlib.contextmanager
def call_span() -> Iterator[None]:
    """Trace a call, at the caller's end, while the block runs."""
    tracer = trace.get_tracer(SCOPE)
    with tracer.start_as_current_span("call", kind=SpanKind.CLIENT):
        yield


def traceparent() -> str | None:
    """Write the current span as W3C's Trace Context does; None if there is none."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def _traced(task: PipelineWorker) -> TracingContext:
    """Turn on what Pipecat traces itself, in a pipeline that was built without.

    Its observer of turns is left out: it would see those of one task, and costs every frame.
    """
    context = TracingContext()
    vars(task).update(_enable_tracing=True, _tracing_context=context)
    return context
