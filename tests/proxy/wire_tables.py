"""The generated parts of docs/wire.md, read off the code.

Run `.venv/bin/python -m tests.proxy.wire_tables` to write them anew. Numbers that the document
gives already cannot be given to anything else: it refuses to.
"""

import json
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any

import msgspec
from pipecat.bus.messages import BusSystemMessage
from pipecat.frames.frames import Frame
from pydantic import BaseModel

from proxy import wire
from proxy.close_codes import MEANINGS, may_resume
from proxy.codec import kinds as k
from proxy.codec.binary import BINARY
from proxy.codec.catalog import Catalog
from proxy.codec.context import Context, Message, Tools, ToolsOrNotGiven
from proxy.codec.kinds import Kind
from proxy.codec.models import OneModel
from proxy.codec.numbers import FIELDS, FRAMES, MESSAGE_NUMBERS, MESSAGES
from proxy.codec.records import NO_DEFAULT, FrameId, OneRecord, Record
from proxy.filter import CROSSING_MESSAGES, FROM_ASSISTANT, FROM_CALLER, DropReason, FrameTypes
from tests.proxy.wire_session import examples, transcript

DOCUMENT = Path(__file__).parents[2] / "docs" / "wire.md"
HOW = "regenerate with: .venv/bin/python -m tests.proxy.wire_tables"

