"""Checked kinds of values: what a field may hold, and how it is written for the stock dialect.

A `Kind` turns one value into what `json.dumps` takes and back, and refuses everything that does
not fit the declared type. Nothing here looks a name up outside the closed set it was built with.

Source: the JSON forms are those of `pipecat.bus.serializers.json` and `pipecat.bus.adapters`
(Pipecat 1.14), which an unmodified Pipecat bot writes and reads.
"""

import base64
import binascii
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from proxy.errors import CodecError, UnknownTypeError

TYPE_KEY = "__type__"
DATA_KEY = "__data__"

# Deeper than any message that a vendor's API takes; shallow enough that walking one never comes
# near the interpreter's recursion limit.
MAX_DEPTH = 64


def type_path(cls: type) -> str:
    """Return the name that the stock dialect uses for a class: module and class name."""
    return f"{cls.__module__}.{cls.__name__}"


def tagged(cls: type, data: Any) -> dict[str, Any]:
    """Wrap data as the stock dialect marks a typed value."""
    return {TYPE_KEY: type_path(cls), DATA_KEY: data}


def untag(wire: Any, where: str) -> tuple[str, Any]:
    """Split a typed value of the stock dialect into its type name and its data.

    Raises:
        CodecError: If it is not a typed value.
    """
    if type(wire) is not dict or len(wire) != 2:
        raise CodecError(f"{where}: expected a typed value")
    name = wire.get(TYPE_KEY)
    if type(name) is not str or DATA_KEY not in wire:
        raise CodecError(f"{where}: expected a typed value")
    return name, wire[DATA_KEY]


class Kind(ABC):
    """What one field may hold."""

    label: str

    @abstractmethod
    def to_json(self, value: Any, where: str) -> Any:
        """Turn a value into what the stock dialect writes.

        Args:
            value: The value of the field.
            where: The place, for the error text.

        Raises:
            CodecError: If the value is not of this kind.
        """

    @abstractmethod
    def from_json(self, wire: Any, where: str) -> Any:
        """Turn what the stock dialect wrote into a value.

        Args:
            wire: What `json.loads` gave.
            where: The place, for the error text.

        Raises:
            CodecError: If it is not of this kind.
        """

    def refuse(self, where: str) -> CodecError:
        """Build the error for a value that does not fit; it never holds the value."""
        return CodecError(f"{where}: expected {self.label}")


class Scalar(Kind):
    """One of str, int, float or bool, exactly; an int is taken where a float is declared."""

    def __init__(self, scalar: type) -> None:
        """Build the kind of one built-in type."""
        self.scalar = scalar
        self.label = scalar.__name__
        self.accepted: tuple[type, ...] = (float, int) if scalar is float else (scalar,)

    def to_json(self, value: Any, where: str) -> Any:
        """Pass a value of the type through; a subclass of str is written as plain str."""
        if type(value) in self.accepted:
            return value
        if self.scalar is str and isinstance(value, str):
            return str.__str__(value)
        raise self.refuse(where)

    def from_json(self, wire: Any, where: str) -> Any:
        """Pass a value of the type through."""
        if type(wire) in self.accepted:
            return wire
        raise self.refuse(where)


class Bytes(Kind):
    """Raw bytes; base64 in JSON."""

    label = "bytes"

    def to_json(self, value: Any, where: str) -> Any:
        """Write bytes as base64 text."""
        if not isinstance(value, bytes | bytearray | memoryview):
            raise self.refuse(where)
        return {TYPE_KEY: "bytes", DATA_KEY: base64.b64encode(value).decode("ascii")}

    def from_json(self, wire: Any, where: str) -> Any:
        """Read base64 text."""
        name, data = untag(wire, where)
        if name != "bytes" or type(data) is not str:
            raise self.refuse(where)
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise self.refuse(where) from None


class Optional(Kind):
    """Another kind, or None."""

    def __init__(self, inner: Kind) -> None:
        """Allow None beside the values of another kind."""
        self.inner = inner
        self.label = f"{inner.label} or None"

    def to_json(self, value: Any, where: str) -> Any:
        """Write None as null."""
        return None if value is None else self.inner.to_json(value, where)

    def from_json(self, wire: Any, where: str) -> Any:
        """Read null as None."""
        return None if wire is None else self.inner.from_json(wire, where)


class Choice(Kind):
    """One of a few strings."""

    def __init__(self, *options: str) -> None:
        """Allow these strings and no other."""
        self.options = frozenset(options)
        self.label = "one of " + ", ".join(options)

    def to_json(self, value: Any, where: str) -> Any:
        """Pass an allowed string through."""
        return self.from_json(value, where)

    def from_json(self, wire: Any, where: str) -> Any:
        """Pass an allowed string through."""
        if type(wire) is str and wire in self.options:
            return wire
        raise self.refuse(where)


class EnumMember(Kind):
    """A member of one enum.

    A `StrEnum` is written as its value, every other enum as a typed value with the member's name.
    """

    def __init__(self, enum: type[Enum]) -> None:
        """Allow the members of one enum."""
        self.enum = enum
        self.label = f"a member of {enum.__name__}"
        self.by_value: dict[Any, Enum] = {member.value: member for member in enum}

    def to_json(self, value: Any, where: str) -> Any:
        """Write a member; a plain string that is a member's value counts as the member."""
        if not isinstance(value, self.enum):
            found = self.by_value.get(value) if isinstance(value, str) else None
            if found is None:
                raise self.refuse(where)
            value = found
        if issubclass(self.enum, StrEnum):
            return value.value
        return tagged(self.enum, value.name)

    def from_json(self, wire: Any, where: str) -> Any:
        """Read a member."""
        if type(wire) is str:
            member = self.by_value.get(wire)
        else:
            name, data = untag(wire, where)
            known = name == type_path(self.enum) and type(data) is str
            member = self.enum.__members__.get(data) if known else None
        if member is None:
            raise self.refuse(where)
        return member


