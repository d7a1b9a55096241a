"""A conversation as the difference to the one sent before, so that a turn costs what it adds.

Both ends keep the messages of the last conversation as msgpack. A difference says how many of them
still hold, and what follows; the length and the CRC-32 of all of them show whether both ends have
the same. Comparing bytes also finds a message that was changed in place.

Source: ours. Writing 200 messages to msgpack takes 8 us, so that comparing them all costs less
than remembering which might have changed. SHA-256 in place of the CRC would add a sixth to a whole
conversation, for a fault that TCP and the sequence numbers leave to bugs alone.
"""

import zlib
from typing import Any

import msgspec
from pipecat.processors.aggregators.llm_context import LLMContext, LLMSpecificMessage

from proxy.codec.binary import BINARY, from_ext, specific_ext, to_msgpack
from proxy.codec.context import Context, Message
from proxy.errors import CodecError

_WHERE = "LLMContextFrame.context"
_FIXARRAY_MAX, _ARRAY16_MAX = 15, 0xFFFF

_ENCODER = msgspec.msgpack.Encoder(enc_hook=to_msgpack)
_DECODER = msgspec.msgpack.Decoder(list[Any], ext_hook=from_ext)
_FLAT_DECODER = msgspec.msgpack.Decoder(list[dict[str, str | int | float | bool | None]])
_RAW_DECODER = msgspec.msgpack.Decoder(list[msgspec.Raw])
_FLAT = frozenset({str, int, float, bool, type(None)})
# A date with a zone is written as an extension of this type, a byte that text never holds.
_MAYBE_TIMESTAMP = b"\xff"

_CONTEXT = Context()
_MESSAGE = Message()


class ContextMismatchError(CodecError):
    """A difference does not fit what this end has; the whole conversation is needed."""


class ContextWriter:
    """One direction of a line, at the end that sends."""

    def __init__(self) -> None:
        """Start with nothing sent."""
        self._body = b""
        self._count = 0
        self._plain = 0  # how many of them are known to be objects
        self._offer = b""
        self._crc = 0

    def forget(self) -> None:
        """Send the next conversation as a whole."""
        self._body, self._count, self._plain, self._crc = b"", 0, 0, 0

    def write(self, context: Any) -> list[Any]:
        """Write a conversation as the difference to the last one.

        What JSON lacks is written as msgspec writes it: a set as an array, a UUID as text.

        Args:
            context: The `LLMContext`.

        Returns:
            How many messages of the last one still hold; the messages that follow, as a msgpack
            array; the length and the CRC-32 of all messages; and tools and tool choice, or None
            if they are as before.

        Raises:
            CodecError: If it is no conversation, or a message holds what has no such form.
        """
        if not isinstance(context, LLMContext):
            raise CodecError(f"{_WHERE}: expected a conversation")
        messages = context.messages
        body, plain = self._packed(messages)
        offer = _CONTEXT.write_offer(context, _WHERE, BINARY)
        packed_offer = _ENCODER.encode(offer)
        keep, end = self._common(messages, body)
        tail = body[end:]
        if _MAYBE_TIMESTAMP in tail:
            for message in messages[keep:]:
                _MESSAGE.write(message, _WHERE, BINARY)  # refuses what the other end would refuse
        added = _array_head(len(messages) - keep) + tail
        known = self._crc if end == len(self._body) else zlib.crc32(body[:end])
        same_offer = keep > 0 and packed_offer == self._offer
        self._body, self._count, self._offer = body, len(messages), packed_offer
        self._plain, self._crc = plain, zlib.crc32(tail, known)
        return [keep, added, len(body), self._crc, None if same_offer else offer]

    def _packed(self, messages: list[Any]) -> tuple[bytes, int]:
        """Write messages one after the other, and count those that are known to be objects.

        As long as the bytes of the last one still hold, only those behind it are looked at.
        """
        if self._plain and _are_plain(messages[self._plain :]):
            body = _pack(messages)
            if body.startswith(self._body):
                return body, len(messages)
        if _are_plain(messages):
            return _pack(messages), len(messages)
        return _pack([_specific(message) for message in messages]), 0

    def _common(self, messages: list[Any], body: bytes) -> tuple[int, int]:
        """Count the messages, and their bytes, that still hold."""
        if body.startswith(self._body):
            return self._count, len(self._body)
        end = 0
        for index, message in enumerate(messages):
            next_end = end + len(_ENCODER.encode(_specific(message)))
            if self._body[end:next_end] != body[end:next_end]:
                return index, end
            end = next_end
        return len(messages), end


