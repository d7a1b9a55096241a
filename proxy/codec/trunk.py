"""Frames and bus messages as the fields of an envelope of `trunkline.v1`, for one line.

Stateless but for conversations, which cross as differences in each direction.
"""

from collections.abc import Set
from dataclasses import replace
from functools import cache

import msgspec
from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import Frame, LLMContextFrame

from proxy.codec.binary import BINARY, from_ext, name_of, to_msgpack
from proxy.codec.catalog import Catalog, default_catalog
from proxy.codec.deltas import ContextReader, ContextWriter
from proxy.codec.numbers import FIELD_NUMBERS, FRAME_NUMBERS, FRAMES, MESSAGE_NUMBERS, MESSAGES
from proxy.codec.plan import Plan
from proxy.codec.records import Record
from proxy.errors import CodecError, UnknownTypeError
from proxy.wire import Envelope, Fields, Key, encode, make_decoder

_CONTEXT = FIELD_NUMBERS["context"]
_ADDRESS = frozenset({"source", "target"})

_Prepared = tuple[Key, type[Frame], Plan]


class TrunkCodec:
    """Writes and reads what crosses one line."""

    def __init__(self, catalog: Catalog | None = None) -> None:
        """Build a codec over a closed table.

        Args:
            catalog: The table; the process's own by default.
        """
        self._catalog = catalog or default_catalog()
        self._table = _frame_table(self._catalog)
        self._writer = ContextWriter()
        self._reader = ContextReader()

    def pack_frame(self, frame: Frame) -> tuple[Key, Fields]:
        """Write a frame.

        Returns:
            The class's number or name, and the fields.

        Raises:
            CodecError: If the class never crosses or a value does not fit its declared type.
        """
        key, cls, plan = self._table.of_class(type(frame))
        fields: Fields = plan.write(frame)
        if cls is LLMContextFrame:
            fields[_CONTEXT] = self._writer.write(frame.context)  # type: ignore[attr-defined]
        return key, fields

    def unpack_frame(self, key: Key, fields: Fields) -> Frame:
        """Read a frame.

        Returns:
            A new frame with an id of this process.

        Raises:
            UnknownTypeError: If the table has no such frame.
            ContextMismatchError: If a conversation does not extend the last one.
            CodecError: If a field does not fit its declared type.
        """
        _, cls, plan = self._table.of_key(key)
        frame: Frame = plan.read(fields)
        if cls is LLMContextFrame:
            context = self._reader.read(fields.get(_CONTEXT))
            frame.context = context  # type: ignore[attr-defined]
        return frame

    def pack_message(self, message: BusMessage) -> tuple[Key, Fields]:
        """Write a bus message that is not a frame, without its addresses.

        Raises:
            CodecError: If the class never crosses or a value does not fit its declared type.
        """
        record = self._catalog.message_record(type(message))
        if record is None or record.cls is BusFrameMessage:
            raise UnknownTypeError(f"{type(message).__name__} does not cross a line")
        fields: Fields = BINARY.write_record(_without_address(record), message)
        return MESSAGE_NUMBERS.get(record.name, record.name), fields

    def unpack_message(self, key: Key, fields: Fields, source: str, target: str) -> BusMessage:
        """Read a bus message that is not a frame.

        Args:
            key: The class's number or name.
            fields: The fields.
            source: The task that it is from.
            target: The task that it is for.

        Raises:
            UnknownTypeError: If the table has no such message.
            CodecError: If a field does not fit its declared type.
        """
        record = self._catalog.message_named(name_of(key, MESSAGES, "message"))
        if record is None or record.cls is BusFrameMessage:
            raise UnknownTypeError("an envelope names a message that does not cross a line")
        addressed = {**fields, "source": source, "target": target}
        message: BusMessage = record.read_fields(addressed, record.name, BINARY)
        return message

    def forget_context(self) -> None:
        """Send the next conversation as a whole."""
        self._writer.forget()

    @property
    def conversation_bytes(self) -> int:
        """How long the conversation is that was read last."""
        return self._reader.length

    def frame_key(self, cls: type[Frame]) -> Key:
        """Return the number or name of a frame's class.

        Raises:
            UnknownTypeError: If it never crosses.
        """
        return self._table.of_class(cls)[0]

    def frame_class(self, key: Key) -> type[Frame] | None:
        """Return the class that a number or name stands for, or None if it is not in the table."""
        try:
            return self._table.of_key(key)[1]
        except CodecError:
            return None

    def crossing_frames(self) -> list[type[Frame]]:
        """List every frame class in the table that may cross."""
        return [record.cls for record in self._catalog.frames.values() if record.never is None]


class _FrameTable:
    """The frames of a catalog, prepared as they are met; shared by all lines of a process."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._by_class: dict[type, _Prepared] = {}
        self._by_key: dict[Key, _Prepared] = {}

    def of_class(self, cls: type[Frame]) -> _Prepared:
        found = self._by_class.get(cls)
        return found or self._prepare(self._catalog.frame_record(cls), cls.__name__)

    def of_key(self, key: Key) -> _Prepared:
        found = self._by_key.get(key)
        if found is not None:
            return found
        return self._prepare(self._catalog.frame_named(name_of(key, FRAMES, "frame")), "that frame")

    def _prepare(self, record: Record | None, label: str) -> _Prepared:
        if record is None:
            raise UnknownTypeError(f"{label} does not cross a line")
        key: Key = FRAME_NUMBERS.get(record.name, record.name)
        plan = BINARY.plan(record)
        if record.cls is LLMContextFrame:
            plan = BINARY.plan(_without(record, {"context"}))
        prepared = key, record.cls, plan
        self._by_class[record.cls] = self._by_key[key] = self._by_key[record.name] = prepared
        return prepared


@cache
def _frame_table(catalog: Catalog) -> _FrameTable:
    return _FrameTable(catalog)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=to_msgpack)
_DECODER = make_decoder(ext_hook=from_ext)


def write_envelope(envelope: Envelope) -> bytes:
    """Write an envelope with whatever its fields hold."""
    return encode(envelope, _ENCODER)


def read_envelope(data: bytes) -> Envelope:
    """Read an envelope.

    Raises:
        CodecError: If it is not msgpack, not an envelope, or has a field of the wrong type.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError, TypeError, ValueError):
        raise CodecError("the envelope could not be read") from None


@cache
def _without_address(record: Record) -> Record:
    return _without(record, _ADDRESS)


def _without(record: Record, names: Set[str]) -> Record:
    fields = tuple(field for field in record.fields if field.name not in names)
    return replace(record, fields=fields, filled=record.filled + tuple(names))
