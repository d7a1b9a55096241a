"""What a record of somebody else's code may say: the words of its source, not its values.

A library's finished message cannot be told apart from what passed through it: `f"{self}: no such
tool: {arguments}"` is a transcript by the time that it is a record. So the message is not used. The
words are read from the source, at the place that logged; what stood between them is left out.
Two kinds of value are let through, as they are names that code gives to code: what Pipecat calls
its processors and workers, and the place of a failure.
"""

import ast
import linecache
import re
import textwrap
from collections.abc import Iterator
from functools import lru_cache

from app.failures import short_path

# In place of a value, and of a message that has no words in its source.
LEFT_OUT = "…"
WITHHELD = "(withheld)"

# No call of a logger is longer.
_MAX_LINES = 15

_METHODS = frozenset({"critical", "error", "exception", "log", "warn", "warning"})

# Expressions whose values are names of processors and workers.
_NAMES = frozenset(
    {
        "error.processor",
        "self",
        "self._name",
        "self.name",
        "worker.name",
        "worker_data.worker_name",
        "worker_name",
    }
)
_NAME = r"[A-Za-z_](?:[\w#.-]|:(?=[\w:])){0,79}"

# Pipecat reports every failure of a processor through one line, with a message made before.
_FAILED = re.compile(rf"({_NAME}) (?:exception \((/[^()\s]+):(\d+)\)|error): ")
_FAILED_IN = ("pipecat.processors.frame_processor", "push_error_frame")

# asyncio's first words are a fixed sentence; a repr follows.
_SENTENCE = re.compile(r"[A-Z][A-Za-z']*(?: [a-z']+)*")


def words_of(module: str, function: str, path: str, line: int, message: str) -> str:
    """Say what a record of somebody else's code is about.

    Args:
        module: The module that logged.
        function: The function in it.
        path: Its file.
        line: The line of the call.
        message: The finished message; used only to look for names.
    """
    if (module, function) == _FAILED_IN and (failed := _FAILED.match(message)):
        name, where, number = failed.groups()
        return f"{name} failed" + (f" at {short_path(where)}:{number}" if where else "")
    if module.split(".")[0] == "asyncio" and (sentence := _SENTENCE.match(message)):
        return sentence.group()
    parts = _parts(path, line)
    return WITHHELD if parts is None else _filled(parts, message)


# A piece of a message: words as they are, or a value; True if it is a name.
_Part = str | bool


def _filled(parts: tuple[_Part, ...], message: str) -> str:
    """Fill in the names that stand before the first value that is none.

    Up to there the source says where each part begins; behind it a value could pose as a name.
    """
    said, rest = "", message
    known = True
    for part in parts:
        if isinstance(part, str):
            known = known and rest.startswith(part)
            rest = rest[len(part) :]
            said += part
            continue
        name = re.match(_NAME, rest) if known and part else None
        known = name is not None
        said += name.group() if name else LEFT_OUT
        rest = rest[name.end() :] if name else rest
    return " ".join(said.split()) or WITHHELD


@lru_cache(maxsize=256)
def _parts(path: str, line: int) -> tuple[_Part, ...] | None:
    for length in range(1, _MAX_LINES):
        lines = [linecache.getline(path, line + offset) for offset in range(length)]
        try:
            parsed = ast.parse(textwrap.dedent("".join(lines)))
        except (SyntaxError, ValueError):
            continue
        return next((_parts_of_call(call) for call in _calls_of_loggers(parsed)), None)
    return None


def _calls_of_loggers(parsed: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(parsed):
        match node:
            case ast.Call(func=ast.Attribute(attr=method)) if method in _METHODS:
                yield node


def _parts_of_call(call: ast.Call) -> tuple[_Part, ...] | None:
    # The method log() takes the level first.
    takes_level = ast.unparse(call.func).endswith(".log")
    message = call.args[1:2] if takes_level else call.args[:1]
    return tuple(_parts_of(message[0])) or None if message else None


def _parts_of(node: ast.expr) -> Iterator[_Part]:
    match node:
        case ast.Constant(value=str(words)):
            yield words
        case ast.JoinedStr(values=values):
            for value in values:
                if isinstance(value, ast.FormattedValue):
                    yield ast.unparse(value.value) in _NAMES
                else:
                    yield from _parts_of(value)
        case ast.BinOp(left=left, op=ast.Mod()):
            yield from _parts_of(left)
        case ast.Call(func=ast.Attribute(value=value, attr="format")):
            yield from _parts_of(value)