class EnumOrStr(Kind):
    """A member of a `StrEnum`, or any other string."""

    def __init__(self, enum: type[StrEnum]) -> None:
        """Allow the members of one enum, and strings of the application's own."""
        self.by_value = {member.value: member for member in enum}
        self.label = f"{enum.__name__} or str"

    def to_json(self, value: Any, where: str) -> Any:
        """Write the plain string."""
        if isinstance(value, str):
            return str.__str__(value)
        raise self.refuse(where)

    def from_json(self, wire: Any, where: str) -> Any:
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

    def to_json(self, value: Any, where: str) -> Any:
        """Copy a value, writing bytes as the stock dialect does."""
        if self.mapping and not isinstance(value, Mapping):
            raise self.refuse(where)
        return self._write(value, where, 0)

    def from_json(self, wire: Any, where: str) -> Any:
        """Copy a value, reading bytes; every other typed value is refused."""
        value = self._read(wire, where, 0)
        if self.mapping and type(value) is not dict:
            raise self.refuse(where)
        return value

    def _write(self, value: Any, where: str, depth: int) -> Any:
        if value is None or type(value) in (str, int, float, bool):
            return value
        if depth >= MAX_DEPTH:
            raise CodecError(f"{where}: nested deeper than {MAX_DEPTH}")
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, Mapping):
            return self._write_mapping(value, where, depth)
        if isinstance(value, list | tuple):
            return [self._write(item, where, depth + 1) for item in value]
        if isinstance(value, bytes | bytearray | memoryview):
            return _BYTES.to_json(value, where)
        raise self.refuse(where)

    def _write_mapping(self, value: Mapping[Any, Any], where: str, depth: int) -> dict[str, Any]:
        if not all(isinstance(key, str) for key in value):
            raise CodecError(f"{where}: expected string keys")
        return {key: self._write(item, where, depth + 1) for key, item in value.items()}

    def _read(self, wire: Any, where: str, depth: int) -> Any:
        if depth >= MAX_DEPTH:
            raise CodecError(f"{where}: nested deeper than {MAX_DEPTH}")
        if type(wire) is dict:
            if TYPE_KEY in wire and DATA_KEY in wire:
                if wire[TYPE_KEY] != "bytes":
                    raise UnknownTypeError(f"{where}: expected a plain JSON value")
                return _BYTES.from_json(wire, where)
            return {key: self._read(item, where, depth + 1) for key, item in wire.items()}
        if type(wire) is list:
            return [self._read(item, where, depth + 1) for item in wire]
        return wire


_BYTES = Bytes()


class ListOf(Kind):
    """A list of another kind."""

    def __init__(self, inner: Kind) -> None:
        """Allow lists of the values of another kind."""
        self.inner = inner
        self.label = f"a list of {inner.label}"

    def to_json(self, value: Any, where: str) -> Any:
        """Write each item."""
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise self.refuse(where)
        return [self.inner.to_json(item, where) for item in value]

    def from_json(self, wire: Any, where: str) -> Any:
        """Read each item."""
        if type(wire) is not list:
            raise self.refuse(where)
        return [self.inner.from_json(item, where) for item in wire]


class FixedTuple(Kind):
    """A tuple with one kind for each place; a list in JSON."""

    def __init__(self, *inner: Kind) -> None:
        """Allow tuples with these kinds in order."""
        self.inner = inner
        self.label = f"a tuple of {len(inner)}"

    def to_json(self, value: Any, where: str) -> Any:
        """Write a list."""
        if not isinstance(value, tuple | list) or len(value) != len(self.inner):
            raise self.refuse(where)
        return [kind.to_json(item, where) for kind, item in zip(self.inner, value, strict=True)]

    def from_json(self, wire: Any, where: str) -> Any:
        """Read a list as a tuple."""
        if type(wire) is not list or len(wire) != len(self.inner):
            raise self.refuse(where)
        return tuple(
            kind.from_json(item, where) for kind, item in zip(self.inner, wire, strict=True)
        )


class OneModel(Kind):
    """A pydantic model out of a closed set of classes."""

    def __init__(self, *models: type[BaseModel]) -> None:
        """Allow instances of exactly these classes."""
        self.models: dict[str, type[BaseModel]] = {type_path(model): model for model in models}
        self.label = " or ".join(model.__name__ for model in models)

    def to_json(self, value: Any, where: str) -> Any:
        """Write the fields that are set, as a typed value."""
        if type_path(type(value)) not in self.models:
            raise self.refuse(where)
        fields = {
            name: self._write_field(item, where)
            for name, item in cast(BaseModel, value).__dict__.items()
            if item is not None
        }
        return tagged(type(value), fields)

    def from_json(self, wire: Any, where: str) -> Any:
        """Read and validate a model."""
        name, data = untag(wire, where)
        model = self.models.get(name)
        if model is None or type(data) is not dict:
            raise self.refuse(where)
        try:
            return model.model_validate(
                {key: self._read_field(model, key, item, where) for key, item in data.items()},
                strict=True,
            )
        except ValidationError:
            raise self.refuse(where) from None

    def _write_field(self, value: Any, where: str) -> Any:
        if isinstance(value, BaseModel):
            return tagged(type(value), _JSON.to_json(value.model_dump(exclude_none=True), where))
        return _JSON.to_json(value, where)

    def _read_field(self, model: type[BaseModel], key: str, wire: Any, where: str) -> Any:
        field = model.model_fields.get(key)
        if field is None:
            raise self.refuse(where)
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            return OneModel(nested).from_json(wire, where)
        return _JSON.from_json(wire, where)


_JSON = Json()
