"""What came over a line, on its way onto this side's bus.

The reader of a link must not wait for this side's tasks: behind a message that nobody takes, it
would miss the acknowledgements that let this side's own messages out. So what came waits here, and
the other end is allowed to send more only as it leaves.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from loguru import logger

from proxy.bus.direct import DirectBus
from proxy.close_codes import CloseCode
from proxy.dialect import PeerEnded, Received
from proxy.gate import Gate
from proxy.held import LARGE_BYTES, HeldMessages

if TYPE_CHECKING:
    from proxy.line_task import LineTask

# The reader of a peer that knows no window waits while more than this waits here.
MAX_WAITING_BYTES = 1024 * 1024

# Large messages that this side may hold, and how long it may hold so many.
MAX_HELD_BYTES = 16 * 1024 * 1024
HELD_TIMEOUT_S = 60.0

# Messages delivered in one go before other tasks get their turn.
BURST = 64


class Delivery:
    """The messages that came and are not on the bus yet."""

    def __init__(self, line: "LineTask") -> None:
        """Begin, closed: nothing is delivered before `open`.

        Args:
            line: Where to deliver to.
        """
        self._line = line
        self._waiting: deque[Received | PeerEnded] = deque()
        self._size_bytes = 0
        self._held = HeldMessages(MAX_HELD_BYTES)
        self._wake = Gate()
        self._room = Gate()
        self._delivering: asyncio.Task[None] | None = None
        self._open = False
        self._busy = False

    def open(self) -> None:
        """Deliver from now on: the tasks that messages are for are ready."""
        if not self._open and self._delivering is None:
            self._open = True
            self._delivering = self._line.create_task(self._deliver(), "deliver")

    def put(self, event: Received | PeerEnded) -> None:
        """Take in what is to be delivered, and deliver it at once where nobody has to wait.

        Args:
            event: What the dialect said.
        """
        if self._open and not self._waiting and not self._busy and isinstance(event, Received):
            bus = self._line.bus
            if (
                isinstance(bus, DirectBus)
                and event.weight_bytes < LARGE_BYTES
                and bus.has_room(event.message.target)
            ):
                bus.hand(event.message, skip=self._line.name)
                self._line.handled(event.size_bytes)
                return
        self._waiting.append(event)
        if isinstance(event, Received):
            self._size_bytes += event.weight_bytes
        self._wake.set()

    async def wait_room(self) -> None:
        """Wait until the reader may read on; returns at once for a peer that keeps its window."""
        while self._size_bytes > MAX_WAITING_BYTES:
            self._room.clear()
            await self._room.wait()

    async def stop(self) -> None:
        """Forget what waits, and deliver nothing more."""
        self._open = False
        self._waiting.clear()
        delivering, self._delivering = self._delivering, None
        if delivering is not None:
            await self._line.cancel_task(delivering)

    async def _deliver(self) -> None:
        count = 0
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            event = self._waiting.popleft()
            self._busy = True
            try:
                await self._deliver_one(event)
            except Exception:
                logger.exception("A message that came could not be delivered")
                await self._line.give_up(CloseCode.INTERNAL_ERROR)
                return
            self._busy = False
            count += 1
            if count % BURST == 0:
                await asyncio.sleep(0)

    async def _deliver_one(self, event: Received | PeerEnded) -> None:
        if isinstance(event, PeerEnded):
            await self._line.peer_ended(event.reason)
            return
        fits = self._held.fits(event.weight_bytes)
        if not fits and not await self._held.wait_room(HELD_TIMEOUT_S):
            await self._line.give_up(CloseCode.OVERLOADED)
        self._held.hold(event.message, event.weight_bytes)
        bus = self._line.bus
        if isinstance(bus, DirectBus):
            await bus.wait_room(event.message.target)
            bus.hand(event.message, skip=self._line.name)
        else:
            await self._line.send_bus_message(event.message)
        self._size_bytes -= event.weight_bytes
        self._room.set()
        self._line.handled(event.size_bytes)