ENVELOPES: tuple[type[msgspec.Struct], ...] = (
    wire.Hello,
    wire.Welcome,
    wire.FrameEnvelope,
    wire.MessageEnvelope,
    wire.Ready,
    wire.End,
    wire.Gap,
    wire.Resend,
    wire.Ack,
    wire.Waiting,
)
CATALOG = Catalog()
_SECTION = re.compile(r"<!-- generated: (?P<name>[\w-]+) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)
_ROW = re.compile(r"^\| (?P<number>\d+) \| (?P<name>\S+) \|", re.MULTILINE)
_PLAIN = {str: "str", int: "int", float: "float", bool: "bool", type(None): "nil"}


# --- Envelopes ---------------------------------------------------------------------------------


def bounds(meta: msgspec.Meta, base: str) -> str:
    length = meta.max_length
    if length is not None:
        unit = "characters" if base == "str" else "items"
        return f"{base}, {meta.min_length or 0} to {length} {unit}"
    return f"{base}, {number(meta.ge)} to {number(meta.le)}"


def number(value: Any) -> str:
    return {2**53: "2^53", 2**31: "2^31"}.get(value, f"{value:g}")


def hint_text(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return bounds(args[1], hint_text(args[0]))
    if origin in (types.UnionType, typing.Union):
        return " or ".join(map(hint_text, args))
    if origin is tuple:
        return f"array of ({hint_text(args[0])})"
    return "map" if origin is dict else _PLAIN[hint]


def attributes(cls: type) -> dict[str, str]:
    """Read what a docstring says of each attribute."""
    text = (cls.__doc__ or "").partition("Attributes:")[2]
    found = re.findall(r"^ {8}(\w+): (.+(?:\n {12}.+)*)", text, re.MULTILINE)
    return {name: " ".join(said.split()) for name, said in found}


def envelopes() -> Iterator[str]:
    for cls in ENVELOPES:
        info = typing.get_type_hints(cls, include_extras=True)
        said = attributes(cls)
        summary = (cls.__doc__ or "").splitlines()[0]
        yield f"**{cls.__struct_config__.tag} · {cls.__name__}.** {summary}"
        yield ""
        yield "| place | field | type | absent | |"
        yield "|---|---|---|---|---|"
        yield f"| 0 | kind | int {cls.__struct_config__.tag} | | |"
        for place, field in enumerate(msgspec.structs.fields(cls), 1):
            absent = "" if field.required else literal(field.default)
            kind = hint_text(info[field.name])
            yield f"| {place} | {field.name} | {kind} | {absent} | {said[field.name]} |"
        yield ""


# --- Frames and messages -----------------------------------------------------------------------


def literal(value: Any) -> str:
    value = value.value if isinstance(value, Enum) else value
    return "nil" if value is None else json.dumps(value)


def kind_text(kind: Kind) -> str:  # noqa: C901 - one line a kind
    match kind:
        case k.Optional():
            return f"{kind_text(kind.inner)} or nil"
        case k.Within():
            return f"int {kind.lowest} to {kind.highest}"
        case k.Scalar():
            return _PLAIN[kind.scalar]
        case k.Bytes():
            return "bin"
        case k.Choice():
            return " or ".join(map(json.dumps, sorted(kind.options)))
        case k.EnumMember():
            return kind.enum.__name__
        case k.EnumOrStr():
            return "str"
        case k.Json():
            return "map" if kind.mapping else "any"
        case k.ListOf():
            return f"array of ({kind_text(kind.inner)})"
        case k.FixedTuple():
            return "[" + ", ".join(map(kind_text, kind.inner)) + "]"
        case OneRecord():
            return f"[class, fields] of {kind.label}"
        case Record():
            return f"fields of {kind.name}"
        case OneModel():
            return "model"
    return {
        FrameId: "id",
        ToolsOrNotGiven: "tools or nil",
        Tools: "tools",
        Context: "conversation",
        Message: "message",
    }[type(kind)]


def fields_of(record: Record) -> dict[str, str]:
    """Describe each field: its type, and its default where it need not be sent."""
    described = {"id": "id"} if record.identified else {}
    defaults = {name: default for name, _, default, _ in BINARY.plan(record)._writes}
    for field in record.fields:
        if field.name in ("source", "target") and record.name in MESSAGE_NUMBERS:
            continue
        default = defaults[field.name]
        text = kind_text(field.kind)
        described[field.name] = text if default is NO_DEFAULT else f"{text} = {literal(default)}"
    if record.name == "LLMContextFrame":
        described["context"] = "difference"
    return described


def row_text(described: dict[str, str]) -> str:
    return "; ".join(f"`{name}` {text}" for name, text in described.items())


EVERY = fields_of(CATALOG.frame_record(CATALOG.frame_class("BotConnectedFrame")))  # type: ignore[arg-type]


def policy(types_: FrameTypes, cls: type[Frame]) -> str:
    reason = types_.judge(cls)
    if reason is None:
        return "yes"
    return "asked" if reason is DropReason.HOME else "no"


def frames() -> Iterator[str]:
    yield "| | frame | ↑ | ↓ | fields |"
    yield "|---|---|---|---|---|"
    for place, name in enumerate(FRAMES):
        cls = CATALOG.frame_class(name)
        record = CATALOG.frame_record(cls)
        assert record is not None
        own = dict(fields_of(record).items() - EVERY.items())
        text = row_text({name: own[name] for name in fields_of(record) if name in own})
        up, down = policy(FROM_CALLER, cls), policy(FROM_ASSISTANT, cls)
        yield f"| {place} | {name} | {up} | {down} | {text} |"


def every_frame() -> Iterator[str]:
    yield row_text(EVERY)


def messages() -> Iterator[str]:
    yield "| | message | urgent | fields |"
    yield "|---|---|---|---|"
    records = {cls.__name__: CATALOG.message_record(cls) for cls in CROSSING_MESSAGES}
    for place, name in enumerate(MESSAGES):
        record = records[name]
        assert record is not None
        urgent = "yes" if issubclass(record.cls, BusSystemMessage) else ""
        yield f"| {place} | {name} | {urgent} | {row_text(fields_of(record))} |"


def fields() -> Iterator[str]:
    yield "| | field |"
    yield "|---|---|"
    for place, name in enumerate(FIELDS):
        yield f"| {place} | {name} |"


# --- What stands inside fields -----------------------------------------------------------------


def kinds_in(kind: Kind) -> Iterator[Kind]:
    yield kind
    match kind:
        case k.Optional() | k.ListOf():
            yield from kinds_in(kind.inner)
        case k.FixedTuple():
            for inner in kind.inner:
                yield from kinds_in(inner)
        case Record():
            for field in kind.fields:
                yield from kinds_in(field.kind)


def all_kinds() -> Iterator[Kind]:
    numbered = [CATALOG.frame_record(CATALOG.frame_class(name)) for name in FRAMES]
    numbered += [CATALOG.message_record(cls) for cls in CROSSING_MESSAGES]
    for record in numbered:
        assert record is not None
        for field in record.fields:
            yield from kinds_in(field.kind)


def records() -> Iterator[str]:
    yield "| record | fields |"
    yield "|---|---|"
    found = {kind.name: kind for kind in all_kinds() if isinstance(kind, Record)}
    for name in sorted(found):
        yield f"| {name} | {row_text(fields_of(found[name]))} |"


def models() -> Iterator[str]:
    yield "| model | fields by name |"
    yield "|---|---|"
    top = [model for kind in all_kinds() if isinstance(kind, OneModel) for model in kind.models]
    found = {model.__name__: model for model in top}
    for model in top:
        hints = [info.annotation for info in model.model_fields.values()]
        found |= {
            hint.__name__: hint
            for hint in hints
            if isinstance(hint, type) and issubclass(hint, BaseModel)
        }
    for name in sorted(found):
        parts = (
            f"`{field}` {model_field_text(info.annotation)}"
            for field, info in found[name].model_fields.items()
        )
        yield f"| {name} | {'; '.join(parts)} |"


def model_field_text(hint: Any) -> str:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return " or ".join(map(model_field_text, typing.get_args(hint)))
    is_model = isinstance(hint, type) and issubclass(hint, BaseModel)
    return f"model {hint.__name__}" if is_model else _PLAIN[hint]


def enumerations() -> Iterator[str]:
    yield "| enumeration | as |"
    yield "|---|---|"
    found = {
        kind.enum.__name__: kind.enum for kind in all_kinds() if isinstance(kind, k.EnumMember)
    }
    for name in sorted(found):
        enum = found[name]
        texts = [str(m.value) if issubclass(enum, StrEnum) else m.name for m in enum]
        yield f"| {enum.__name__} | {', '.join(f'`{text}`' for text in texts)} |"


# --- Close codes -------------------------------------------------------------------------------


def close_codes() -> Iterator[str]:
    yield "| | code | reason | dial again | session |"
    yield "|---|---|---|---|---|"
    for code, meaning in MEANINGS.items():
        again = "yes" if meaning.reconnect else "no"
        kept = "may be resumed" if may_resume(code) else "over"
        yield f"| {code} | {code.name} | {meaning.reason} | {again} | {kept} |"


SECTIONS: dict[str, Callable[[], Iterator[str]]] = {
    "envelopes": envelopes,
    "every-frame": every_frame,
    "frames": frames,
    "messages": messages,
    "fields": fields,
    "records": records,
    "models": models,
    "enumerations": enumerations,
    "close-codes": close_codes,
    "examples": examples,
    "session": transcript,
}

# Sections whose first column is given for good.
NUMBERED = {"frames", "messages", "fields", "close-codes"}


def sections_in(text: str) -> dict[str, str]:
    """Return what stands between the markers of a document."""
    return {found["name"]: found["body"] for found in _SECTION.finditer(text)}


def generated(name: str) -> str:
    return "\n".join([*SECTIONS[name]()]).strip("\n") + "\n"


def rows_in(body: str) -> list[tuple[int, str]]:
    """Return numbers and names of a table."""
    return [(int(found["number"]), found["name"]) for found in _ROW.finditer(body)]


def changed_numbers(old: str, new: str) -> list[str]:
    """Name every number of an old table that means something else, or nothing, in a new one."""
    now = dict(rows_in(new))
    return [
        f"{no} was {name} and is {now.get(no)}" for no, name in rows_in(old) if now.get(no) != name
    ]


def changed_envelopes(old: str, new: str) -> list[str]:
    """Name every place of an envelope that means something else, or nothing."""
    was, now = (re.split(r"^(?=\*\*\d+ · )", body, flags=re.MULTILINE)[1:] for body in (old, new))
    titles = [part.partition(".")[0] for part in now]
    wrong = [part.partition(".")[0] for part in was if part.partition(".")[0] not in titles]
    for part in was:
        title = part.partition(".")[0]
        if title in titles:
            wrong += [f"{title}: {no}" for no in changed_numbers(part, now[titles.index(title)])]
    return wrong


def what_changed(name: str, old: str, new: str) -> list[str]:
    if name == "envelopes":
        return changed_envelopes(old, new)
    return changed_numbers(old, new) if name in NUMBERED else []


def rewrite(text: str) -> str:
    """Return a document with its generated parts written anew.

    Raises:
        ValueError: If a number that was given would mean something else.
    """
    for name, old in sections_in(text).items():
        wrong = what_changed(name, old, generated(name))
        if wrong:
            raise ValueError(f"{name}: a number is given for good: {'; '.join(wrong)}")

    def replace(found: "re.Match[str]") -> str:
        return f"<!-- generated: {found['name']} -->\n{generated(found['name'])}<!-- end -->"

    return _SECTION.sub(replace, text)


if __name__ == "__main__":
    written = rewrite(DOCUMENT.read_text())
    DOCUMENT.write_text(written)
    sys.stdout.write(f"wrote {DOCUMENT.name}\n")
