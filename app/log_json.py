"""Lines of the log for programs: one JSON object each, of fields that are the same for ever."""

import json
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loguru import Record


@dataclass(slots=True)
class Fields:
    """What a line has beside its time and level; all of it may be shown.

    Attributes:
        logger: The module and line that it comes from.
        session: The beginning of a session's id; empty where it is about none.
        message: What it says.
        error: The type of an exception and the places that it came through, or None.
        trace_id: The trace that it belongs to, or None.
        process: The place of the process where there are several, or None.
    """

    logger: str
    session: str = ""
    message: str = ""
    error: str | None = None
    trace_id: str | None = None
    process: int | None = None


def as_json(record: "Record") -> str:
    """Make the template of a line, in loguru's sense.

    Args:
        record: A record that was prepared.
    """
    fields: Fields = record["extra"]["fields"]
    line = {
        "time": record["time"].astimezone(UTC).isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "message": fields.message,
        "logger": fields.logger,
        "session": fields.session or None,
        "trace_id": fields.trace_id,
        "process": fields.process,
        "error": fields.error,
    }
    given = {key: value for key, value in line.items() if value is not None}
    record["extra"]["line"] = json.dumps(given, ensure_ascii=False)
    # Not the line itself, in which braces and angle brackets would mean something.
    return "{extra[line]}\n"
