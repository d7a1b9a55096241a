"""A session's connections over a broker.

A channel is one end of two streams, one for each direction, which live as long as the session. The
connections of the session follow each other on them: the caller begins a new one by counting up,
and what belongs to an older one is passed over. A connection is lost when the broker is; the line
resumes the session over the next one, as it does over WebSockets.
"""

import asyncio
import contextlib
from collections import deque
from enum import StrEnum
from typing import NoReturn

from loguru import logger

from proxy.backoff import delays_s
from proxy.bus.items import Item, ItemKind, pack, pack_close, unpack
from proxy.bus.streams import STREAM_TTL_S, BrokerDownError, StreamGoneError, Streams
from proxy.close_codes import CloseCode, may_resume, reason_for
from proxy.errors import LinkClosedError
from proxy.gate import Gate
from proxy.link import CLOSE_TIMEOUT_S
from proxy.wire import SUBPROTOCOL

# Written but not with the broker yet; who sends more waits. A line has a window of its own.
MAX_UNSENT_BYTES = 256 * 1024

# Read but not taken yet; the reader waits.
MAX_UNREAD_BYTES = 1024 * 1024

# A broker that comes back is asked again soon.
RETRY_CAP_S = 1.0

# Leaving is one round trip, unless the broker is away; then streams vanish by themselves.
LEAVE_TIMEOUT_S = 2.0


class End(StrEnum):
    """Which end of a channel this is."""

    CALLER = "caller"  # begins connections
    POOL = "pool"  # takes them


class Channel:
    """One end of a session's two streams.

    Attributes:
        taken: Resolved with the id of who serves the session.
        gone: Set when the other end has removed the streams.
        outage_at: When the broker was away last, in seconds of the loop's clock; None if never.
    """

    def __init__(self, streams: Streams, end: End, *, reads: str, writes: str) -> None:
        """Prepare; `start` begins to read and write.

        Args:
            streams: The broker.
            end: Which end this is.
            reads: The stream that this end reads.
            writes: The stream that it writes.
        """
        self.taken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.gone = Gate()
        self.outage_at: float | None = None
        self._streams = streams
        self._end = end
        self._reads = reads
        self._writes = writes
        self._link: ChannelLink | None = None
        self._number = 0
        self._arrived: ChannelLink | None = None
        self._arrival = Gate()
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._wake = Gate()
        self._room = Gate()
        self._flushed = Gate()
        self._flushed.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._leaving: asyncio.Task[None] | None = None
        self._parted = False  # one of the two has said the last word

    def start(self) -> None:
        """Begin to read, to write, and to keep the streams alive."""
        loops = (self._read_all(), self._write_all(), self._refresh())
        self._tasks = [asyncio.create_task(loop, name=f"channel-{self._end}") for loop in loops]

    def connect(self) -> "ChannelLink":
        """Begin the next connection; the line's hello tells the other end of it."""
        self._number += 1
        return self._begin(self._number)

    async def next_link(self) -> "ChannelLink":
        """Wait for a connection that the caller has begun; of several, it is the newest.

        Raises:
            LinkClosedError: If the caller has left for good.
        """
        while self._arrived is None:
            if self.gone.is_set():
                raise LinkClosedError(CloseCode.SESSION_GONE)
            self._arrival.clear()
            await self._arrival.wait()
        link, self._arrived = self._arrived, None
        return link

    async def say_taken(self, who: str) -> None:
        """Tell the caller who serves the session, before anything else.

        Args:
            who: An id.

        Raises:
            BrokerDownError: If the broker is away.
            StreamGoneError: If the caller does not wait any more.
        """
        await self._streams.append(self._writes, [pack(0, ItemKind.TAKEN, who.encode())])

    async def leave(self) -> None:
        """Stop, and remove what nobody will read; bounded, and safe to call again.

        The work goes on if the caller is cancelled.
        """
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(), name="leave-channel")
        await asyncio.shield(self._leaving)

    async def write(self, link: "ChannelLink", item: bytes) -> None:
        """Hand an item to the writer; waits while much has not been written.

        Args:
            link: Whose item it is; waiting ends when it is over.
            item: The item.
        """
        while self._unsent_bytes > MAX_UNSENT_BYTES and link.lost is None:
            self._room.clear()
            await self._room.wait()
        if link.lost is None:
            self._unsent.append(item)
            self._unsent_bytes += len(item)
            self._flushed.clear()
            self._wake.set()

    async def flush(self) -> None:
        """Wait until what was handed over is with the broker, or will never be."""
        await self._flushed.wait()

    def over(self, code: int) -> None:
        """Take in that the connection is over.

        Args:
            code: The close code.
        """
        self._link = None
        self._take_unsent()
        self._flushed.set()
        # A code that the session outlives is not the last word.
        self._parted = self._parted or not may_resume(code)

    def _begin(self, number: int) -> "ChannelLink":
        if self._link is not None:
            self._link.lose(LinkClosedError())
        self._number = number
        link = self._link = ChannelLink(self, number)
        if self.gone.is_set():
            link.lose(LinkClosedError(CloseCode.SESSION_GONE))
        return link

    def _take_unsent(self) -> list[bytes]:
        items = list(self._unsent)
        self._unsent.clear()
        self._unsent_bytes = 0
        self._room.set()
        return items

    async def _write_all(self) -> NoReturn:
        while True:
            await self._wake.wait()
            self._wake.clear()
            items = self._take_unsent()
            if not items:
                continue
            try:
                await self._streams.append(self._writes, items)
            except BrokerDownError as error:
                self._interrupted(error)
            except StreamGoneError:
                # Whoever read it has left; why is said on the other stream, if anywhere.
                logger.debug("A channel's other end has left")
            if not self._unsent:
                self._flushed.set()

    async def _read_all(self) -> None:
        reader = self._streams.reader(self._reads)
        delays = delays_s(cap_s=RETRY_CAP_S)
        try:
            while True:
                try:
                    items = await reader.read()
                except BrokerDownError as error:
                    self._interrupted(error)
                    await asyncio.sleep(next(delays))
                    continue
                except StreamGoneError:
                    self._removed()
                    return
                delays = delays_s(cap_s=RETRY_CAP_S)
                for data in items:
                    item = unpack(data)
                    if item is not None:
                        await self._take(item)
        finally:
            await reader.close()

    async def _take(self, item: Item) -> None:
        if item.kind is ItemKind.TAKEN:
            if not self.taken.done():
                self.taken.set_result(item.body.decode(errors="replace"))
            return
        if item.connection > self._number and self._end is End.POOL:
            self._arrived = self._begin(item.connection)
            self._arrival.set()
        if item.connection != self._number:
            return
        link = self._link
        if item.kind is ItemKind.DATA:
            if link is not None:
                await link.deliver(item.body)
        elif link is not None:
            link.lose(LinkClosedError(item.code, item.reason))
        elif not may_resume(item.code):
            self._removed()  # the last word, to a connection that this end had given up

    def _interrupted(self, error: BrokerDownError) -> None:
        self.outage_at = asyncio.get_running_loop().time()
        if self._link is not None:
            logger.info(f"A channel is interrupted: {error}")
            self._link.lose(LinkClosedError())

    def _removed(self) -> None:
        self.gone.set()
        self._arrival.set()
        if self._link is not None:
            self._link.lose(LinkClosedError(CloseCode.SESSION_GONE))

    async def _refresh(self) -> NoReturn:
        while True:
            await asyncio.sleep(STREAM_TTL_S / 4)
            with contextlib.suppress(BrokerDownError):
                await self._streams.refresh([self._reads, self._writes])

    async def _leave(self) -> None:
        if self._link is not None:
            self._link.lose(LinkClosedError())
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.taken.cancel()
        # The last word is still to be read: whoever reads it removes its stream.
        names = [self._reads] if self._parted else [self._reads, self._writes]
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._streams.remove(names)
        except (BrokerDownError, TimeoutError):
            logger.info("The broker is away; a channel will vanish by itself")


