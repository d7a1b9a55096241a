"""The stock dialect: the JSON that Pipecat's own WebSocket proxies speak.

What we write, an unmodified `JSONMessageSerializer` reads; what it writes, we read, but through the
closed table and with every field checked. Two things differ on purpose. We leave out `id` and
`name`, which count objects of one process (a stock reader then gives the frame its own, instead of
one that meets another frame's in its observers). And a value that cannot be written is an error
here, where the stock serialiser drops the field with a warning.

Source: `pipecat.bus.serializers.json` and `pipecat.bus.adapters`, Pipecat 1.14.
"""

import base64
import binascii
import json
import re
from enum import Enum, StrEnum
from typing import Any

from pipecat.bus.messages import BusMessage
from pipecat.processors.aggregators.llm_context import LLMSpecificMessage

from proxy.codec.catalog import Catalog, default_catalog
from proxy.codec.form import Form
from proxy.codec.records import FRAME_ID, Record, foreign_id, type_path
from proxy.errors import CodecError, UnknownTypeError

TYPE_KEY = "__type__"
DATA_KEY = "__data__"
SPECIFIC_KEY = "__specific__"

# The start of a frame message as the stock serialiser writes it: type first, then the flat fields,
# then the frame with its type first. Enough to know the frame's type without reading the rest.
_FRAME_HEAD = re.compile(
    rb'\{"__type__":"pipecat\.bus\.messages\.BusFrameMessage","__data__":\{[^{}]{0,512}?'
    rb'"frame":\{"__type__":"([\w.]{1,128})"'
)


