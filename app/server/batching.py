"""Writing to a socket once for everything that one turn of the event loop has to say.

An assistant speaks in bursts of small messages. Each write is a system call and, on a socket that
does not wait for acknowledgements, a packet; together they cost more than all the rest of a
message's way. What is written in one turn of the loop goes out at its end in one piece.

Source: measured with `trunkline bench line`; 1,000 texts echoed cost 3 ms less so, of 36.
"""

import asyncio
from typing import Any

# More than this is not worth holding back: it fills packets by itself.
BATCH_BYTES = 16 * 1024


class BatchingTransport(asyncio.Transport):
    """A transport that gathers small writes."""

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Wrap a transport.

        Args:
            inner: The connection.
            loop: The loop that it belongs to.
        """
        super().__init__()
        self._inner = inner
        self._loop = loop
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._flushing: asyncio.Handle | None = None

    def write(self, data: Any) -> None:
        """Write, at the latest when the loop has done what it has to do now.

        Args:
            data: Bytes.
        """
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= BATCH_BYTES:
            self.flush()
        elif self._flushing is None:
            self._flushing = self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is held back."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        held, self._held, self._held_bytes = self._held, [], 0
        if held and not self._inner.is_closing():
            self._inner.write(held[0] if len(held) == 1 else b"".join(held))

    def close(self) -> None:
        """Close when everything is written."""
        self.flush()
        self._inner.close()

    def abort(self) -> None:
        """Close at once; what was not written is lost."""
        self._held.clear()
        self._inner.abort()

    def release(self) -> None:
        """Let go of what nobody needs once the connection is lost."""
        self._held.clear()
        # asyncio's transport holds a method of itself, and so would wait for the garbage collector.
        getattr(self._inner, "__dict__", {}).pop("_read_ready_cb", None)

    def is_closing(self) -> bool:
        """Tell whether it is closed or about to be."""
        return self._inner.is_closing()

    def is_reading(self) -> bool:
        """Tell whether it takes things in."""
        return self._inner.is_reading()

    def can_write_eof(self) -> bool:
        """Tell whether it can say that nothing more will be written."""
        return self._inner.can_write_eof()

    def write_eof(self) -> None:
        """Say that nothing more will be written."""
        self.flush()
        self._inner.write_eof()

    def pause_reading(self) -> None:
        """Take nothing in for now."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Take things in again."""
        if not self._inner.is_reading() and not self._inner.is_closing():
            self._inner.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known about the connection; see `asyncio.BaseTransport`."""
        return self._inner.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say how much may be unwritten; see `asyncio.WriteTransport`."""
        self._inner.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Tell how much is unwritten, in bytes."""
        return self._inner.get_write_buffer_size() + self._held_bytes

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection over; see `asyncio.BaseTransport`."""
        self._inner.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who has the connection."""
        return self._inner.get_protocol()
