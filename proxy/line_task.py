"""What both proxy tasks share: a bus worker that drives one end of a line over a link.

The worker is a thin shell. What may cross and what follows from each message is decided by the
dialect; the shell moves bytes between it and the link, and messages between it and the bus.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from loguru import logger
from pipecat.bus.messages import (
    BusCancelWorkerMessage,
    BusEndMessage,
    BusMessage,
    BusWorkerRegistryMessage,
)
from pipecat.registry.types import WorkerRegistryEntry
from pipecat.workers.base_worker import BaseWorker

from proxy.close_codes import CloseCode
from proxy.dialect import Dialect, Event, LineStats, MustClose, PeerEnded, PeerReady, Received
from proxy.errors import LinkBusyError, LinkClosedError
from proxy.link import Link

# After an end was said, the other side closes as soon as it has wound up. One that does not is
# closed on.
END_GRACE_S = 5.0

# How long what waits in the outbox may take to go out before a close.
DRAIN_TIMEOUT_S = 2.0

# Messages handled in one go before other tasks get their turn.
BURST = 32


class LineTask(BaseWorker):
    """One end of a line as a worker on a bus.

    Event handlers available, each called with the task and one argument:

    - on_line_connected: The link is up; gets the `Link`. Once.
    - on_line_disconnected: The link is gone; gets the `LinkClosedError` that says why. Once.
    """

    connected_event = "on_line_connected"
    disconnected_event = "on_line_disconnected"
    cancelled_code = CloseCode.ENDED

    def __init__(self, name: str, dialect: Dialect, *, active: bool) -> None:
        """Prepare the worker; nothing runs before it is started.

        Args:
            name: The worker's name on the bus.
            dialect: This end of the line.
            active: Whether the worker takes bus messages from the start.
        """
        super().__init__(name, active=active)
        self._dialect = dialect
        self._link: Link | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._gone = asyncio.Event()
        self._told_disconnected = False
        self._closing: asyncio.Task[None] | None = None
        self._close_code = CloseCode.ENDED
        self._end_said = False  # by a task of this side
        self._end_heard = False  # from the other side
        self._register_event_handler(self.connected_event)
        self._register_event_handler(self.disconnected_event)

    @property
    def stats(self) -> LineStats:
        """What crossed this line and what did not."""
        return self._dialect.stats

    @property
    def ending(self) -> bool:
        """Whether a task of either side ended the conversation."""
        return self._end_said or self._end_heard

    def is_closing(self) -> bool:
        """Tell whether this side is closing the line, or has."""
        return self._closing is not None

    @property
    def connected(self) -> bool:
        """Whether the link is up."""
        return self._link is not None and not self._gone.is_set()

    async def wait_disconnected(self) -> None:
        """Wait until the link is gone; returns at once if it is."""
        await self._gone.wait()

    async def close(self, code: CloseCode) -> None:
        """End this line with a close code.

        Args:
            code: What the other side is told; the first call decides.
        """
        if self._closing is None:
            self._close_code = code
        await self.stop()

    async def stop(self) -> None:
        """Write what waits, close the link, and finish; bounded, and safe to call again.

        The work goes on if the caller is cancelled.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._shut_down(), name=f"{self.name}::shut_down")
        await asyncio.shield(self._closing)

    async def on_bus_message(self, message: BusMessage) -> None:
        """Hand each message of this side's bus to the line.

        Args:
            message: Any message; the line's filter decides whether it crosses.
        """
        cancelled = isinstance(message, BusCancelWorkerMessage) and message.target == self.name
        # A runner that ends sends a cancel right behind; what was said must still go out.
        if cancelled and not self.ending and self._closing is None:
            self._close_code = self.cancelled_code
        await super().on_bus_message(message)
        if self.connected:
            await self._handle(self._outgoing(message))

    def _outgoing(self, message: BusMessage) -> list[Event]:
        return self._dialect.send(message)

    async def _attach(self, link: Link) -> None:
        """Take a link and run over it until it is gone."""
        self._link = link
        await self._call_event_handler(self.connected_event, link)
        self._loops = [
            self.create_task(self._guard(self._read(link)), "read"),
            self.create_task(self._guard(self._write(link)), "write"),
        ]

    async def _guard(self, loop: Coroutine[Any, Any, None]) -> None:
        try:
            await loop
        except LinkClosedError as error:
            await self._lost(error)
        except LinkBusyError:
            await self._lost(LinkClosedError(CloseCode.PEER_TOO_SLOW, "the peer did not read"))
        except Exception:
            logger.exception(f"{self}: the line failed")
            await self._must_close(CloseCode.INTERNAL_ERROR)

    async def _read(self, link: Link) -> None:
        count = 0
        while True:
            data = await link.receive()
            await self._handle(self._dialect.receive(data))
            count += 1
            if count % BURST == 0:
                await asyncio.sleep(0)

    async def _write(self, link: Link) -> None:
        while True:
            data = self._dialect.next_outgoing()
            if data is not None:
                await link.send(data)
                continue
            self._drained.set()
            self._wake.clear()
            await self._wake.wait()
            self._drained.clear()

    async def _handle(self, events: list[Event]) -> None:
        """Act on what the dialect said, and let the writer look for something to write."""
        self._drained.clear()
        self._wake.set()
        for event in events:
            match event:
                case Received(message):
                    await self.send_bus_message(message)
                case PeerReady(names):
                    await self._register_remote(names)
                case PeerEnded(reason):
                    await self._peer_ended(reason)
                case MustClose(code):
                    await self._must_close(code)

    async def _register_remote(self, names: tuple[str, ...]) -> None:
        """Make the other side's tasks known to this side's runner, so that they can be awaited."""
        await self.send_bus_message(
            BusWorkerRegistryMessage(
                source=self.name,
                runner=f"{self.name}@remote",
                workers=[WorkerRegistryEntry(name=name) for name in names],
            )
        )

    async def _peer_ended(self, reason: str | None) -> None:
        self._end_heard = True
        await self.send_bus_message(BusEndMessage(source=self.name, reason=reason))

    async def _must_close(self, code: CloseCode) -> None:
        """Close because of what came or did not; the link's end tells everyone else."""
        if self._link is not None:
            self._dialect.close()
            await self._link.close(code)
            await self._lost(LinkClosedError(code, "closed by this side"))

    async def _lost(self, error: LinkClosedError) -> None:
        self._dialect.close()
        self._gone.set()
        self._drained.set()
        if not self._told_disconnected:
            self._told_disconnected = True
            logger.info(f"{self}: the line ended with {error.code}")
            await self._call_event_handler(self.disconnected_event, error)

    async def _shut_down(self) -> None:
        if self._link is not None:
            await self._finish_line(self._link)
        for loop in self._loops:
            await self.cancel_task(loop)
        await super().stop()

    async def _finish_line(self, link: Link) -> None:
        if not self._gone.is_set():
            await _within(DRAIN_TIMEOUT_S, self._drained)
        if self._end_said and self._close_code is CloseCode.ENDED:
            await self._await_peer()
        await link.close(self._close_code)
        await self._lost(LinkClosedError(self._close_code, "closed by this side"))

    async def _await_peer(self) -> None:
        """Give the other side time to close after an end was said."""
        await _within(END_GRACE_S, self._gone)


async def _within(timeout_s: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
