"""uvicorn's WebSocket protocol, for peers that cannot be trusted to read or to say goodbye."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from proxy.link import ABORT_EXTENSION

# A peer answers a close frame in one round trip. Afterwards its socket is dropped with whatever it
# did not read; an orderly close would wait for it for as long as the kernel retries.
CLOSE_TIMEOUT_S = 3.0


class LineProtocol(WebSocketsSansIOProtocol):
    """One connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Prepare; see uvicorn's class."""
        super().__init__(*args, **options)
        self.close_timeout = CLOSE_TIMEOUT_S
        self._abort_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection.

        Args:
            exc: Why it was lost, or None.
        """
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    async def run_asgi(self) -> None:
        """Run the application, which may drop the connection at once."""
        extensions = cast(dict[str, Any], self.scope["extensions"])
        extensions[ABORT_EXTENSION] = self.transport.abort
        try:
            await super().run_asgi()
        finally:
            if not self.disconnected:
                self._abort_timer = self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)

    async def send(self, message: Any) -> None:
        """Pass a message of the application on to the peer.

        Args:
            message: An ASGI message.
        """
        await super().send(message)
        refused = message["type"] == "websocket.http.response.body"
        if refused and not message.get("more_body", False):
            # The handshake is over; uvicorn would log an error for every refusal otherwise.
            self.handshake_complete = True
