"""One trace from the bot to the server, and nothing in it of what was said."""

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from websockets.asyncio.client import connect

from app.telemetry.cleaning import ALLOWED
from proxy.handshake import TrunkOptions
from tests.app.telemetry.desk import GREETING, TAKEN_OVER
from tests.app.telemetry.served import TOKEN, Served, whole_conversation
from tests.proxy.conversation import calling, within

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def by_name(spans: Sequence[ReadableSpan]) -> dict[str, list[ReadableSpan]]:
    """Sort spans."""
    found: dict[str, list[ReadableSpan]] = {}
    for span in spans:
        found.setdefault(span.name, []).append(span)
    return found


def is_child(span: ReadableSpan, *parents: ReadableSpan) -> bool:
    """Tell whether a span is inside one of these."""
    ids = {parent.context.span_id for parent in parents if parent.context}
    return span.parent is not None and span.parent.span_id in ids


async def test_one_trace_spans_bot_and_server(server: Served, spans: InMemorySpanExporter) -> None:
    await whole_conversation(server)
    found = by_name(spans.get_finished_spans())
    (call,), (session,) = found["call"], found["session desk"]
    assert {span.context.trace_id for each in found.values() for span in each if span.context} == {
        call.context.trace_id if call.context else 0
    }
    assert call.parent is None
    assert is_child(session, call)
    assert (call.kind, session.kind) == (SpanKind.CLIENT, SpanKind.SERVER)


async def test_a_session_has_turns_with_models_tools_jobs_and_handoffs(
    server: Served, spans: InMemorySpanExporter
) -> None:
    await whole_conversation(server)
    found = by_name(spans.get_finished_spans())
    (session,) = found["session desk"]
    turns = [*found["invoke_agent desk"], *found["invoke_agent office"]]
    assert len(turns) == 3
    assert all(is_child(turn, session) for turn in turns)
    for turn in turns:
        assert turn.attributes is not None
        assert turn.attributes["gen_ai.operation.name"] == "invoke_agent"
        assert turn.attributes["trunkline.turn.interrupted"] is False
        waited_s = turn.attributes["trunkline.turn.first_answer_s"]
        assert isinstance(waited_s, float)
        assert waited_s > 0
    for name in ("ask_clerk", "hand_over", "end_conversation"):
        (tool,) = found[f"execute_tool {name}"]
        assert is_child(tool, *turns)
    (job,), (handoff,) = found["job"], found["handoff"]
    assert is_child(job, *turns)
    assert is_child(handoff, *turns)
    assert dict(job.attributes or {}) == {
        "trunkline.job.task": "clerk",
        "trunkline.job.status": "completed",
    }
    assert dict(handoff.attributes or {}) == {
        "trunkline.handoff.from": "desk",
        "trunkline.handoff.to": "office",
    }


async def test_a_models_answers_are_spans_by_the_conventions(
    server: Served, spans: InMemorySpanExporter
) -> None:
    await whole_conversation(server)
    found = by_name(spans.get_finished_spans())
    turns = [*found["invoke_agent desk"], *found["invoke_agent office"]]
    chats = [*found["chat desk/desk"], *found["chat desk/office"]]
    assert sum(is_child(chat, *turns) for chat in chats) >= 4
    for chat in chats:
        assert chat.attributes is not None
        assert chat.attributes["gen_ai.operation.name"] == "chat"
        assert chat.attributes["gen_ai.request.model"] in ("desk/desk", "desk/office")
        assert chat.kind is SpanKind.CLIENT


async def test_only_attributes_that_may_leave_do(
    server: Served, spans: InMemorySpanExporter
) -> None:
    await whole_conversation(server)
    for span in spans.get_finished_spans():
        assert (span.attributes or {}).keys() <= ALLOWED
        assert span.events == ()
        assert span.status.description is None


async def test_a_trace_that_a_caller_names_is_continued(
    server: Served, spans: InMemorySpanExporter
) -> None:
    options = TrunkOptions(traceparent=lambda: f"00-{TRACE}-00f067aa0ba902b7-01")
    await held(server, options)
    (session,) = by_name(spans.get_finished_spans())["session parrot"]
    assert session.context is not None
    assert f"{session.context.trace_id:032x}" == TRACE
    assert session.parent is not None
    assert session.parent.is_remote


async def test_a_stock_caller_names_its_trace_in_a_header(
    server: Served, spans: InMemorySpanExporter
) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for traceparent in (f"00-{TRACE}-00f067aa0ba902b7-01", "rubbish"):
        named = {**headers, "traceparent": traceparent}
        async with connect(f"{server.address}/ws/parrot", additional_headers=named) as socket:
            await within(socket.recv())
        await within(server.server.sessions.wait_empty())
    first, second = by_name(spans.get_finished_spans())["session parrot"]
    assert first.context is not None
    assert f"{first.context.trace_id:032x}" == TRACE
    assert second.parent is None


@pytest.mark.parametrize("said", [None, "", "rubbish", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
async def test_a_caller_who_names_none_has_a_trace_of_its_own(
    server: Served, spans: InMemorySpanExporter, said: str | None
) -> None:
    await held(server, TrunkOptions(traceparent=lambda: said))
    (session,) = by_name(spans.get_finished_spans())["session parrot"]
    assert session.parent is None


async def test_a_caller_who_does_not_want_to_be_traced_is_not(
    server: Served, spans: InMemorySpanExporter
) -> None:
    await held(server, TrunkOptions(traceparent=lambda: f"00-{TRACE}-00f067aa0ba902b7-00"))
    assert "session parrot" not in by_name(spans.get_finished_spans())


async def test_a_session_that_fails_is_an_error(
    server: Served, spans: InMemorySpanExporter
) -> None:
    await held(server, TrunkOptions(), "raises", ready=False)
    (session,) = by_name(spans.get_finished_spans())["session raises"]
    assert session.status.status_code is StatusCode.ERROR
    assert session.attributes is not None
    assert session.attributes["error.type"] == "assistant_failed"


async def test_an_interruption_is_said_of_the_turn(
    server: Served, spans: InMemorySpanExporter
) -> None:
    async with server.talking(may_interrupt=True) as talk:
        await talk.hear(GREETING)
        await talk.ask("tell me everything", "I see")
        await talk.ask("the office please", TAKEN_OVER)
    found = by_name(spans.get_finished_spans())
    assert len(found["session desk"]) == 1


async def held(
    server: Served, options: TrunkOptions, assistant: str = "parrot", *, ready: bool = True
) -> None:
    """Hold a session of which nothing is left."""
    url = f"{server.address}/ws/{assistant}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    if ready:
        async with calling(url, headers=headers, options=options):
            pass
    else:
        await gone(url, headers)
    await within(server.server.sessions.wait_empty())


async def gone(url: str, headers: dict[str, str]) -> None:
    """Call an assistant that cannot be built."""
    async with connect(url, additional_headers=headers) as socket:
        await within(socket.wait_closed())
