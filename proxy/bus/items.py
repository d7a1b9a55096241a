"""What one item of a channel's stream holds: which connection it belongs to, and a message.

Ours: four bytes with the connection's number, one with the kind, and the body. A session's
connections follow each other on the same two streams; the caller counts them.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from proxy.close_codes import CloseCode

_HEAD = struct.Struct(">IB")
_CODE = struct.Struct(">H")


class ItemKind(IntEnum):
    """What an item is."""

    DATA = 0  # a message of the line
    CLOSE = 1  # a close code, and a reason
    TAKEN = 2  # who serves the session; the first item that it writes


@dataclass(frozen=True, slots=True)
class Item:
    """One item.

    Attributes:
        connection: The number of its connection; 0 for none.
        kind: What it is.
        body: The rest.
    """

    connection: int
    kind: ItemKind
    body: bytes

    @property
    def code(self) -> int:
        """The close code of a CLOSE."""
        if len(self.body) < _CODE.size:
            return CloseCode.ABNORMAL
        (code,) = _CODE.unpack_from(self.body)
        return int(code)

    @property
    def reason(self) -> str:
        """The reason of a CLOSE."""
        return self.body[_CODE.size :].decode(errors="replace")


def pack(connection: int, kind: ItemKind, body: bytes) -> bytes:
    """Write an item."""
    return _HEAD.pack(connection, kind) + body


def pack_close(connection: int, code: int, reason: str) -> bytes:
    """Write a CLOSE."""
    return pack(connection, ItemKind.CLOSE, _CODE.pack(code) + reason.encode())


def unpack(data: bytes) -> Item | None:
    """Read an item.

    Returns:
        None if it is none.
    """
    if len(data) < _HEAD.size:
        return None
    connection, kind = _HEAD.unpack_from(data)
    try:
        return Item(connection, ItemKind(kind), data[_HEAD.size :])
    except ValueError:
        return None
