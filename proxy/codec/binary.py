"""The binary dialect's layout: msgpack, names as numbers, defaults left out, bytes as they are.

A record is a map from field number to value that holds only what differs from the class's default.
A value whose class is one of several is a pair of the class's number or name and its parts.

Source: ours; the numbers are in `proxy.codec.numbers`, the layout in `docs/wire.md`.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Any

import msgspec
from pipecat.processors.aggregators.llm_context import LLMSpecificMessage

from proxy.codec.form import Form
from proxy.codec.numbers import FRAME_NUMBERS, FRAMES
from proxy.codec.plan import Plan
from proxy.codec.records import Record, foreign_id
from proxy.errors import CodecError

# The msgpack extension type of a message in the form of one vendor.
SPECIFIC_EXT = 1


def to_msgpack(value: Any) -> Any:
    """Give msgspec something that it can write in place of what it cannot.

    Raises:
        NotImplementedError: If there is nothing.
    """
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str):
        return str.__str__(value)
    raise NotImplementedError


def from_ext(code: int, data: memoryview) -> Any:
    """Read a msgpack extension.

    Raises:
        ValueError: If it is none of ours.
    """
    if code != SPECIFIC_EXT:
        raise ValueError("an extension type that is not known")
    llm, message = _SPECIFIC.decode(data)
    return LLMSpecificMessage(llm=llm, message=message)


def specific_ext(llm: str, message: Any) -> msgspec.msgpack.Ext:
    """Write a message in the form of one vendor."""
    return msgspec.msgpack.Ext(SPECIFIC_EXT, _PLAIN.encode((llm, message)))


_PLAIN = msgspec.msgpack.Encoder(enc_hook=to_msgpack)
_SPECIFIC = msgspec.msgpack.Decoder(tuple[str, Any])


class BinaryForm(Form):
    """Every value as msgpack has it; classes follow from the place or stand before their parts."""

    def __init__(self) -> None:
        """Start with no record prepared."""
        self._plans: dict[Record, Plan] = {}

    def write_bytes(self, value: bytes) -> Any:
        """Write the bytes."""
        return value

    def read_bytes(self, wire: Any, where: str) -> bytes | None:
        """Read the bytes; see `Form.read_bytes`."""
        return wire if type(wire) is bytes else None

    def write_member(self, member: Enum) -> Any:
        """Write a `StrEnum` as its value, every other enum as the member's name."""
        return member.value if isinstance(member, StrEnum) else member.name

    def read_member(self, wire: Any, enum: type[Enum]) -> Enum | None:
        """Read a member; see `Form.read_member`."""
        if type(wire) is not str:
            return None
        if issubclass(enum, StrEnum):
            return next((member for member in enum if member.value == wire), None)
        return enum.__members__.get(wire)

    def write_as(self, cls: type, data: Any) -> Any:
        """Write the parts alone."""
        return data

    def read_as(self, wire: Any, cls: type, where: str) -> Any:
        """Read the parts alone."""
        return wire

    def write_one_of(self, cls: type, data: Any) -> Any:
        """Write the class's number or name, and the parts."""
        return FRAME_NUMBERS.get(cls.__name__, cls.__name__), data

    def read_one_of(self, wire: Any, where: str) -> tuple[str, Any]:
        """Read the class's name and the parts; see `Form.read_one_of`."""
        if type(wire) is not list or len(wire) != 2:
            raise CodecError(f"{where}: expected a class and its parts")
        return name_of(wire[0], FRAMES, where), wire[1]

    def name_of(self, cls: type) -> str:
        """Return the short name of a class."""
        return cls.__name__

    def write_specific(self, llm: str, message: Any, *, in_context: bool) -> Any:
        """Write an extension that holds the vendor's name and the message."""
        return specific_ext(llm, message)

    def read_specific(self, wire: Any) -> tuple[Any, Any] | None:
        """Read what the extension held; see `Form.read_specific`."""
        return (wire.llm, wire.message) if type(wire) is LLMSpecificMessage else None

    def write_frame_id(self, frame_id: int) -> int:
        """Write the id: not below zero for the sender's frames, below for the receiver's."""
        return frame_id

    def read_frame_id(self, wire: int) -> int | None:
        """Read the id; what is the sender's is not ours, and the other way about."""
        return foreign_id(wire)

    def write_record(self, record: Record, value: Any) -> Any:
        """Write the fields that differ from their default, by number."""
        return self.plan(record).write(value)

    def read_record(self, record: Record, data: Any) -> Any:
        """Build an instance from fields by number; see `Form.read_record`."""
        return self.plan(record).read(data)

    def plan(self, record: Record) -> Plan:
        """Return a record prepared for many writes and reads."""
        plan = self._plans.get(record)
        if plan is None:
            plan = self._plans[record] = Plan(record, self)
        return plan


def name_of(key: Any, names: tuple[str, ...], where: str) -> str:
    """Return the short name of a class from its number or name.

    Args:
        key: What arrived.
        names: The table that the number is a place in.
        where: The place, for the error text.

    Raises:
        CodecError: If it is neither.
    """
    if type(key) is str:
        return key
    if type(key) is int and 0 <= key < len(names):
        return names[key]
    raise CodecError(f"{where}: expected the number or name of a class")


BINARY = BinaryForm()
