"""`Streams` in memory: what Redis and Postgres are compared with. Its broker can be killed, too."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.bus.streams import NOTICE_TTL_S, STREAM_TTL_S, BrokerDownError, StreamGoneError


@dataclass
class MemoryBroker:
    """What all processes share; it keeps everything when it is killed."""

    up: bool = True
    deaths: int = 0
    clock_s: float = 0.0
    streams: dict[str, list[bytes]] = field(default_factory=dict)
    expiries: dict[str, float] = field(default_factory=dict)
    queues: dict[str, deque[tuple[float, bytes]]] = field(default_factory=dict)
    boards: dict[str, dict[str, tuple[float, bytes]]] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def now(self) -> float:
        return time.monotonic() + self.clock_s

    async def tell(self) -> None:
        await asyncio.sleep(0)  # as a real one lets others run
        async with self.changed:
            self.changed.notify_all()

    async def kill(self) -> None:
        self.up = False
        self.deaths += 1
        await self.tell()

    def stream(self, name: str) -> list[bytes]:
        if name in self.streams and self.expiries[name] <= self.now():
            del self.streams[name], self.expiries[name]
        if name not in self.streams:
            raise StreamGoneError("the stream is gone")
        return self.streams[name]


class MemoryStreams:
    """A process's end of it."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._open = False

    @property
    def broker(self) -> MemoryBroker:
        if not self._broker.up or not self._open:
            raise BrokerDownError("the broker is away")
        return self._broker

    async def open(self) -> None:
        self._open = True

    async def close(self) -> None:
        self._open = False
        await self._broker.tell()

    async def create(self, names: Sequence[str]) -> None:
        for name in names:
            self.broker.streams[name] = []
            self.broker.expiries[name] = self.broker.now() + STREAM_TTL_S

    async def refresh(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self.broker.expiries:
                self.broker.expiries[name] = self.broker.now() + STREAM_TTL_S

    async def remove(self, names: Sequence[str]) -> None:
        for name in names:
            self.broker.streams.pop(name, None)
            self.broker.expiries.pop(name, None)
        await self.broker.tell()

    async def append(self, name: str, items: Sequence[bytes]) -> None:
        self.broker.stream(name).extend(items)
        await self.broker.tell()

    def reader(self, name: str) -> "MemoryReader":
        return MemoryReader(self, name)

    async def put(self, queue: str, item: bytes, *, ttl_s: float) -> None:
        waiting = self.broker.queues.setdefault(queue, deque())
        waiting.append((self.broker.now() + ttl_s, item))
        await self.broker.tell()

    async def take(self, queue: str, *, wait_s: float) -> bytes | None:
        try:
            async with asyncio.timeout(wait_s), self.broker.changed:
                while True:
                    waiting = self.broker.queues.get(queue, deque())
                    while waiting:
                        until, item = waiting.popleft()
                        if until > self.broker.now():
                            return item
                    self.broker.queues.pop(queue, None)
                    await self.broker.changed.wait()
        except TimeoutError:
            return None

    async def post(self, board: str, key: str, value: bytes) -> None:
        notices = self.broker.boards.setdefault(board, {})
        notices[key] = (self.broker.now() + NOTICE_TTL_S, value)

    async def unpost(self, board: str, key: str) -> None:
        self.broker.boards.get(board, {}).pop(key, None)

    async def notices(self, board: str) -> Mapping[str, bytes]:
        now, notices = self.broker.now(), self.broker.boards.get(board, {})
        return {key: value for key, (until, value) in notices.items() if until > now}

    async def reap(self) -> int:
        gone = [name for name, until in self.broker.expiries.items() if until <= self.broker.now()]
        await self.remove(gone)
        self.broker.boards.clear()
        self.broker.queues.clear()
        return len(gone)


class MemoryReader:
    """A place in a stream."""

    def __init__(self, streams: MemoryStreams, name: str) -> None:
        self._streams = streams
        self._name = name
        self._deaths = streams.broker.deaths

    async def read(self) -> Sequence[bytes]:
        while True:
            broker = self._streams.broker
            deaths, self._deaths = self._deaths, broker.deaths
            if deaths != broker.deaths:
                raise BrokerDownError("the broker was away")
            async with broker.changed:
                items = broker.stream(self._name)
                if items:
                    found = list(items)
                    items.clear()
                    return found
                await broker.changed.wait()

    async def close(self) -> None:
        pass
