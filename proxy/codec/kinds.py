"""Checked kinds of values: what a field may hold, taken apart and put together again.

A `Kind` turns one value into what JSON or msgpack takes and back, and refuses everything that does
not fit the declared type. Nothing here looks a name up outside the closed set it was built with.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum
from typing import Any

from proxy.codec.form import Form
from proxy.errors import CodecError

# Deeper than any message that a vendor's API takes; shallow enough that walking one never comes
# near the interpreter's recursion limit.
MAX_DEPTH = 64

_PLAIN = frozenset({type(None), str, int, float, bool})


class Kind(ABC):
    """What one field may hold."""

    label: str

    @abstractmethod
    def write(self, value: Any, where: str, form: Form) -> Any:
        """Take a value apart.

        Args:
            value: The value of the field.
            where: The place, for the error text.
            form: How the dialect lays out the parts.

        Raises:
            CodecError: If the value is not of this kind.
        """

    @abstractmethod
    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Put a value together.

        Args:
            wire: What arrived.
            where: The place, for the error text.
            form: How the dialect lays out the parts.

        Raises:
            CodecError: If it is not of this kind.
        """

    def refuse(self, where: str) -> CodecError:
        """Build the error for a value that does not fit; it never holds the value."""
        return CodecError(f"{where}: expected {self.label}")


class Scalar(Kind):
    """One of str, int, float or bool, exactly; an int is taken where a float is declared.

    Numbers are finite: what computes with them, such as a resampler or a timer, expects no other.
    """

    def __init__(self, scalar: type) -> None:
        """Build the kind of one built-in type."""
        self.scalar = scalar
        self.label = scalar.__name__
        self.accepted: tuple[type, ...] = (float, int) if scalar is float else (scalar,)

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Pass a value of the type through; a subclass of str is written as plain str."""
        if type(value) in self.accepted:
            return self._finite(value, where)
        if self.scalar is str and isinstance(value, str):
            return str.__str__(value)
        raise self.refuse(where)

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Pass a value of the type through."""
        if type(wire) in self.accepted:
            return self._finite(wire, where)
        raise self.refuse(where)

    def _finite(self, value: Any, where: str) -> Any:
        if type(value) is float and not math.isfinite(value):
            raise self.refuse(where)
        return value


class Within(Scalar):
    """An int between two bounds."""

    def __init__(self, lowest: int, highest: int) -> None:
        """Set the bounds, both allowed."""
        super().__init__(int)
        self.lowest, self.highest = lowest, highest
        self.label = f"int from {lowest} to {highest}"

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Pass a value within the bounds through."""
        return self.read(value, where, form)

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Pass a value within the bounds through."""
        if type(wire) is int and self.lowest <= wire <= self.highest:
            return wire
        raise self.refuse(where)


class Bytes(Kind):
    """Raw bytes."""

    label = "bytes"

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write bytes."""
        if not isinstance(value, bytes | bytearray | memoryview):
            raise self.refuse(where)
        return form.write_bytes(bytes(value))

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read bytes."""
        value = form.read_bytes(wire, where)
        if value is None:
            raise self.refuse(where)
        return value


class Optional(Kind):
    """Another kind, or None."""

    def __init__(self, inner: Kind) -> None:
        """Allow None beside the values of another kind."""
        self.inner = inner
        self.label = f"{inner.label} or None"

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write None as null."""
        return None if value is None else self.inner.write(value, where, form)

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read null as None."""
        return None if wire is None else self.inner.read(wire, where, form)


class Choice(Kind):
    """One of a few strings."""

    def __init__(self, *options: str) -> None:
        """Allow these strings and no other."""
        self.options = frozenset(options)
        self.label = "one of " + ", ".join(options)

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Pass an allowed string through."""
        return self.read(value, where, form)

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Pass an allowed string through."""
        if type(wire) is str and wire in self.options:
            return wire
        raise self.refuse(where)


