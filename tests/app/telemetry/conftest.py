"""A server to look at, and an exporter that keeps spans in memory."""

from collections.abc import AsyncIterator, Iterator

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.telemetry import tracing
from tests.app.telemetry.served import Served, served

# OpenTelemetry takes one provider a process.
_KEPT = InMemorySpanExporter()
_PROVIDERS: list[object] = []


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Trace while the test runs."""
    if _PROVIDERS:
        tracing._TRACING.provider = _PROVIDERS[0]
    else:
        assert tracing.trace_to(SimpleSpanProcessor(_KEPT))
        _PROVIDERS.append(tracing._TRACING.provider)
    _KEPT.clear()
    yield _KEPT
    tracing._TRACING.provider = None


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    """Run a server."""
    async with served() as running:
        yield running
