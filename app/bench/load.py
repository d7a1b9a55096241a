"""Many callers in a process of their own: `python -m app.bench.load PEER`.

A voice conversation is 50 frames of audio a second, where the microphone is bridged, and a turn a
second, which the assistant answers with ten words. A typed one is a text every few seconds, which
comes back. Every word and text holds the time at which it was due, and so says how late it is.
"""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from app.bench.audio import INTERVAL_S
from app.bench.control import Control, usage
from app.bench.dialects import RawCaller, StockCaller
from app.bench.raw_socket import RawSocket, open_socket
from app.bench.report import Peer, percentile
from app.bench.trunk_caller import TrunkCaller
from app.logs import configure_logs
from app.loops import run

# Callers do not all speak at the same moment: audio and turns are spread over as many as there are.
TICK_S = 0.001
_AUDIO_TICKS = round(INTERVAL_S / TICK_S)
_TURN_TICKS = round(1.0 / TICK_S)

T = TypeVar("T")

# What stands in place of the time of a text that asks for very many.
NO_TIME_S = 0.0

# Words that are later than this count as not delivered.
STRAGGLER_S = 1.0


def raw_caller(peer: Peer) -> RawCaller:
    """Return a new line's caller that says what the peer's client half would."""
    return StockCaller() if peer is Peer.STOCK else TrunkCaller()


class Caller:
    """One line.

    Attributes:
        late_s: How late each text was, since the list was last emptied.
    """

    def __init__(self, peer: Peer) -> None:
        """Prepare; see `open`."""
        self.late_s: list[float] = []
        self._dialect = raw_caller(peer)
        self._socket: RawSocket | None = None
        self._ready = asyncio.Event()
        self._beating: asyncio.TimerHandle | None = None

    async def open(self, url: str) -> None:
        """Dial, and wait until the session can be used."""
        self._socket = await open_socket(
            url,
            self._hear,
            subprotocol=self._dialect.subprotocol,
            extensions=self._dialect.extensions,
        )
        for data in self._dialect.opening():
            self._socket.send(data)
        self._beat_later()
        async with asyncio.timeout(60):
            await self._ready.wait()

    def hang_up(self) -> None:
        """Leave without a word."""
        if self._beating is not None:
            self._beating.cancel()
        if self._socket is not None:
            self._socket.hang_up()

    @property
    def lost(self) -> bool:
        """Whether the server hung up."""
        return self._socket is None or self._socket.gone.is_set()

    def send_audio(self) -> None:
        """Send 20 ms of the microphone, if it is bridged."""
        audio = self._dialect.audio()
        if audio is not None and self._socket is not None:
            self._socket.send(audio)

    def send_turn(self) -> None:
        """Say something that is answered."""
        if self._socket is not None:
            self._socket.send(self._dialect.turn(time.monotonic()))

    def send_text(self) -> None:
        """Send a text that comes back."""
        if self._socket is not None:
            self._socket.send(self._dialect.text(time.monotonic()))

    def go_deaf(self) -> None:
        """Read nothing from now on, and ask to be told much."""
        if self._socket is not None:
            self._socket.stop_reading()
            self._socket.send(self._dialect.text(NO_TIME_S))

    def _beat_later(self) -> None:
        if self._dialect.heartbeat_s is not None:
            loop = asyncio.get_running_loop()
            self._beating = loop.call_later(self._dialect.heartbeat_s, self._beat)

    def _beat(self) -> None:
        if self._socket is not None and not self.lost:
            self._socket.send(self._dialect.heartbeat())
            self._socket.ping()
            self._beat_later()

    def _hear(self, data: bytes) -> Sequence[bytes]:
        heard = self._dialect.hear(data)
        if heard.stamp is not None:
            self.late_s.append(time.monotonic() - heard.stamp)
        if heard.ready:
            self._ready.set()
        return heard.replies