class EnumMember(Kind):
    """A member of one enum."""

    def __init__(self, enum: type[Enum]) -> None:
        """Allow the members of one enum."""
        self.enum = enum
        self.label = f"a member of {enum.__name__}"
        self.by_value: dict[Any, Enum] = {member.value: member for member in enum}

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write a member; a plain string that is a member's value counts as the member."""
        member = value if isinstance(value, self.enum) else None
        if isinstance(value, str):
            member = self.by_value.get(value)
        if member is None:
            raise self.refuse(where)
        return form.write_member(member)

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read a member."""
        member = form.read_member(wire, self.enum)
        if member is None:
            raise self.refuse(where)
        return member


class EnumOrStr(Kind):
    """A member of a `StrEnum`, or any other string."""

    def __init__(self, enum: type[StrEnum]) -> None:
        """Allow the members of one enum, and strings of the application's own."""
        self.by_value = {member.value: member for member in enum}
        self.label = f"{enum.__name__} or str"

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write the plain string."""
        if isinstance(value, str):
            return str.__str__(value)
        raise self.refuse(where)

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read a member where the string is one's value."""
        if type(wire) is str:
            return self.by_value.get(wire, wire)
        raise self.refuse(where)


class Json(Kind):
    """Any JSON value, and bytes: what `Any` and `dict` fields may hold."""

    label = "a JSON value"

    def __init__(self, *, mapping: bool = False) -> None:
        """Allow any value, or only an object.

        Args:
            mapping: Allow only an object with string keys.
        """
        self.mapping = mapping
        if mapping:
            self.label = "a JSON object"

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Copy a value."""
        if self.mapping and not isinstance(value, Mapping):
            raise self.refuse(where)
        return self._write(value, where, form, 0)

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Copy a value; nothing but JSON and bytes is taken."""
        value = self._read(wire, where, form, 0)
        if self.mapping and type(value) is not dict:
            raise self.refuse(where)
        return value

    def _write(self, value: Any, where: str, form: Form, depth: int) -> Any:
        if type(value) in _PLAIN:
            return value
        if depth >= MAX_DEPTH:
            raise CodecError(f"{where}: nested deeper than {MAX_DEPTH}")
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, Mapping):
            if not all(isinstance(key, str) for key in value):
                raise CodecError(f"{where}: expected string keys")
            return {key: self._write(item, where, form, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._write(item, where, form, depth + 1) for item in value]
        if isinstance(value, bytes | bytearray | memoryview):
            return form.write_bytes(bytes(value))
        raise self.refuse(where)

    def _read(self, wire: Any, where: str, form: Form, depth: int) -> Any:
        if type(wire) in _PLAIN:
            return wire
        if depth >= MAX_DEPTH:
            raise CodecError(f"{where}: nested deeper than {MAX_DEPTH}")
        raw = form.read_bytes(wire, where)
        if raw is not None:
            return raw
        if type(wire) is dict:
            if not all(type(key) is str for key in wire):
                raise CodecError(f"{where}: expected string keys")
            return {key: self._read(item, where, form, depth + 1) for key, item in wire.items()}
        if type(wire) is list:
            return [self._read(item, where, form, depth + 1) for item in wire]
        raise self.refuse(where)


class ListOf(Kind):
    """A list of another kind."""

    def __init__(self, inner: Kind) -> None:
        """Allow lists of the values of another kind."""
        self.inner = inner
        self.label = f"a list of {inner.label}"

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write each item."""
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise self.refuse(where)
        return [self.inner.write(item, where, form) for item in value]

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read each item."""
        if type(wire) is not list:
            raise self.refuse(where)
        return [self.inner.read(item, where, form) for item in wire]


class FixedTuple(Kind):
    """A tuple with one kind for each place."""

    def __init__(self, *inner: Kind) -> None:
        """Allow tuples with these kinds in order."""
        self.inner = inner
        self.label = f"a tuple of {len(inner)}"

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write a list."""
        if not isinstance(value, tuple | list) or len(value) != len(self.inner):
            raise self.refuse(where)
        pairs = zip(self.inner, value, strict=True)
        return [kind.write(item, where, form) for kind, item in pairs]

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read a list as a tuple."""
        if type(wire) is not list or len(wire) != len(self.inner):
            raise self.refuse(where)
        pairs = zip(self.inner, wire, strict=True)
        return tuple(kind.read(item, where, form) for kind, item in pairs)
