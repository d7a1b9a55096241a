"""Spans without content: what may leave the process is a list of what may, not of what may not.

Pipecat's own spans carry the conversation, the prompt and what was recognised, and those of other
libraries carry addresses with their query. Here a span is copied before it is exported, with the
attributes that are known to be harmless. An exception is its type: its text may quote anything.
"""

from collections.abc import Mapping, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import Link, SpanKind, Status
from opentelemetry.util.types import AttributeValue

# Who may name a span.
_OURS = ("trunkline", "pipecat")

# Longer than any name or model has.
MAX_VALUE_LENGTH = 128

_MODEL = "gen_ai.request.model"
_OPERATION = "gen_ai.operation.name"

# What Pipecat writes of a parameter that is left to the model.
_NOT_GIVEN = "NOT_GIVEN"

# Attributes that say what ran, how long and how much, in words of code and settings.
ALLOWED = frozenset(
    {
        "error.type",
        "gen_ai.agent.name",
        "gen_ai.conversation.id",
        _OPERATION,
        "gen_ai.output.type",
        "gen_ai.provider.name",
        "gen_ai.request.frequency_penalty",
        "gen_ai.request.max_tokens",
        _MODEL,
        "gen_ai.request.presence_penalty",
        "gen_ai.request.seed",
        "gen_ai.request.temperature",
        "gen_ai.request.top_k",
        "gen_ai.request.top_p",
        "gen_ai.response.model",
        "gen_ai.tool.name",
        "gen_ai.tool.type",
        "gen_ai.usage.audio.input_tokens",
        "gen_ai.usage.audio.output_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.reasoning.output_tokens",
        "is_final",
        "metrics.audio_seconds",
        "metrics.character_count",
        "metrics.ttfb",
        "stream",
        "stt.incomplete",
        "tool_count",
        "trunkline.assistant",
        "trunkline.close.reason",
        "trunkline.handoff.from",
        "trunkline.handoff.to",
        "trunkline.job.status",
        "trunkline.job.task",
        "trunkline.turn.first_answer_s",
        "trunkline.turn.interrupted",
        "tts.interrupted",
        "turn.duration_seconds",
        "turn.ended_by_conversation_end",
        "turn.number",
        "turn.user_bot_latency_seconds",
        "turn.was_interrupted",
        "vad_enabled",
    }
)


class Cleaning(SpanProcessor):
    """Passes spans on without what may not leave the process."""

    def __init__(self, inner: SpanProcessor) -> None:
        """Stand before another processor.

        Args:
            inner: Exports what passes.
        """
        self._inner = inner

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing: what is not over is not exported."""

    def on_end(self, span: ReadableSpan) -> None:
        """Pass on a clean copy.

        Args:
            span: A span that is over.
        """
        self._inner.on_end(cleaned(span))

    def shutdown(self) -> None:
        """Export what waits, and stop."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Export what waits.

        Args:
            timeout_millis: How long that may take.
        """
        return self._inner.force_flush(timeout_millis)


class CleanProvider(TracerProvider):
    """A provider whose spans are cleaned for every exporter, whoever adds it."""

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Export to another processor.

        Args:
            span_processor: Gets clean copies.
        """
        super().add_span_processor(Cleaning(span_processor))


def cleaned(span: ReadableSpan) -> ReadableSpan:
    """Copy a span without what may not leave the process.

    Args:
        span: A span that is over.
    """
    attributes = {
        key: value for key, value in (span.attributes or {}).items() if _may_leave(key, value)
    }
    error = _error_of(span.events)
    if error:
        attributes["error.type"] = error
    scope = span.instrumentation_scope
    calls_model = attributes.get(_OPERATION) == "chat"
    return ReadableSpan(
        name=_name(span.name, scope.name if scope else "", attributes),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        links=[Link(link.context) for link in span.links],
        kind=SpanKind.CLIENT if calls_model else span.kind,
        instrumentation_scope=scope,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
    )


def _name(name: str, scope: str, attributes: Mapping[str, AttributeValue]) -> str:
    """Name a span as the conventions do, after what it does and with which model."""
    if not scope.startswith(_OURS):
        return scope
    if scope.startswith("pipecat") and _OPERATION in attributes:
        words = (attributes[_OPERATION], attributes.get(_MODEL, ""))
        return " ".join(filter(None, map(str, words)))
    return name


def _may_leave(key: str, value: AttributeValue) -> bool:
    if key not in ALLOWED:
        return False
    if isinstance(value, str):
        return value != _NOT_GIVEN and len(value) <= MAX_VALUE_LENGTH
    return isinstance(value, int | float)


def _error_of(events: Sequence[Event]) -> str | None:
    for event in events:
        kind = (event.attributes or {}).get("exception.type")
        if isinstance(kind, str):
            return kind[:MAX_VALUE_LENGTH]
    return None