class ContextReader:
    """One direction of a line, at the end that receives.

    Attributes:
        length: How many bytes the messages of the last conversation take.
    """

    def __init__(self) -> None:
        """Start with nothing received."""
        self._arrays: list[bytes] = []  # what came, as it came
        self._new: list[bytes] = []  # of those, the ones without a model yet
        self._models: list[dict[str, Any]] = []
        self._nested: dict[int, bytes] = {}
        self._count = 0
        self._offer: dict[str, Any] = {}
        self.length = 0
        self._crc = 0

    def read(self, wire: Any) -> LLMContext:
        """Read a conversation from the difference to the last one.

        Args:
            wire: What `ContextWriter.write` gave.

        Returns:
            A context that shares nothing with those read before.

        Raises:
            ContextMismatchError: If it does not fit what came before; what came before is
                forgotten, and nothing fits until a whole conversation comes.
            CodecError: If it is no such difference.
        """
        keep, added, length, crc, offer = _parts(wire)
        if keep > self._count:
            raise self._mismatch()
        if keep < self._count:
            self._cut(keep)
        copies = self._copies()
        messages = _read_array(added)
        self._append(added, len(messages))
        if (self.length, self._crc) != (length, crc):
            raise self._mismatch()
        if offer is not None:
            self._offer = offer
        copies += messages
        return _CONTEXT.build(copies, self._offer, _WHERE, BINARY)

    def _append(self, array: bytes, count: int) -> None:
        body = array[_head_length(array) :]
        self._arrays.append(array)
        self._new.append(array)
        self._count += count
        self.length += len(body)
        self._crc = zlib.crc32(body, self._crc)

    def _cut(self, keep: int) -> None:
        arrays = list(self._arrays) if keep else []
        self._forget()
        raw = [bytes(item) for array in arrays for item in _RAW_DECODER.decode(array)]
        if keep:
            self._append(_array_head(keep) + b"".join(raw[:keep]), keep)

    def _copies(self) -> list[Any]:
        """Copy every message so far; whoever changes one does not change the next context.

        Copying a flat message from a model is three times as fast as reading it again.
        """
        for array in self._new:
            for message, raw in zip(_read_array(array), _RAW_DECODER.decode(array), strict=True):
                flat = type(message) is dict and _FLAT.issuperset(map(type, message.values()))
                if not flat:
                    self._nested[len(self._models)] = _array_head(1) + bytes(raw)
                self._models.append(message if flat else {})
        self._new.clear()
        copies: list[Any] = list(map(dict.copy, self._models))
        for index, array in self._nested.items():
            copies[index] = _read_array(array)[0]
        return copies

    def _mismatch(self) -> ContextMismatchError:
        self._forget()
        return ContextMismatchError(f"{_WHERE}: it does not extend the one that is here")

    def _forget(self) -> None:
        for held in (self._arrays, self._new, self._models, self._nested):
            held.clear()
        self._count = self.length = self._crc = 0


def _are_plain(messages: list[Any]) -> bool:
    return list(map(type, messages)).count(dict) == len(messages)


def _pack(messages: list[Any]) -> bytes:
    """Write messages one after the other."""
    try:
        packed = _ENCODER.encode(messages)
    except (NotImplementedError, TypeError, ValueError, OverflowError, RecursionError):
        raise CodecError(f"{_WHERE}: a message holds what is not JSON") from None
    return packed[len(_array_head(len(messages))) :]


def _specific(message: Any) -> Any:
    if type(message) is LLMSpecificMessage:
        return specific_ext(message.llm, message.message)
    return message


def _read_array(array: bytes) -> list[Any]:
    try:
        return _FLAT_DECODER.decode(array)
    except msgspec.ValidationError:
        pass
    except msgspec.DecodeError:
        raise CodecError(f"{_WHERE}: the messages could not be read") from None
    try:
        messages = _DECODER.decode(array)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        raise CodecError(f"{_WHERE}: the messages could not be read") from None
    return [_MESSAGE.read(message, _WHERE, BINARY) for message in messages]


def _parts(wire: Any) -> tuple[int, bytes, int, int, dict[str, Any] | None]:
    refusal = CodecError(f"{_WHERE}: expected the difference to a conversation")
    if type(wire) is not list or len(wire) != 5:
        raise refusal
    keep, added, length, crc, offer = wire
    if not type(keep) is type(length) is type(crc) is int or type(added) is not bytes:
        raise refusal
    if keep < 0 or type(offer) not in (dict, type(None)) or (keep == 0 and offer is None):
        raise refusal
    return keep, added, length, crc, offer


def _array_head(count: int) -> bytes:
    """Write the head of a msgpack array."""
    if count <= _FIXARRAY_MAX:
        return bytes([0x90 | count])
    if count <= _ARRAY16_MAX:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")


def _head_length(array: bytes) -> int:
    """Tell how long the head of a msgpack array is."""
    return {0xDC: 3, 0xDD: 5}.get(array[0], 1)
