"""uvicorn's WebSocket protocol, for peers that cannot be trusted.

They may read nothing, flood the connection with what costs them little, or leave without a word.
What they may do is bounded here, before a message reaches the application:

| bound | beyond it |
|---|---|
| `CONTROL_BURST` pings and pongs at once, `CONTROL_RATE_HZ` on average | close code 1008 |
| `MAX_FRAGMENTS` frames a message | close code 1008 |
| `HIGH_WATER_BYTES` unread by the peer | the application waits; after its deadline, an abort |
| `SLICE_BYTES` parsed before other connections get their turn | the peer waits |
| headers as `websockets` allows them (8 KiB a line, 128 lines) | HTTP 431 |
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import State

from app.server.batching import BatchingTransport
from app.server.framing import read_messages, whole_frames
from app.server.inbox import Inbox
from app.server.token_bucket import TokenBucket
from proxy.close_codes import CloseCode
from proxy.link import ABORT_EXTENSION, DIRECT_EXTENSION

# A peer answers a close frame in one round trip. Afterwards its socket is dropped with whatever it
# did not read; an orderly close would wait for it for as long as the kernel retries.
CLOSE_TIMEOUT_S = 3.0

# We ping every few seconds and so do clients; a hundred times that is no keepalive.
CONTROL_BURST = 64
CONTROL_RATE_HZ = 10.0

# Browsers and libraries cut large messages into pieces of kilobytes. Pieces of nothing cost a peer
# six bytes and us an object each.
MAX_FRAGMENTS = 4096

# Parsed in one go. The smallest frame is six bytes, so this is at most 5 ms, once.
SLICE_BYTES = 4096

# Parsed in one go from a peer whose frames are smaller than `SMALL_FRAME_BYTES` on average, before
# others get their turn: less than a millisecond.
BUSY_SLICE_BYTES = 512
SMALL_FRAME_BYTES = 64

# What a peer may leave unread before `send` waits: seconds of speech.
HIGH_WATER_BYTES = 64 * 1024

# Hands the connection on to another process, for an application that has not answered yet. It is
# called with what gives away a descriptor and the request, and tells whether that was done.
HAND_ON_EXTENSION = "trunkline.hand-on"

_HEADERS_TOO_LARGE = b"\r\n".join(
    (
        b"HTTP/1.1 431 Request Header Fields Too Large",
        b"Connection: close",
        b"Content-Length: 0",
        b"\r\n",
    )
)


# RFC 6455 section 5.2: a final binary frame without a mask, by the length of what it holds.
_SMALL_HEADS = tuple(bytes((0x82, size)) for size in range(126))


class LineProtocol(WebSocketsSansIOProtocol):
    """One connection; also a `proxy.link.DirectSocket`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Prepare; see uvicorn's class."""
        super().__init__(*args, **options)
        self._inbox = Inbox()
        self.queue = cast(Any, self._inbox)
        self.close_timeout = CLOSE_TIMEOUT_S
        self._abort_timer: asyncio.TimerHandle | None = None
        self._unparsed = bytearray()
        self._asked: bytes | None = None
        self._small_bytes = min(SLICE_BYTES, self.config.ws_max_size)
        self._owed = 0  # of a frame that the library has begun to parse
        self._next_slice: asyncio.Handle | None = None
        self._control = TokenBucket(CONTROL_BURST, CONTROL_RATE_HZ, self.loop.time)
        self._frames_seen = 0
        self._busy = False
        self._failed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection over.

        Args:
            transport: The connection.
        """
        batching = BatchingTransport(cast(asyncio.Transport, transport), self.loop)
        super().connection_made(batching)
        self.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection.

        Args:
            exc: Why it was lost, or None.
        """
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        if self._next_slice is not None:
            self._next_slice.cancel()
        self._unparsed.clear()
        if self.handshake_complete and self.conn.close_rcvd is None:
            # uvicorn says 1005, which is a close frame without a code; here came none at all.
            self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.ABNORMAL})
        super().connection_lost(exc)
        cast(BatchingTransport, self.transport).release()

    def data_received(self, data: bytes) -> None:
        """Take in what came.

        Args:
            data: Bytes of the request, or after it of frames.
        """
        if self._failed:
            return
        if self.handshake_initiated:
            self._asked = None
            self._unparsed += data
            if self._next_slice is None:
                self._parse()
            return
        self._asked = data
        super().data_received(data)
        if not self.handshake_initiated:
            # uvicorn hands over whole requests; `websockets` found this one's headers too large.
            self.transport.write(_HEADERS_TOO_LARGE)
            self.transport.close()

    def handle_ping(self) -> None:
        """Answer a ping, if there are not too many."""
        if self._allow_control():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Take note of a pong, if there are not too many.

        Args:
            event: The frame.
        """
        if self._allow_control():
            super().handle_pong(event)

    def keepalive_timeout(self) -> None:
        """Give up on a peer that answers no ping, and does not read that we do."""
        super().keepalive_timeout()
        if not self.disconnected and self._abort_timer is None:
            self._abort_timer = self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)

    def handle_cont(self, event: Frame) -> None:
        """Add a piece to a message, if it has not too many.

        Args:
            event: The frame.
        """
        self._frames_seen += 1
        if len(self.frames) >= MAX_FRAGMENTS:
            self._fail("a message in too many pieces")
        if not self._failed:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Pass a whole message on to the application."""
        self._frames_seen += 1
        if self._failed:
            return
        if not self.close_sent:
            # uvicorn would stop the transport now, and start it again when the message is taken.
            # Mostly that is before anything else comes.
            self.read_paused = True
        super().send_receive_event_to_app()

    def send_now(self, data: bytes) -> bool:
        """Write a binary message; see `DirectSocket.send_now`."""
        if (
            self.close_sent
            or self.disconnected
            or not self.writable.is_set()
            or self.conn.state is not State.OPEN
            or self.conn.extensions
        ):
            return False
        size = len(data)
        if size < len(_SMALL_HEADS):
            head = _SMALL_HEADS[size]
        elif size < 1 << 16:
            head = b"\x82\x7e" + size.to_bytes(2, "big")
        else:
            head = b"\x82\x7f" + size.to_bytes(8, "big")
        self.transport.write(head + data)
        return True

    def take_now(self) -> bytes | None:
        """Return a message that came; see `DirectSocket.take_now`."""
        data = self._inbox.take_binary()
        if data is not None and self._inbox.empty():
            self.read_paused = False
            if self._next_slice is None:
                self._parse()
        return data

    async def receive(self) -> Any:
        """Return the next event for the application; what waits behind it is parsed only then."""
        event = await super().receive()
        if self._next_slice is None:
            self._parse()
        return event

    async def run_asgi(self) -> None:
        """Run the application, which may drop the connection at once."""
        extensions = cast(dict[str, Any], self.scope["extensions"])
        extensions[ABORT_EXTENSION] = self.transport.abort
        extensions[DIRECT_EXTENSION] = self
        extensions[HAND_ON_EXTENSION] = self._hand_on
        try:
            await super().run_asgi()
        finally:
            extensions.clear()  # they lead back to here, and would wait for the garbage collector
            if not self.disconnected and self._abort_timer is None:
                self._abort_timer = self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)

    async def send(self, message: Any) -> None:
        """Pass a message of the application on to the peer.

        Args:
            message: An ASGI message.
        """
        await super().send(message)
        if message["type"] == "websocket.accept":
            # Nobody looks at the handshake again, and its headers take 4 kB.
            self._asked = None
            vars(self).pop("request", None)
            vars(self).pop("response", None)
        if message["type"] == "websocket.close" and self._next_slice is None:
            # The answer to it may be in what was not parsed yet.
            self._parse()
        refused = message["type"] == "websocket.http.response.body"
        if refused and not message.get("more_body", False):
            # The handshake is over; uvicorn would log an error for every refusal otherwise.
            self.handshake_complete = True

    def _hand_on(self, give: Callable[[int, bytes], bool]) -> bool:
        """Give the connection away; see `HAND_ON_EXTENSION`."""
        asked, transport = self._asked, self.transport
        # What was said before must have gone out, and what comes next must not be here already.
        if asked is None or transport.is_closing() or transport.get_write_buffer_size():
            return False
        if not give(transport.get_extra_info("socket").fileno(), asked):
            return False
        self.handshake_complete = True  # not here, but nobody here answers
        transport.abort()  # our hold on it alone
        return True

    def _parse(self) -> None:
        """Parse until the application has a message to take, or others should get their turn."""
        self._next_slice = None
        while not self.read_paused and not self.transport.is_closing() and self._parse_slice():
            if self._failed:
                return
            if self._unparsed and self._busy:
                self._pause_reading()
                self._next_slice = self.loop.call_soon(self._parse)
                return
        if not self.read_paused:
            self._resume_reading()
        elif self._unparsed:
            # The end of the connection is not to be noticed before what came ahead of it.
            self._pause_reading()

    def _parse_slice(self) -> bool:
        """Parse a few messages; tells whether there was anything to parse."""
        most = BUSY_SLICE_BYTES if self._busy else SLICE_BYTES
        self._frames_seen = end = 0
        if self._owed == 0 and self._plain():
            end = read_messages(self._unparsed, most, self._small_bytes, self._take_message)
        if end < min(most, len(self._unparsed)):
            end = self._parse_others(end, most)
        else:
            del self._unparsed[:end]
        self._busy = self._frames_seen * SMALL_FRAME_BYTES > most
        if self._busy and self.close_sent:
            # It was told to go, and floods instead of answering. The close timer runs.
            self._failed = True
            self._unparsed.clear()
        return end > 0

    def _parse_others(self, start: int, most: int) -> int:
        """Let `websockets` parse what is not a small message; gives where it ends."""
        first = min(self._owed, most - start, len(self._unparsed) - start)
        self._owed -= first
        end = start + first
        if self._owed == 0:
            end, self._owed = whole_frames(self._unparsed, end, min(most, len(self._unparsed)))
        piece = bytes(self._unparsed[start:end])
        del self._unparsed[:end]
        if piece:
            super().data_received(piece)
        return end

    def _plain(self) -> bool:
        """Tell whether a small message may be read without the library."""
        open_ = self.conn.state is State.OPEN and not self.close_sent
        return open_ and not self.frames and not self.conn.extensions

    def _take_message(self, data: bytes) -> None:
        self._frames_seen += 1
        self.read_paused = True
        self.queue.put_nowait({"type": "websocket.receive", "bytes": data})

    def _allow_control(self) -> bool:
        self._frames_seen += 1
        if not self._failed and not self._control.take():
            self._fail("too many pings")
        return not self._failed

    def _fail(self, reason: str) -> None:
        """Close because of what came, and read the rest of it for a while without looking."""
        self._failed = True
        self._unparsed.clear()
        self.stop_keepalive()
        code = CloseCode.POLICY_VIOLATION
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.fail(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.close_timer is None:
            # Closed now, the kernel would answer unread bytes with a reset, and the peer would
            # never see the close frame.
            self.close_timer = self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _pause_reading(self) -> None:
        if self.transport.is_reading():
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self.transport.is_closing() and not self.transport.is_reading():
            self.transport.resume_reading()
