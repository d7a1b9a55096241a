"""uvicorn's HTTP protocol, for peers that connect and never come to the point."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# A request arrives in one or two round trips. One that does not within this is a broken client, or
# one that wants to hold our sockets. An answer that is not read within as long likewise.
REQUEST_TIMEOUT_S = 10.0

# The request line and all headers. A token, a cookie and a long query fit several times.
MAX_HEADER_BYTES = 16 * 1024


class DoorProtocol(H11Protocol):
    """One connection, until it is a WebSocket.

    The connection is dropped if a request is not there in time: the first one after the connection
    was made, every further one after the answer to the one before it. So it is if the peer leaves
    unread what was answered, which stops the answer that is under way.
    """

    def __init__(
        self,
        *args: Any,
        request: bytes = b"",
        on_made: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> None:
        """Prepare; see uvicorn's class.

        Args:
            *args: As uvicorn has them.
            request: What came over the connection before it was ours.
            on_made: Called once uvicorn counts the connection.
            **options: As uvicorn has them.
        """
        super().__init__(*args, **options)
        self._request = request
        self._on_made = on_made
        self._request_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._retired = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for a request.

        Args:
            transport: The connection.
        """
        super().connection_made(transport)
        self._on_made()
        self._expect_request()
        if self._request:
            self.data_received(self._request)
            self._request = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection.

        Args:
            exc: Why it was lost, or None.
        """
        self._stop_waiting()
        self._stop_waiting_for_reader()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start waiting for the peer to read."""
        super().pause_writing()
        self._stop_waiting_for_reader()
        self._unread_timer = self.loop.call_later(REQUEST_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on, as the peer has read."""
        self._stop_waiting_for_reader()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request.

        Args:
            data: What came.
        """
        super().data_received(data)
        self._stop_waiting_if_there()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand the connection over.

        Args:
            event: The request.
        """
        self._stop_waiting()
        self._stop_waiting_for_reader()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Start waiting for the next request, if there is to be one."""
        self._stop_waiting()
        self._expect_request()
        super().on_response_complete()
        self._stop_waiting_if_there()  # it may have come together with the one before
        if self._retired:
            self.transport.close()

    def retire(self) -> None:
        """Answer the request that is under way, or the first one, and none after it."""
        self._retired = True
        cycle: Any = self.cycle
        if cycle is not None and cycle.response_complete:
            self.transport.close()

    def _expect_request(self) -> None:
        self._request_timer = self.loop.call_later(REQUEST_TIMEOUT_S, self.transport.abort)

    def _stop_waiting_if_there(self) -> None:
        cycle: Any = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_complete:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _stop_waiting_for_reader(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
