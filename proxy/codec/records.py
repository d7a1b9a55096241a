"""Typed records: one class on the wire, its fields, and building it again.

A `Record` describes a dataclass: which of its fields cross, of what kind, and which stay behind
and why. It is a `Kind` itself, so that records nest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proxy.codec.kinds import Kind, tagged, type_path, untag
from proxy.errors import CodecError


@dataclass(frozen=True)
class Field:
    """One field of a record.

    Attributes:
        name: Its name in Python and on the wire.
        kind: What it may hold.
        required: Whether the class cannot be built without it.
        init: Whether the constructor takes it; otherwise it is set afterwards.
    """

    name: str
    kind: Kind
    required: bool
    init: bool


@dataclass(frozen=True)
class Record(Kind):
    """How one dataclass is written and read.

    Attributes:
        cls: The class; exactly this one, not its subclasses.
        fields: The fields that cross, in the order of the class.
        stays: Fields that never cross, with the reason.
        never: Why the class as a whole never crosses, or None.
        identified: Whether other frames refer to this one by its id, so that the id crosses too.
        filled: Constructor arguments that stay behind and are None on the other side.
    """

    cls: type
    fields: tuple[Field, ...]
    stays: dict[str, str]
    never: str | None = None
    identified: bool = False
    filled: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The short name: the class's own."""
        return self.cls.__name__

    @property
    def path(self) -> str:
        """The name in the stock dialect."""
        return type_path(self.cls)

    @property
    def label(self) -> str:  # type: ignore[override]
        """What an error calls it."""
        return self.name

    def to_json(self, value: Any, where: str) -> Any:
        """Write an instance as a typed value, leaving out fields that are None."""
        if type(value) is not self.cls or self.never is not None:
            raise self.refuse(where)
        data: dict[str, Any] = {}
        if self.identified:
            data["id"] = _FRAME_ID.to_json(getattr(value, "id", None), where)
        for field in self.fields:
            item = getattr(value, field.name)
            if item is not None:
                written = field.kind.to_json(item, f"{self.name}.{field.name}")
                if written is not None:
                    data[field.name] = written
        return tagged(self.cls, data)

    def from_json(self, wire: Any, where: str) -> Any:
        """Read an instance.

        Raises:
            CodecError: If a field is missing or does not fit; unknown fields are ignored, as a
                newer Pipecat may have more.
        """
        name, data = untag(wire, where)
        if name != self.path or type(data) is not dict or self.never is not None:
            raise self.refuse(where)
        given: dict[str, Any] = dict.fromkeys(self.filled)
        later: dict[str, Any] = {}
        for field in self.fields:
            place = f"{self.name}.{field.name}"
            if data.get(field.name) is not None:
                target = given if field.init else later
                target[field.name] = field.kind.from_json(data[field.name], place)
            elif field.required:
                given[field.name] = self._absent(field, place)
        return self.build(given, later, data.get("id"))

    def build(self, given: dict[str, Any], later: dict[str, Any], wire_id: Any) -> Any:
        """Construct the instance from values that were checked already.

        Args:
            given: Arguments of the constructor.
            later: Fields that the constructor does not take.
            wire_id: The sender's id of the frame, used only where frames refer to it.

        Raises:
            CodecError: If the class itself refuses the values.
        """
        try:
            made = self.cls(**given)
        except (TypeError, ValueError, ArithmeticError):
            raise CodecError(f"{self.name}: the values do not fit together") from None
        for name, value in later.items():
            setattr(made, name, value)
        if self.identified and type(wire_id) is int:
            made.id = foreign_id(wire_id)
        return made

    def _absent(self, field: Field, place: str) -> Any:
        try:
            return field.kind.from_json(None, place)
        except CodecError:
            raise CodecError(f"{place}: missing") from None


class FrameId(Kind):
    """A reference to another frame by its id.

    Ids count up from zero in every process, so the other side's ids would meet our own. Theirs
    are kept below zero here and turned back when they return.
    """

    label = "a frame id"

    def to_json(self, value: Any, where: str) -> Any:
        """Write an id as the other side knows it."""
        if type(value) is not int:
            raise self.refuse(where)
        return value if value >= 0 else foreign_id(value)

    def from_json(self, wire: Any, where: str) -> Any:
        """Read an id into the range of the other side's."""
        if type(wire) is not int or wire < 0:
            raise self.refuse(where)
        return foreign_id(wire)


def foreign_id(frame_id: int) -> int:
    """Map an id of the other side below zero; applied twice it gives the id itself."""
    return -frame_id - 1


class OneRecord(Kind):
    """A record out of a closed set, such as any image frame."""

    def __init__(self, label: str, lookup: Callable[[str], Record | None]) -> None:
        """Allow the records that a look-up by stock name finds.

        Args:
            label: What errors call it.
            lookup: From a stock type name to its record; None where it is not allowed.
        """
        self.label = label
        self.lookup = lookup

    def to_json(self, value: Any, where: str) -> Any:
        """Write an instance of any allowed record."""
        record = self.lookup(type_path(type(value)))
        if record is None:
            raise self.refuse(where)
        return record.to_json(value, where)

    def from_json(self, wire: Any, where: str) -> Any:
        """Read an instance of any allowed record."""
        name, _ = untag(wire, where)
        record = self.lookup(name)
        if record is None:
            raise self.refuse(where)
        return record.from_json(wire, where)


_FRAME_ID = FrameId()
