"""docs/telemetry.md has every span, every attribute, and every field of the log."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.log_json import Fields, as_json
from app.telemetry.cleaning import ALLOWED
from tests.app.telemetry.served import Served, whole_conversation

TEXT = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text()


def table(head: str) -> list[tuple[str, ...]]:
    """The names in the first column of the table that begins so."""
    rows = TEXT.split(f"| {head} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [tuple(re.findall(r"`([^`]+)`", row.split("|")[1])) for row in rows]


async def test_every_span_is_described(server: Served, spans: InMemorySpanExporter) -> None:
    await whole_conversation(server)
    described = {name.split()[0] for names in table("span") for name in names}
    assert {span.name.split()[0] for span in spans.get_finished_spans()} <= described


def test_every_attribute_that_may_leave_is_described() -> None:
    described = [name for names in table("attribute") for name in names]
    assert sorted(described) == sorted(ALLOWED)


def test_every_field_of_the_log_is_described() -> None:
    fields = Fields("app:1", "abcd1234", "words", "ValueError", "4bf9", 1)
    record: Any = {
        "time": datetime.now(UTC),
        "level": SimpleNamespace(name="INFO"),
        "extra": {"fields": fields},
    }
    as_json(record)
    described = [name for names in table("field") for name in names]
    assert list(json.loads(record["extra"]["line"])) == described
