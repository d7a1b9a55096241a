"""Logs for people who run this: where, when, which session; never what was said, and no secrets.

Pipecat logs transcripts, prompts and answers at its debug level and puts whole frames into its
warnings. Of its records only warnings and errors are let through, without the part that could hold
content. Tracebacks are printed without the values of variables, as those hold headers and keys.
"""

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

# Libraries whose records carry what passes through them: text, addresses with their query, headers.
CARRIERS = ("pipecat", "uvicorn", "websockets", "httpx", "httpcore", "openai", "deepgram", "aiortc")

_CONTENT = re.compile(r"[\[{(<'\"].*", re.DOTALL)

_FORMAT = (
    "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> "
    "{extra[where]}<cyan>{extra[session]}</cyan>{message}"
)


def configure_logs(level: str = "INFO") -> None:
    """Send the logs of this process to standard error.

    Args:
        level: The least important messages to show.
    """
    logger.remove()
    logger.enable("")
    logger.configure(patcher=_prepare)
    logger.add(
        sys.stderr, level=level, format=_FORMAT, filter=_wanted, diagnose=False, backtrace=False
    )
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)


def public_part(message: str) -> str:
    """Cut a library's message before anything that could be content.

    The words up to the second colon say what happened; brackets, braces and quotes hold values.

    Args:
        message: The library's message.
    """
    head = ": ".join(message.split(": ")[:2])
    return _CONTENT.sub("(withheld)", head).strip()


def quiet_uvicorn() -> None:
    """Keep servers that others start in this process from logging addresses with their query."""
    import uvicorn.config

    quiet = {"handlers": [], "level": "WARNING", "propagate": True}
    names = ("uvicorn", "uvicorn.access", "uvicorn.error")
    uvicorn.config.LOGGING_CONFIG["loggers"] = dict.fromkeys(names, quiet)


class _ToLoguru(logging.Handler):
    """Passes records of the standard library's logging on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on, without its arguments where the library carries content."""
        level = record.levelname if record.levelname in _LEVELS else record.levelno
        carrier = record.name.split(".")[0] in CARRIERS
        message = public_part(record.getMessage()) if carrier else record.getMessage()
        logger.bind(origin=record.name).opt(depth=6).log(level, "{}", message)


_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})


def _carries_content(record: "Record") -> bool:
    name = record["name"] or ""
    return name.split(".")[0] in CARRIERS


def _wanted(record: "Record") -> bool:
    return not _carries_content(record) or record["level"].no >= logging.WARNING


def _prepare(record: "Record") -> None:
    extra: dict[str, Any] = record["extra"]
    session = extra.get("session", "")
    extra["session"] = f"[{session}] " if session else ""
    extra["where"] = ""
    if _carries_content(record):
        extra["where"] = f"{(record['name'] or '').split('.')[0]}: "
        record["message"] = public_part(record["message"])
        record["exception"] = None
