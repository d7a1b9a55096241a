"""A span leaves the process without content, whoever made it."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, StatusCode
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.utils.tracing.service_attributes import (
    add_llm_span_attributes,
    add_stt_span_attributes,
    add_tts_span_attributes,
)

from app.telemetry.cleaning import MAX_VALUE_LENGTH, CleanProvider

SAID = "I have 4242"


@pytest.fixture
def kept() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(kept: InMemorySpanExporter) -> TracerProvider:
    made = CleanProvider(shutdown_on_exit=False)
    made.add_span_processor(SimpleSpanProcessor(kept))
    return made


def test_pipecats_spans_keep_their_numbers_and_lose_their_words(
    provider: TracerProvider, kept: InMemorySpanExporter
) -> None:
    tracer = provider.get_tracer("pipecat")
    with tracer.start_as_current_span("llm") as span:
        add_llm_span_attributes(
            span,
            OpenAILLMService.__name__,
            "gpt",
            messages=SAID,
            output=SAID,
            tools=SAID,
            system_instructions=SAID,
            parameters={"temperature": 0.5, "top_k": "NOT_GIVEN", "user": SAID},
        )
        span.set_attribute("gen_ai.usage.input_tokens", 7)
    with tracer.start_as_current_span("tts") as span:
        add_tts_span_attributes(span, "CartesiaTTSService", "sonic", "v", text=SAID, ttfb=0.1)
    with tracer.start_as_current_span("stt") as span:
        add_stt_span_attributes(span, "DeepgramSTTService", "nova", transcript=SAID, user_id=SAID)
    llm, tts, stt = kept.get_finished_spans()
    assert (llm.name, tts.name, stt.name) == ("chat gpt", "tts sonic", "stt nova")
    assert llm.kind is SpanKind.CLIENT
    assert dict(llm.attributes or {}) == {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.operation.name": "chat",
        "gen_ai.output.type": "text",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.usage.input_tokens": 7,
        "stream": True,
    }
    for span_ in (llm, tts, stt):
        assert "4242" not in span_.to_json()


def test_an_exception_is_its_type(provider: TracerProvider, kept: InMemorySpanExporter) -> None:
    tracer = provider.get_tracer("trunkline")
    with pytest.raises(ValueError), tracer.start_as_current_span("job"):
        raise ValueError(SAID)
    (span,) = kept.get_finished_spans()
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert span.status.status_code is StatusCode.ERROR
    assert "4242" not in span.to_json()


def test_other_libraries_do_not_name_their_spans(
    provider: TracerProvider, kept: InMemorySpanExporter
) -> None:
    tracer = provider.get_tracer("somebody.elses")
    with tracer.start_as_current_span(f"GET /{SAID}", attributes={"url.query": SAID}):
        pass
    (span,) = kept.get_finished_spans()
    assert span.name == "somebody.elses"
    assert not span.attributes


def test_what_is_too_long_for_a_name_is_none(
    provider: TracerProvider, kept: InMemorySpanExporter
) -> None:
    tracer = provider.get_tracer("trunkline")
    with tracer.start_as_current_span("first") as first:
        pass
    links = [Link(first.get_span_context(), {"said": SAID})]
    with tracer.start_as_current_span("job", links=links) as span:
        span.set_attribute("gen_ai.tool.name", "x" * (MAX_VALUE_LENGTH + 1))
        span.set_attribute("gen_ai.agent.name", [SAID])
    shown = kept.get_finished_spans()[1]
    assert not shown.attributes
    assert [dict(link.attributes or {}) for link in shown.links] == [{}]


def test_what_waits_is_exported_when_that_is_asked_for(
    provider: TracerProvider, kept: InMemorySpanExporter
) -> None:
    assert provider.force_flush()
    provider.shutdown()
