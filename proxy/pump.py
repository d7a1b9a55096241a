"""Moving messages between one connection and a dialect, both ways at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from loguru import logger

from proxy.close_codes import CloseCode
from proxy.delivery import Delivery
from proxy.dialect import Dialect, Event, Received
from proxy.errors import LinkClosedError
from proxy.gate import Gate
from proxy.link import Link

# Messages read in one go before other tasks get their turn.
BURST = 32


@dataclass
class Signals:
    """What the writer of a line and those who wait for it tell each other.

    Attributes:
        wake: There may be something to write.
        drained: Nothing waits to be written.
        room: Whoever sends need not wait.
    """

    wake: Gate = field(default_factory=Gate)
    drained: Gate = field(default_factory=Gate)
    room: Gate = field(default_factory=Gate)

    def changed(self) -> None:
        """Let the writer look for something to write."""
        self.drained.clear()
        self.wake.set()

    def release(self) -> None:
        """Let everybody go who waits for the writer: there is none any more."""
        self.drained.set()
        self.room.set()


class Pump:
    """One connection of a line.

    Attributes:
        link: The connection.
    """

    def __init__(self, link: Link, dialect: Dialect, signals: Signals) -> None:
        """Prepare.

        Args:
            link: The connection.
            dialect: What reads and writes messages.
            signals: Shared with everybody who sends.
        """
        self.link = link
        self._dialect = dialect
        self._signals = signals
        self._write_began: float | None = None
        self._released = False

    def release(self) -> None:
        """Leave it to somebody else to say when the connection is over."""
        self._released = True

    @property
    def writing_s(self) -> float:
        """How long the write under way has been waiting for the peer to read."""
        if self._write_began is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._write_began

    async def run(
        self, act: Callable[[list[Event]], Awaitable[None]], delivery: Delivery
    ) -> LinkClosedError:
        """Read and write until the connection is gone.

        Args:
            act: What to do with what the dialect says.
            delivery: Where received messages wait.

        Returns:
            Why it is gone.
        """
        writing = asyncio.create_task(self._write())
        try:
            await self._read(act, delivery)
        except LinkClosedError as error:
            return error
        except Exception:
            logger.exception("A line failed")
            await self.link.close(CloseCode.INTERNAL_ERROR)
        finally:
            writing.cancel()
            await asyncio.wait({writing})
            if not self._released:
                self.link.over.set()
        return LinkClosedError(CloseCode.INTERNAL_ERROR)

    async def _read(
        self, act: Callable[[list[Event]], Awaitable[None]], delivery: Delivery
    ) -> None:
        count = 0
        while True:
            data = await self.link.receive()
            events = self._dialect.receive(data)
            self._signals.changed()
            for event in events:
                if type(event) is Received:
                    delivery.put(event)
                else:
                    await act([event])
            if not self._dialect.windowed:
                await delivery.wait_room()
            count += 1
            if count % BURST == 0:
                await asyncio.sleep(0)

    async def _write(self) -> None:
        dialect, signals = self._dialect, self._signals
        loop = asyncio.get_running_loop()
        try:
            while True:
                data = dialect.next_outgoing()
                if data is None:
                    if dialect.drained:
                        signals.drained.set()
                    signals.wake.clear()
                    await signals.wake.wait()
                    continue
                self._write_began = loop.time()
                await self.link.send(data)
                self._write_began = None
                if not dialect.ample:
                    signals.room.set()
        except LinkClosedError:
            return  # the reader sees it too
        except Exception:
            logger.exception("A line failed")
            self.link.abort()
