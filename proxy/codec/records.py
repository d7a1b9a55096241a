"""Typed records: one class on the wire, its fields, and building it again.

A `Record` describes a dataclass: which of its fields cross, of what kind, and which stay behind
and why. It is a `Kind` itself, so that records nest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proxy.codec.form import Form
from proxy.codec.kinds import Kind
from proxy.errors import CodecError

NO_DEFAULT: Any = object()


def type_path(cls: type) -> str:
    """Return the full name of a class: its module and its own name."""
    return f"{cls.__module__}.{cls.__name__}"


@dataclass(frozen=True)
class Field:
    """One field of a record.

    Attributes:
        name: Its name in Python and on the wire.
        kind: What it may hold.
        required: Whether the class cannot be built without it.
        init: Whether the constructor takes it; otherwise it is set afterwards.
        default: What it is where nothing is said; `NO_DEFAULT` where that differs from case to
            case.
    """

    name: str
    kind: Kind
    required: bool
    init: bool
    default: Any = NO_DEFAULT


@dataclass(frozen=True, eq=False)
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
    def label(self) -> str:  # type: ignore[override]
        """What an error calls it."""
        return self.name

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write an instance where its class is known."""
        return form.write_as(self.cls, self.write_fields(value, where, form))

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read an instance where its class is known."""
        return self.read_fields(form.read_as(wire, self.cls, where), where, form)

    def write_fields(self, value: Any, where: str, form: Form) -> Any:
        """Write the fields alone.

        Raises:
            CodecError: If it is of another class, or a field does not fit.
        """
        if type(value) is not self.cls or self.never is not None:
            raise self.refuse(where)
        return form.write_record(self, value)

    def read_fields(self, data: Any, where: str, form: Form) -> Any:
        """Build an instance from its fields.

        Raises:
            CodecError: If a field is missing or does not fit.
        """
        if type(data) is not dict or self.never is not None:
            raise self.refuse(where)
        return form.read_record(self, data)

    def build(self, given: dict[str, Any], later: dict[str, Any], wire_id: Any, form: Form) -> Any:
        """Construct the instance from values that were checked already.

        Args:
            given: Arguments of the constructor.
            later: Fields that the constructor does not take.
            wire_id: The sender's id of the frame where frames refer to it, or None.
            form: How the dialect lays out the parts.

        Raises:
            CodecError: If the class itself refuses the values.
        """
        try:
            made = self.cls(**given)
        except (TypeError, ValueError, ArithmeticError):
            raise CodecError(f"{self.name}: the values do not fit together") from None
        for name, value in later.items():
            setattr(made, name, value)
        if self.identified and wire_id is not None:
            made.id = FRAME_ID.read(wire_id, f"{self.name}.id", form)
        return made

    def absent(self, field: Field, form: Form) -> Any:
        """Return what a required field holds that was not sent: None where it may.

        Raises:
            CodecError: If it may not.
        """
        place = f"{self.name}.{field.name}"
        try:
            return field.kind.read(None, place, form)
        except CodecError:
            raise CodecError(f"{place}: missing") from None


class FrameId(Kind):
    """A reference to another frame by its id.

    Ids count up from zero in every process, so the other side's ids would meet our own. Theirs
    are kept below zero here and turned back when they return.
    """

    label = "a frame id"

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write an id as the other side knows it."""
        if type(value) is not int:
            raise self.refuse(where)
        return form.write_frame_id(value)

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read an id into the range of its side."""
        frame_id = form.read_frame_id(wire) if type(wire) is int else None
        if frame_id is None:
            raise self.refuse(where)
        return frame_id


def foreign_id(frame_id: int) -> int:
    """Map an id of the other side below zero; applied twice it gives the id itself."""
    return -frame_id - 1


class OneRecord(Kind):
    """A record out of a closed set, such as any image frame."""

    def __init__(self, label: str, lookup: Callable[[str], Record | None]) -> None:
        """Allow the records that a look-up by name finds.

        Args:
            label: What errors call it.
            lookup: From a name, short or with its module, to its record; None where it is not
                allowed.
        """
        self.label = label
        self.lookup = lookup

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write an instance of any allowed record."""
        record = self.lookup(type_path(type(value)))
        if record is None:
            raise self.refuse(where)
        return form.write_one_of(record.cls, record.write_fields(value, where, form))

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read an instance of any allowed record."""
        name, data = form.read_one_of(wire, where)
        record = self.lookup(name)
        if record is None:
            raise self.refuse(where)
        return record.read_fields(data, where, form)


FRAME_ID = FrameId()
