"""Being told at once: one connection of a process that listens for what comes into a Postgres."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from proxy.bus.pgmq_pool import ANSWER_TIMEOUT_S, CLOSE_TIMEOUT_S, FAILURES, Database
from proxy.bus.streams import BrokerDownError

if TYPE_CHECKING:
    from proxy.bus.pgmq_pool import Connection

# A connection that only listens does not notice a network that swallows everything; it is asked
# when it was silent for so long.
CHECK_S = 5.0


class Bells:
    """Hears what is told on channels.

    Attributes:
        losses: How often the connection was lost; what was told at such a time was not heard.
    """

    def __init__(self, database: Database) -> None:
        """Prepare.

        Args:
            database: Where to listen.
        """
        self.losses = 0
        self._database = database
        self._connection: Connection | None = None
        self._using = asyncio.Lock()
        # Channels on which we listen, and what is set when the next word comes.
        self._next: dict[str, asyncio.Event] = {}
        self._heard_at = 0.0
        self._open = False

    def open(self) -> None:
        """Allow to listen; connects when the first bell is hung."""
        self._open = True

    async def hang(self, channel: str) -> asyncio.Event:
        """Listen on a channel; what is told from now on is heard.

        Args:
            channel: Its name.

        Returns:
            What is set once: with the next word on the channel, or when the connection is lost.

        Raises:
            BrokerDownError: If the server cannot be reached.
        """
        fresh = self._now() - self._heard_at < CHECK_S
        if not fresh or channel not in self._next:
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S), self._using:
                    await self._listen(channel)
            except FAILURES as error:
                self._abort(self._connection)
                raise self._database.down(error) from None
        return self._next[channel]

    async def take_down(self, channel: str) -> None:
        """Listen on a channel no longer; bounded, and safe to call again."""
        event = self._next.pop(channel, None)
        connection = self._connection
        if event is None or connection is None:
            return
        event.set()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S), self._using:
                if channel not in self._next:
                    await connection.remove_listener(channel, self._ring)
        except FAILURES:
            self._abort(connection)

    async def close(self) -> None:
        """Disconnect, and wake all who wait; bounded, and safe to call again."""
        self._open = False
        connection = self._connection
        self._lose(connection)
        if connection is not None:
            with contextlib.suppress(*FAILURES):
                await connection.close(timeout=CLOSE_TIMEOUT_S)

    async def _listen(self, channel: str) -> None:
        if not self._open:
            raise BrokerDownError(f"{self._database.where} is not connected")
        if self._connection is None:
            self._connection = await self._database.connect()
            self._connection.add_termination_listener(self._lose)
        elif self._now() - self._heard_at >= CHECK_S:
            await self._connection.execute("SELECT 1")
        self._heard_at = self._now()
        if channel not in self._next:
            await self._connection.add_listener(channel, self._ring)
            self._next[channel] = asyncio.Event()

    def _ring(self, _connection: Any, _pid: int, channel: str, _payload: object) -> None:
        self._heard_at = self._now()
        if channel in self._next:
            self._next[channel].set()
            self._next[channel] = asyncio.Event()

    def _lose(self, connection: Any) -> None:
        """Forget a connection; also called when the server closes it."""
        if connection is not self._connection:
            return
        self._connection = None
        self._heard_at = 0.0
        self.losses += 1
        waiting, self._next = self._next, {}
        for event in waiting.values():
            event.set()

    def _abort(self, connection: "Connection | None") -> None:
        if connection is not None:
            self._lose(connection)
            connection.terminate()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
