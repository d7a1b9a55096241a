"""Logs for people who run this: where, when, which session; never what was said, and no secrets.

Who may say what is a list of who may, not of who may not:

- Records of our own packages, and of the modules of assistants that the settings name, pass as
  they are from the level that is set.
- Records of everybody else pass from WARNING on, whatever the level, and only with the words of
  their source: see `app.log_words`. Pipecat logs transcripts, prompts, answers and keys at its
  lower levels and puts frames into its warnings; a library that is added tomorrow needs no entry.
- An exception becomes its type and the places that it came through: see `app.failures`. Neither
  its text nor a variable's value is ever formatted.
- Characters that a terminal would obey, and line breaks, are taken out of every line.
"""

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from loguru import logger

from app.failures import failure_of
from app.foreign import plain
from app.log_json import Fields, as_json
from app.log_words import words_of

if TYPE_CHECKING:
    from loguru import Record

# Whose records pass as they are.
OURS = ("app", "agents", "proxy")

_FORMAT = (
    "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> "
    "{extra[where]}<cyan>{extra[session]}</cyan>{message}"
)

_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})


def configure_logs(
    level: str = "INFO",
    *,
    assistant_modules: Sequence[str] = (),
    log_format: Literal["human", "json"] = "human",
    process: int | None = None,
) -> None:
    """Send the logs of this process to standard error.

    Args:
        level: The least important messages to show.
        assistant_modules: Modules with assistants, which log as ours do.
        log_format: Words for people, or a JSON object a line.
        process: The place of this process where there are several.
    """
    trusted = (*OURS, *assistant_modules)

    def wanted(record: "Record") -> bool:
        return not record["extra"]["theirs"] or record["level"].no >= logging.WARNING

    def prepare(record: "Record") -> None:
        _prepare(record, trusted)
        record["extra"]["fields"].process = process

    logger.remove()
    logger.enable("")
    logger.configure(patcher=prepare)
    logger.add(
        sys.stderr,
        level=level,
        format=as_json if log_format == "json" else _format(process),
        filter=wanted,
        diagnose=False,
        backtrace=False,
    )
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)


def _format(process: int | None) -> str:
    """Make the template of a line for people."""
    where = "{extra[where]}"
    return _FORMAT if process is None else _FORMAT.replace(where, f"{process} {where}")


def catch_strays(on_interrupt: Callable[[], object]) -> None:
    """Log failures that nobody catches in threads and finalisers, instead of their text.

    Args:
        on_interrupt: Called when Ctrl-C came while a finaliser ran, which nobody else hears of.
    """

    def in_thread(stray: threading.ExceptHookArgs) -> None:
        if stray.exc_value is not None and not isinstance(stray.exc_value, SystemExit):
            name = stray.thread.name if stray.thread else "?"
            logger.opt(exception=stray.exc_value).error(f"The thread {name} failed")

    def unraisable(stray: "sys.UnraisableHookArgs") -> None:
        if isinstance(stray.exc_value, KeyboardInterrupt):
            on_interrupt()
        elif stray.exc_value is not None:
            logger.opt(exception=stray.exc_value).warning("A finaliser failed")

    threading.excepthook = in_thread
    sys.unraisablehook = unraisable


def quiet_uvicorn() -> None:
    """Keep servers that others start in this process from logging addresses with their query."""
    import uvicorn.config

    quiet = {"handlers": [], "level": "WARNING", "propagate": True}
    names = ("uvicorn", "uvicorn.access", "uvicorn.error")
    uvicorn.config.LOGGING_CONFIG["loggers"] = dict.fromkeys(names, quiet)


@dataclass(frozen=True)
class _Origin:
    """Where a record of the standard library's logging comes from.

    Attributes:
        where: The logger and the line.
        words: The words of its source.
    """

    where: str
    words: str


class _ToLoguru(logging.Handler):
    """Passes records of the standard library's logging on; none of ours comes this way."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on, with the words of its source."""
        level = record.levelname if record.levelname in _LEVELS else record.levelno
        message = record.getMessage()
        words = words_of(record.name, record.funcName, record.pathname, record.lineno, message)
        origin = _Origin(f"{record.name}:{record.lineno}", words)
        error = (record.exc_info[1] if record.exc_info else None) or _exception_in(record)
        logger.bind(origin=origin).opt(exception=error).log(level, "{}", words)


def _exception_in(record: logging.LogRecord) -> BaseException | None:
    """Find the exception that somebody logged as if it were a message."""
    given = record.args if isinstance(record.args, tuple) else ()
    return next((value for value in (record.msg, *given) if isinstance(value, BaseException)), None)


def _is_of(module: str | None, trusted: Sequence[str]) -> bool:
    name = module or ""
    return any(name == one or name.startswith(f"{one}.") for one in trusted)


def _prepare(record: "Record", trusted: Sequence[str]) -> None:
    """Leave nothing in a record but what may be shown."""
    extra: dict[str, Any] = record["extra"]
    session = extra.get("session", "")
    extra["session"] = f"[{plain(session)}] " if session else ""
    extra["fields"] = fields = Fields(f"{record['name']}:{record['line']}", plain(session))
    origin = extra.get("origin")
    if not isinstance(origin, _Origin) and not _is_of(record["name"], trusted):
        module, path = record["name"] or "", record["file"].path
        words = words_of(module, record["function"], path, record["line"], record["message"])
        origin = _Origin(f"{module}:{record['line']}", words)
    extra["theirs"] = isinstance(origin, _Origin)
    extra["where"] = ""
    if isinstance(origin, _Origin):
        fields.logger = plain(origin.where)
        extra["where"] = f"{fields.logger}: "
        record["message"] = origin.words
    message, failure = record["message"], None
    failed, record["exception"] = record["exception"], None
    if failed is not None and failed.value is not None:
        failure = failure_of(failed.value)
        record["message"] += f": {failure}"
    record["message"] = plain(record["message"])
    fields.message, fields.error = plain(message), failure and plain(failure)
    trace_id = extra.get("trace_id")
    fields.trace_id = plain(trace_id) if isinstance(trace_id, str) else None