class ChannelLink:
    """One connection over a channel; see `Link`.

    Attributes:
        over: Set once nobody reads or writes it any more.
        number: Which of the session's connections it is.
        lost: Why it is over; None while it is not.
        answered: Whether anything has come from the other end.
    """

    def __init__(self, channel: Channel, number: int) -> None:
        """Begin a connection.

        Args:
            channel: The session's channel.
            number: Which of its connections this is.
        """
        self.over = Gate()
        self.number = number
        self.lost: LinkClosedError | None = None
        self.answered = False
        self._channel = channel
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._news = Gate()
        self._room = Gate()

    @property
    def subprotocol(self) -> str | None:
        """The dialect; there is one."""
        return SUBPROTOCOL

    async def send(self, data: bytes) -> None:
        """Write one message; see `Link.send`."""
        await self._channel.write(self, pack(self.number, ItemKind.DATA, data))
        if self.lost is not None:
            raise LinkClosedError(self.lost.code, self.lost.reason)

    async def receive(self) -> bytes | str:
        """Wait for one message; see `Link.receive`."""
        while not self._unread:
            if self.lost is not None:
                raise LinkClosedError(self.lost.code, self.lost.reason)
            self._news.clear()
            await self._news.wait()
        data = self._unread.popleft()
        self._unread_bytes -= len(data)
        self._room.set()
        return data

    async def close(self, code: CloseCode, reason: str = "") -> None:
        """Say why the connection is over, and end it; see `Link.close`."""
        if self.lost is None:
            said = pack_close(self.number, code, reason or reason_for(code))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._channel.write(self, said)
                    await self._channel.flush()
            self.lose(LinkClosedError(code, reason))

    def abort(self) -> None:
        """Drop the connection at once; see `Link.abort`."""
        self.lose(LinkClosedError())

    def lose(self, error: LinkClosedError) -> None:
        """End the connection from below; what came before is still received.

        Args:
            error: Why.
        """
        if self.lost is None:
            self.lost = error
            self._news.set()
            self._room.set()
            self._channel.over(error.code)

    async def deliver(self, data: bytes) -> None:
        """Take in a message; waits while much has not been received.

        Args:
            data: The message.
        """
        self.answered = True
        while self._unread_bytes > MAX_UNREAD_BYTES and self.lost is None:
            self._room.clear()
            await self._room.wait()
        self._unread.append(data)
        self._unread_bytes += len(data)
        self._news.set()