class StockForm(Form):
    """Every typed value is an object that names its class; bytes are base64 text."""

    def write_bytes(self, value: bytes) -> Any:
        """Write base64 text."""
        return {TYPE_KEY: "bytes", DATA_KEY: base64.b64encode(value).decode("ascii")}

    def read_bytes(self, wire: Any, where: str) -> bytes | None:
        """Read base64 text; see `Form.read_bytes`."""
        if type(wire) is not dict or TYPE_KEY not in wire or DATA_KEY not in wire:
            return None
        if wire[TYPE_KEY] != "bytes":
            raise UnknownTypeError(f"{where}: expected a plain value")
        try:
            return base64.b64decode(wire[DATA_KEY], validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise CodecError(f"{where}: expected base64 text") from None

    def write_member(self, member: Enum) -> Any:
        """Write a `StrEnum` as its value, every other enum as a typed value with the name."""
        if isinstance(member, StrEnum):
            return member.value
        return self.write_one_of(type(member), member.name)

    def read_member(self, wire: Any, enum: type[Enum]) -> Enum | None:
        """Read a member by its value or as a typed value; see `Form.read_member`."""
        if type(wire) is str:
            return next((member for member in enum if member.value == wire), None)
        name, data = self.read_one_of(wire, enum.__name__)
        known = name == type_path(enum) and type(data) is str
        return enum.__members__.get(data) if known else None

    def write_as(self, cls: type, data: Any) -> Any:
        """Write a typed value, known or not."""
        return self.write_one_of(cls, data)

    def read_as(self, wire: Any, cls: type, where: str) -> Any:
        """Read a typed value of one class; see `Form.read_as`."""
        name, data = self.read_one_of(wire, where)
        if name != type_path(cls):
            raise CodecError(f"{where}: expected {cls.__name__}")
        return data

    def write_one_of(self, cls: type, data: Any) -> Any:
        """Write a typed value."""
        return {TYPE_KEY: type_path(cls), DATA_KEY: data}

    def read_one_of(self, wire: Any, where: str) -> tuple[str, Any]:
        """Read a typed value; see `Form.read_one_of`."""
        if type(wire) is not dict or len(wire) != 2:
            raise CodecError(f"{where}: expected a typed value")
        name = wire.get(TYPE_KEY)
        if type(name) is not str or DATA_KEY not in wire:
            raise CodecError(f"{where}: expected a typed value")
        return name, wire[DATA_KEY]

    def name_of(self, cls: type) -> str:
        """Return the name of a class with its module."""
        return type_path(cls)

    def write_specific(self, llm: str, message: Any, *, in_context: bool) -> Any:
        """Write one of the two marks that the stock adapters use."""
        data = {"llm": llm, "message": message}
        if in_context:
            return {SPECIFIC_KEY: True, **data}
        return self.write_one_of(LLMSpecificMessage, data)

    def read_specific(self, wire: Any) -> tuple[Any, Any] | None:
        """Read either mark; see `Form.read_specific`."""
        if type(wire) is not dict:
            return None
        data = wire
        if TYPE_KEY in wire:
            data = self.read_as(wire, LLMSpecificMessage, "message")
        elif wire.get(SPECIFIC_KEY) is not True:
            return None
        if type(data) is not dict or "message" not in data:
            raise CodecError("a vendor's message without its content")
        return data.get("llm"), data["message"]

    def write_frame_id(self, frame_id: int) -> int:
        """Write an id as a stock peer counts its own: it knows no side."""
        return frame_id if frame_id >= 0 else foreign_id(frame_id)

    def read_frame_id(self, wire: int) -> int | None:
        """Read an id of the other side's; see `Form.read_frame_id`."""
        return foreign_id(wire) if wire >= 0 else None

    def write_record(self, record: Record, value: Any) -> Any:
        """Write the fields by name, leaving out those that are None."""
        data: dict[str, Any] = {}
        if record.identified:
            data["id"] = FRAME_ID.write(getattr(value, "id", None), record.name, self)
        for field in record.fields:
            item = getattr(value, field.name)
            if item is not None:
                written = field.kind.write(item, f"{record.name}.{field.name}", self)
                if written is not None:
                    data[field.name] = written
        return data

    def read_record(self, record: Record, data: Any) -> Any:
        """Build an instance from fields by name; see `Form.read_record`."""
        given: dict[str, Any] = dict.fromkeys(record.filled)
        later: dict[str, Any] = {}
        for field in record.fields:
            item = data.get(field.name)
            if item is not None:
                target = given if field.init else later
                target[field.name] = field.kind.read(item, f"{record.name}.{field.name}", self)
            elif field.required:
                given[field.name] = record.absent(field, self)
        return record.build(given, later, data.get("id"), self)


STOCK = StockForm()


class StockCodec:
    """Writes and reads bus messages in the stock dialect."""

    def __init__(self, catalog: Catalog | None = None) -> None:
        """Build a codec over a closed table.

        Args:
            catalog: The table; the process's own by default.
        """
        self._catalog = catalog or default_catalog()

    def encode(self, message: BusMessage) -> bytes:
        """Write one message.

        Args:
            message: Any bus message whose class may cross.

        Returns:
            JSON in UTF-8, as `JSONMessageSerializer.serialize` gives, without `id` and `name`.

        Raises:
            CodecError: If the class never crosses or a value does not fit its declared type.
        """
        record = self._catalog.message_record(type(message))
        if record is None:
            raise UnknownTypeError(f"{type(message).__name__} does not cross a line")
        wire = STOCK.write_one_of(record.cls, record.write_fields(message, record.name, STOCK))
        return json.dumps(wire, separators=(",", ":")).encode()

    def decode(self, data: bytes) -> BusMessage:
        """Read one message.

        Args:
            data: One WebSocket message.

        Returns:
            A new message, its frame (if any) with an id of this process.

        Raises:
            CodecError: If it is not JSON, names a type that is not in the table, or a field does
                not fit its declared type. The text never holds what was in the message.
        """
        try:
            wire = json.loads(data)
        except (ValueError, RecursionError):
            raise CodecError("the message is not JSON") from None
        name, fields = STOCK.read_one_of(wire, "message")
        record = self._catalog.messages.get(name)
        if record is None or record.never is not None:
            raise UnknownTypeError("the message names a type that does not cross a line")
        message: BusMessage = record.read_fields(fields, record.name, STOCK)
        return message

    def peek_frame(self, data: bytes) -> type | None:
        """Tell the class of the frame inside a message, without reading the message.

        Args:
            data: One WebSocket message.

        Returns:
            The frame's class, or None where the message holds no frame or is laid out otherwise;
            such a message has to be decoded to know.
        """
        head = _FRAME_HEAD.match(data)
        if head is None:
            return None
        record = self._catalog.frames.get(head.group(1).decode("ascii"))
        return None if record is None else record.cls
