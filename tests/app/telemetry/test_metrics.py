"""What a server shows at /metrics."""

import re
from pathlib import Path

from pipecat.pipeline.job_context import JobStatus

from app.calls.endings import CallEnd
from app.calls.table import TRANSPORTS
from app.processes.condition import ProcessState
from app.server.identity.token_file import add_to_file
from app.server.identity.tokens import new_token
from app.server.states import SessionState
from app.version import __version__
from proxy import CloseCode
from proxy.dialect import Direction
from proxy.filter import DropReason
from proxy.outbox import Kind
from tests.app.server.recipes import RECIPES
from tests.app.telemetry.desk import GREETING, desk
from tests.app.telemetry.served import (
    ADMIN,
    OPEN_METRICS,
    TOKEN,
    Served,
    names,
    served,
    value,
    whole_conversation,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "telemetry.md"


def documented() -> set[str]:
    """The metrics that the document describes."""
    return set(re.findall(r"^\| `(trunkline_\w+)`", DOCUMENT.read_text(), re.MULTILINE))


async def test_after_one_conversation_every_documented_metric_has_a_value(server: Served) -> None:
    await whole_conversation(server)
    samples = names(await server.scrape())
    assert documented() == {re.sub(r"_(bucket|sum|count)$", "", name) for name in samples}


async def test_what_happened_is_counted(server: Served) -> None:
    await whole_conversation(server)
    metrics = await server.scrape()
    desk = {"assistant": "desk"}
    assert value(metrics, "trunkline_sessions_started_total", **desk) == 1
    assert value(metrics, "trunkline_sessions_ended_total", reason="ended", **desk) == 1
    assert value(metrics, "trunkline_session_duration_seconds_count", **desk) == 1
    assert value(metrics, "trunkline_first_answer_seconds_count", **desk) == 3
    assert value(metrics, "trunkline_handoff_duration_seconds_count", **desk) == 1
    assert value(metrics, "trunkline_job_duration_seconds_count", status="completed", **desk) == 1
    for name in ("trunkline_messages_total", "trunkline_message_bytes_total"):
        for direction in ("in", "out"):
            assert value(metrics, name, direction=direction, kind="frame") > 0
    assert value(metrics, "trunkline_messages_dropped_total", direction="out", reason="home") > 0
    assert value(metrics, "trunkline_sessions") == 0
    assert value(metrics, "trunkline_send_buffer_bytes") == 0


async def test_a_session_that_runs_is_there_with_its_state(server: Served) -> None:
    async with server.talking() as talk:
        await talk.hear(GREETING)
        metrics = await server.scrape()
        assert value(metrics, "trunkline_sessions", assistant="desk", state="ready") == 1
        assert value(metrics, "trunkline_sessions") == 1
        assert value(metrics, "trunkline_messages_total", direction="out") > 0
        before = value(metrics, "trunkline_messages_total")
    # What a session counted is not lost with it.
    assert value(await server.scrape(), "trunkline_messages_total") >= before


async def test_who_is_turned_away_is_counted_by_reason(server: Served) -> None:
    await server.get("/v1/assistants")
    await server.get("/v1/assistants", authorization="Bearer wrong")
    metrics = await server.scrape()
    for reason in ("no_token", "wrong_token"):
        assert value(metrics, "trunkline_admissions_refused_total", reason=reason) == 1
    assert value(metrics, "trunkline_admissions_refused_total", reason="full") == 0


async def test_metrics_are_for_those_who_may_see_them(server: Served) -> None:
    assert (await server.get("/metrics")).status_code == 401
    assert (await server.get("/metrics", authorization="Bearer wrong")).status_code == 403
    caller = await server.get("/metrics", authorization=f"Bearer {TOKEN}")
    assert (caller.status_code, caller.json()["code"]) == (403, "no_metrics")


async def test_the_right_to_see_metrics_is_no_right_to_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "principals.toml"
    token, entry = new_token("prometheus", metrics=True)
    add_to_file(path, entry)
    given = {"authorization": f"Bearer {token}"}
    async with served(principals_file=path) as server:
        assert (await server.get("/metrics", **given)).status_code == 200
        assert (await server.get("/v1/admin/sessions", **given)).status_code == 403
        assert (await server.get("/v1/assistants", **given)).json() == []


async def test_a_server_on_this_machine_that_asks_for_no_token_shows_them_to_all() -> None:
    async with served(tokens="", admin_tokens="") as server:
        assert "trunkline_sessions" in (await server.get("/metrics")).text


async def test_who_asks_for_open_metrics_gets_them(server: Served) -> None:
    answer = await server.get("/metrics", authorization=f"Bearer {ADMIN}", accept=OPEN_METRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert "trunkline_sessions" in await server.scrape(OPEN_METRICS)


async def test_labels_have_few_values(server: Served) -> None:
    await whole_conversation(server)
    reasons = {*(code.name.lower() for code in CloseCode), *DropReason, "other", "full"}
    few: dict[str, set[str]] = {
        "assistant": {recipe.name for recipe in (desk, *RECIPES)},
        "direction": set(Direction),
        "end": set(CallEnd),
        "kind": {*Kind, "unknown"},
        "outcome": {"resumed", "refused", "expired"},
        "reason": {*reasons, "draining"},
        "state": {*SessionState, *ProcessState},
        "status": set(JobStatus),
        "transport": set(TRANSPORTS),
        "version": {__version__},
    }
    for family in (await server.scrape()).values():
        if family.name.startswith("trunkline_"):
            for sample in family.samples:
                for label, given in sample.labels.items():
                    assert label == "le" or given in few[label], sample