class Load:
    """All callers of this process."""

    def __init__(self, peer: Peer) -> None:
        """Start with none.

        Args:
            peer: Whose client half they play.
        """
        self._peer, self._url = peer, ""
        self._callers: list[Caller] = []
        self._deaf: Caller | None = None

    async def dial(self, url: str) -> Mapping[str, Any]:
        """Take the URL that everybody calls."""
        self._url = url
        return {}

    async def resize(self, count: int, at_a_time: int = 32) -> Mapping[str, Any]:
        """Open or close lines until there are so many.

        Args:
            count: How many.
            at_a_time: How many may be opening.
        """
        for caller in self._callers[count:]:
            caller.hang_up()
        del self._callers[count:]
        began = time.monotonic()
        places = asyncio.Semaphore(at_a_time)

        async def add() -> None:
            async with places:
                caller = Caller(self._peer)
                await caller.open(self._url)
                self._callers.append(caller)

        await asyncio.gather(*(add() for _ in range(count - len(self._callers))))
        return {"took_s": time.monotonic() - began}

    async def replace_one(self) -> None:
        """Let one caller hang up and another call, as callers do."""
        self._callers.pop(0).hang_up()
        await self.resize(len(self._callers) + 1)

    async def deafen(self) -> Mapping[str, Any]:
        """Let one more caller come, who reads nothing and is told much."""
        self._deaf = Caller(self._peer)
        await self._deaf.open(self._url)
        self._deaf.go_deaf()
        return {}

    async def converse(self, for_s: float, settle_s: float) -> Mapping[str, Any]:
        """Let everybody hold a voice conversation.

        Args:
            for_s: How long they are listened to, in seconds.
            settle_s: How long they speak before that.
        """
        settle = round(settle_s / TICK_S)
        ticks = round(for_s / TICK_S)
        audio = spread(self._callers, _AUDIO_TICKS)
        turns = spread(self._callers, _TURN_TICKS)
        late_s: list[float] = []
        began, before = time.monotonic(), await usage()
        for tick in range(settle + ticks):
            if tick == settle:
                self._forget()
            for caller in audio[tick % _AUDIO_TICKS]:
                caller.send_audio()
            for caller in turns[tick % _TURN_TICKS]:
                caller.send_turn()
            due_in_s = began + (tick + 1) * TICK_S - time.monotonic()
            late_s.append(max(0.0, -due_in_s))
            await asyncio.sleep(max(0.0, due_in_s))
        return await self._report(before, expected=len(self._callers) * 10 * for_s, late_s=late_s)

    async def type(self, for_s: float, every_s: float, replace_every_s: float) -> Mapping[str, Any]:
        """Let everybody send a text now and then, while callers come and go.

        Args:
            for_s: How long, in seconds.
            every_s: How often each of them sends one.
            replace_every_s: How often one hangs up and another calls.
        """
        self._forget()
        before, sent = await usage(), 0
        began = last = time.monotonic()
        while (passed := time.monotonic() - began) < for_s:
            wanted = int(len(self._callers) * passed / every_s)
            for index in range(sent, wanted):
                self._callers[index % len(self._callers)].send_text()
            sent = max(sent, wanted)
            if time.monotonic() - last > replace_every_s:
                last = time.monotonic()
                await self.replace_one()
            await asyncio.sleep(0.005)
        return await self._report(before, expected=sent, late_s=[])

    def _forget(self) -> None:
        for caller in self._callers:
            caller.late_s.clear()

    async def _report(
        self, before: Mapping[str, float], *, expected: float, late_s: list[float]
    ) -> Mapping[str, Any]:
        heard = [late for caller in self._callers for late in caller.late_s]
        after = await usage()
        return {
            "p50_ms": percentile(heard or [STRAGGLER_S], 50) * 1000,
            "p99_ms": percentile(heard or [STRAGGLER_S], 99) * 1000,
            "delivered": sum(late < STRAGGLER_S for late in heard) / max(1.0, expected),
            "texts": len(heard),
            "lost": sum(caller.lost for caller in self._callers),
            "cpu_s": after["cpu_s"] - before["cpu_s"],
            "own_p99_ms": percentile(late_s or [0.0], 99) * 1000,
        }


def spread(callers: Sequence[T], moments: int) -> list[list[T]]:
    """Give every caller a moment, evenly over all that there are.

    Args:
        callers: The callers.
        moments: How many moments there are.
    """
    places: list[list[T]] = [[] for _ in range(moments)]
    for index, caller in enumerate(callers):
        places[index * moments // len(callers)].append(caller)
    return places


async def _answer(control: Control, load: Load) -> None:
    control.say({})
    asked = (load.dial, load.resize, load.converse, load.type, load.deafen)
    await control.answer({answer.__name__: answer for answer in asked})


def main() -> None:
    """Call until the parent has no more questions."""
    control = Control()
    configure_logs("ERROR")
    load = Load(Peer(sys.argv[1]))
    run(_answer(control, load))


if __name__ == "__main__":
    main()
