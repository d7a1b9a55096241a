"""The stock dialect: the JSON that Pipecat's own WebSocket proxies speak.

What we write, an unmodified `JSONMessageSerializer` reads; what it writes, we read, but through the
closed table and with every field checked. Two things differ on purpose. We leave out `id` and
`name`, which count objects of one process (a stock reader then gives the frame its own, instead of
one that meets another frame's in its observers). And a value that cannot be written is an error
here, where the stock serialiser drops the field with a warning.

Source: `pipecat.bus.serializers.json`, Pipecat 1.14.
"""

import json
import re

from pipecat.bus.messages import BusMessage

from proxy.codec.catalog import Catalog, default_catalog
from proxy.codec.kinds import untag
from proxy.errors import CodecError, UnknownTypeError

# The start of a frame message as the stock serialiser writes it: type first, then the flat fields,
# then the frame with its type first. Enough to know the frame's type without reading the rest.
_FRAME_HEAD = re.compile(
    rb'\{"__type__":"pipecat\.bus\.messages\.BusFrameMessage","__data__":\{[^{}]{0,512}?'
    rb'"frame":\{"__type__":"([\w.]{1,128})"'
)


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
        wire = record.to_json(message, record.name)
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
        name, _ = untag(wire, "message")
        record = self._catalog.messages.get(name)
        if record is None or record.never is not None:
            raise UnknownTypeError("the message names a type that does not cross a line")
        message: BusMessage = record.from_json(wire, record.name)
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
