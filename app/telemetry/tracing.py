"""Whether this process traces: off, until a variable of OpenTelemetry's asks for it.

The variables are OpenTelemetry's own, and read from the environment alone. What they ask for is
exported without content, see `app.telemetry.cleaning`.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from loguru import logger

from app.errors import SettingsError
from app.telemetry.spans import NoSpans, SessionSpans
from app.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

# The last spans are worth waiting for, but not much longer than a process may take to leave.
FLUSH_TIMEOUT_S = 1.0

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# The exporter's name in OpenTelemetry's own table, by protocol.
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_GROUP = "opentelemetry_traces_exporter"


@dataclass
class _Tracing:
    """What this process has; OpenTelemetry has one provider a process."""

    provider: Any = field(default=None)


_TRACING = _Tracing()


def wanted_exporters(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Tell which exporters the environment asks for.

    Args:
        environment: The variables.

    Returns:
        Their names in OpenTelemetry's table; none where traces are off.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    named = environment.get("OTEL_TRACES_EXPORTER", "")
    if not named and not any(environment.get(name) for name in _ENDPOINTS):
        return ()
    protocol = next(filter(None, map(environment.get, _PROTOCOLS)), "http/protobuf")
    otlp = _OTLP.get(protocol, protocol)
    names = [name.strip() for name in (named or "otlp").split(",")]
    return tuple(otlp if name == "otlp" else name for name in names if name not in ("", "none"))


def start_tracing(environment: Mapping[str, str] = os.environ) -> bool:
    """Trace, if the environment asks for it.

    Args:
        environment: The variables.

    Returns:
        Whether this process traces.

    Raises:
        SettingsError: If an exporter is asked for that is not installed.
    """
    names = wanted_exporters(environment)
    if not names:
        return False
    try:
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning("OTEL_ variables ask for traces, but the extra `otel` is not installed")
        return False
    return trace_to(*(BatchSpanProcessor(_exporter(name)) for name in names))


def trace_to(*processors: "SpanProcessor") -> bool:
    """Trace to these processors, which get spans without content.

    Args:
        *processors: Export spans.

    Returns:
        False if somebody else has set up OpenTelemetry in this process, and would get content.
    """
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource

    from app.telemetry.cleaning import CleanProvider

    if _TRACING.provider is None:
        # What the environment says of the resource comes on top.
        told = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES")
        named = {} if any(map(os.environ.get, told)) else {"service.name": "trunkline"}
        resource = Resource.create({"service.version": __version__, **named})
        provider = CleanProvider(resource=resource)
        trace.set_tracer_provider(provider)
        if trace.get_tracer_provider() is not provider:
            logger.warning("OpenTelemetry is set up by something else here; nothing is traced")
            return False
        _TRACING.provider = provider
    for processor in processors:
        _TRACING.provider.add_span_processor(processor)
    return True


def tracing() -> bool:
    """Tell whether this process traces."""
    return _TRACING.provider is not None


async def flush_traces() -> None:
    """Export what waits, within a bounded time; does not raise."""
    if not tracing():
        return
    limit_ms = int(FLUSH_TIMEOUT_S * 1000)
    flushing = asyncio.get_running_loop().run_in_executor(
        None, _TRACING.provider.force_flush, limit_ms
    )
    await asyncio.wait({flushing}, timeout=FLUSH_TIMEOUT_S)


def session_spans(assistant: str, traceparent: str | None) -> SessionSpans:
    """Make the spans of one session.

    Args:
        assistant: The assistant's name.
        traceparent: What the caller said of the trace that it is part of.
    """
    if not tracing():
        return NoSpans()
    from app.telemetry.otel import OtelSpans

    return OtelSpans(assistant, traceparent)


@contextlib.contextmanager
def traced_call() -> Iterator[None]:
    """Trace a call, at the caller's end, while the block runs."""
    if not tracing():
        yield
        return
    from app.telemetry.otel import call_span

    with call_span():
        yield


def current_traceparent() -> str | None:
    """Say which trace goes on here, for the other end of a line; None where none does."""
    if not tracing():
        return None
    from app.telemetry.otel import traceparent

    return traceparent()


def _exporter(name: str) -> Any:
    found = next(iter(entry_points(group=_GROUP, name=name)), None)
    if found is None:
        raise SettingsError(f"OTEL_TRACES_EXPORTER: there is no exporter {name!r} here")
    return found.load()()
