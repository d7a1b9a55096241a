"""Traces are off until OpenTelemetry's own variables ask for them."""

import sys

import pytest
from loguru import logger
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.errors import SettingsError
from app.telemetry import tracing
from app.telemetry.spans import NoSpans
from app.telemetry.tracing import (
    current_traceparent,
    session_spans,
    start_tracing,
    trace_to,
    traced_call,
    wanted_exporters,
)

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
HTTP, GRPC = "otlp_proto_http", "otlp_proto_grpc"


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, ()),
        ({"OTEL_SERVICE_NAME": "voice"}, ()),
        (ENDPOINT, (HTTP,)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector/v1/traces"}, (HTTP,)),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, (HTTP,)),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ("console", HTTP)),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, ()),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, ()),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "false"}, (HTTP,)),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, (GRPC,)),
        (
            {
                **ENDPOINT,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            (HTTP,),
        ),
    ],
)
def test_the_environment_says_where_traces_go(
    environment: dict[str, str], wanted: tuple[str, ...]
) -> None:
    assert wanted_exporters(environment) == wanted


def test_nothing_is_traced_where_nobody_asks() -> None:
    assert not start_tracing({})
    assert not tracing.tracing()
    assert isinstance(session_spans("acme", None), NoSpans)
    with traced_call():
        assert current_traceparent() is None


def test_an_exporter_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SettingsError, match="'morse'"):
        start_tracing({"OTEL_TRACES_EXPORTER": "morse"})


def test_without_the_extra_there_are_no_traces_but_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    sink = logger.add(said.append, format="{message}")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    assert not start_tracing(ENDPOINT)
    logger.remove(sink)
    assert "the extra `otel` is not installed" in said[-1]


def test_nothing_is_traced_where_somebody_else_has_set_up_opentelemetry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = TracerProvider()
    monkeypatch.setattr(trace, "set_tracer_provider", lambda provider: None)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: theirs)
    assert not trace_to(SimpleSpanProcessor(InMemorySpanExporter()))
    assert not tracing.tracing()


def test_a_call_names_its_trace(spans: InMemorySpanExporter) -> None:
    with traced_call():
        said = current_traceparent()
    (span,) = spans.get_finished_spans()
    assert span.context is not None
    assert said is not None
    assert said.startswith(f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-")


async def test_what_waits_is_exported_at_the_end(spans: InMemorySpanExporter) -> None:
    with traced_call():
        pass
    await tracing.flush_traces()
    assert len(spans.get_finished_spans()) == 1
