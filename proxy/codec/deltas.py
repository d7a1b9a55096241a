"""A conversation as the difference to the one sent before, so that a turn costs what it adds.

Both ends keep the messages of the last conversation as msgpack. A difference says how many of them
still hold, and what follows; the length and the CRC-32 of all of them show whether both ends have
the same. Comparing bytes also finds a message that was changed in place.

Source: ours. Writing 200 messages to msgpack takes 8 us, so that comparing them all costs less
than remembering which might have changed. They are written to a buffer that all lines share: one
of a line's own is no longer in the processor's cache when its next turn comes. SHA-256 in place of
the CRC would add a sixth to a whole conversation, for a fault that TCP and the sequence numbers
leave to bugs alone.
"""

import threading
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
# Messages without anything nested, which are read in half the time.
_FLAT_DECODER = msgspec.msgpack.Decoder(list[dict[str, str | int | float | bool | None]])
_RAW_DECODER = msgspec.msgpack.Decoder(list[msgspec.Raw])
# A date with a zone is written as an extension of this type, a byte that text never holds.
_MAYBE_TIMESTAMP = b"\xff"

_CONTEXT = Context()
_MESSAGE = Message()


class ContextMismatchError(CodecError):
    """A difference does not fit what this end has; the whole conversation is needed."""


class _Desk(threading.local):
    """Where conversations are written, to be looked at; one for each thread."""

    def __init__(self) -> None:
        self.paper = bytearray()


_DESK = _Desk()


class ContextWriter:
    """One direction of a line, at the end that sends."""

    def __init__(self) -> None:
        """Start with nothing sent."""
        self._body = bytearray()  # the messages, one after the other
        self._count = 0
        self._plain = 0  # how many of them are known to be objects
        self._offer = b""
        self._crc = 0

    def forget(self) -> None:
        """Send the next conversation as a whole."""
        self._body.clear()
        self._count = self._plain = self._crc = 0

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
        packed, plain = self._packed(messages)
        offer = _CONTEXT.write_offer(context, _WHERE, BINARY)
        packed_offer = _ENCODER.encode(offer)
        head = _head_length(packed)
        keep, end = self._common(messages, packed, head)
        tail = bytes(packed[head + end :])
        if _MAYBE_TIMESTAMP in tail:
            for message in messages[keep:]:
                _MESSAGE.write(message, _WHERE, BINARY)  # refuses what the other end would refuse
        if end < len(self._body):
            del self._body[end:]
            self._crc = zlib.crc32(self._body)
        self._body += tail
        self._crc = zlib.crc32(tail, self._crc)
        same_offer = keep > 0 and packed_offer == self._offer
        self._count, self._plain, self._offer = len(messages), plain, packed_offer
        added = _array_head(len(messages) - keep) + tail
        return [keep, added, len(self._body), self._crc, None if same_offer else offer]

    def _packed(self, messages: list[Any]) -> tuple[bytearray, int]:
        """Write messages as an array, and count those that are known to be objects.

        As long as the bytes of the last one still hold, only those behind it are looked at.
        """
        if self._plain and _are_plain(messages[self._plain :]):
            packed = _pack(messages)
            if packed.startswith(self._body, _head_length(packed)):
                return packed, len(messages)
        if _are_plain(messages):
            return _pack(messages), len(messages)
        return _pack([_specific(message) for message in messages]), 0

    def _common(self, messages: list[Any], packed: bytearray, head: int) -> tuple[int, int]:
        """Count the messages, and their bytes, that still hold."""
        if packed.startswith(self._body, head):
            return self._count, len(self._body)
        end = 0
        for index, message in enumerate(messages):
            next_end = end + len(_ENCODER.encode(_specific(message)))
            if self._body[end:next_end] != packed[head + end : head + next_end]:
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
        self._messages: list[Any] = []
        self._offer: dict[str, Any] = {}
        self.length = 0
        self._crc = 0

    def read(self, wire: Any) -> LLMContext:
        """Read a conversation from the difference to the last one.

        Args:
            wire: What `ContextWriter.write` gave.

        Returns:
            A context with a list of its own. A message that still holds is the one that the last
            context had, as in one process: copying them all would cost more than everything else
            here, and Pipecat's services copy what they change.

        Raises:
            ContextMismatchError: If it does not fit what came before; what came before is
                forgotten, and nothing fits until a whole conversation comes.
            CodecError: If it is no such difference.
        """
        keep, added, length, crc, offer = _parts(wire)
        if keep > len(self._messages):
            raise self._mismatch()
        if keep < len(self._messages):
            self._cut(keep)
        self._append(added, _read_array(added))
        if (self.length, self._crc) != (length, crc):
            raise self._mismatch()
        if offer is not None:
            self._offer = offer
        return _CONTEXT.build(self._messages.copy(), self._offer, _WHERE, BINARY)

    def _append(self, array: bytes, messages: list[Any]) -> None:
        body = array[_head_length(array) :]
        self._arrays.append(array)
        self._messages += messages
        self.length += len(body)
        self._crc = zlib.crc32(body, self._crc)

    def _cut(self, keep: int) -> None:
        arrays, messages = self._arrays.copy(), self._messages[:keep]
        self._forget()
        if keep:
            raw = [bytes(item) for array in arrays for item in _RAW_DECODER.decode(array)]
            self._append(_array_head(keep) + b"".join(raw[:keep]), messages)

    def _mismatch(self) -> ContextMismatchError:
        self._forget()
        return ContextMismatchError(f"{_WHERE}: it does not extend the one that is here")

    def _forget(self) -> None:
        self._arrays.clear()
        self._messages.clear()
        self.length = self._crc = 0


def _are_plain(messages: list[Any]) -> bool:
    return list(map(type, messages)).count(dict) == len(messages)


def _pack(messages: list[Any]) -> bytearray:
    """Write messages as an array; what it gives is overwritten by the next call in this thread."""
    packed = _DESK.paper
    try:
        _ENCODER.encode_into(messages, packed)
    except (NotImplementedError, TypeError, ValueError, OverflowError, RecursionError):
        raise CodecError(f"{_WHERE}: a message holds what is not JSON") from None
    return packed


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


def _head_length(array: bytes | bytearray) -> int:
    """Tell how long the head of a msgpack array is."""
    return {0xDC: 3, 0xDD: 5}.get(array[0], 1)
