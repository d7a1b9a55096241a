"""What both proxy tasks share: a bus worker that drives one end of a line over its connections.

The worker is a thin shell. What may cross and what follows from each message is decided by the
dialect; the shell moves bytes between it and the link, and messages between it and the bus.
"""

import asyncio

from loguru import logger
from pipecat.bus.messages import (
    BusCancelWorkerMessage,
    BusEndMessage,
    BusFrameMessage,
    BusMessage,
    BusSystemMessage,
    BusWorkerRegistryMessage,
)
from pipecat.frames.frames import Frame
from pipecat.registry.types import WorkerRegistryEntry
from pipecat.workers.base_worker import BaseWorker

from proxy.bus.direct import DirectBus
from proxy.close_codes import CloseCode
from proxy.delivery import Delivery
from proxy.dialect import (
    Dialect,
    Event,
    LineState,
    LineStats,
    MustClose,
    Opened,
    PeerEnded,
    PeerReady,
    Queued,
    Received,
    ResumeGap,
)
from proxy.errors import LinkClosedError
from proxy.filter import Filter
from proxy.gate import Gate
from proxy.link import Link
from proxy.parting import part
from proxy.pump import Pump, Signals

# A peer that has read nothing for this long is gone or hostile; a mobile hand-over takes less.
SEND_TIMEOUT_S = 10.0

STUCK_S = 1.0  # behind a write that has waited for so long, nobody would read a close frame

# Messages of this side kept until there is a line; a conversation begins with a handful.
MAX_EARLY = 1000

_EVENTS = ("on_line_interrupted", "on_line_resumed", "on_remote_ready", "on_resume_gap")


class LineTask(BaseWorker):
    """One end of a line as a worker on a bus.

    Event handlers available, each called with the task and one argument:

    - on_line_connected: The link is up; gets the `Link`. Once.
    - on_line_disconnected: The line is gone for good; gets the `LinkClosedError` that says why.
      Once.
    - on_line_interrupted: The session has lost its connection; gets the `LinkClosedError`.
    - on_line_resumed: The session goes on over a new connection; gets the `Link`.
    - on_remote_ready: Tasks of the other side are ready to be addressed; gets their names.
    - on_resume_gap: Frames are missing that could not be kept; gets the `ResumeGap`.
    """

    connected_event = "on_line_connected"
    disconnected_event = "on_line_disconnected"
    cancelled_code = CloseCode.ENDED

    def __init__(self, name: str, filter_: Filter, *, active: bool) -> None:
        """Prepare the worker; nothing runs before it is started.

        Args:
            name: The worker's name on the bus.
            filter_: What may cross.
            active: Whether the line is wanted from the start.
        """
        super().__init__(name, active=active)
        self._filter = filter_
        self._dialect: Dialect | None = None
        self._pump: Pump | None = None
        self._serving: asyncio.Task[None] | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._early: list[BusMessage] = []
        self._delivery = Delivery(self)
        self._signals = Signals()
        self._gone = Gate()
        self._attached = False
        self._open = False
        self._waiting = False  # for a connection that carries on
        self._closing: asyncio.Task[None] | None = None
        self._close_code = CloseCode.ENDED
        self._end_heard = False  # from the other side
        self._remote_runner = f"{name}@remote"
        for event in (self.connected_event, self.disconnected_event, *_EVENTS):
            self._register_event_handler(event)

    @property
    def stats(self) -> LineStats:
        """What crossed this line and what did not."""
        return self._dialect.stats if self._dialect is not None else LineStats()

    @property
    def ending(self) -> bool:
        """Whether a task of either side ended the conversation."""
        return self._end_heard or (self._dialect is not None and self._dialect.ended)

    def is_closing(self) -> bool:
        """Tell whether this side is closing the line, or has.

        An end that was said is still delivered to a caller who comes back for it.
        """
        waits = self.ending and self._close_code is CloseCode.ENDED
        return self._closing is not None and (self._gone.is_set() or not waits)

    @property
    def _up(self) -> Link | None:
        return None if self._pump is None else self._pump.link

    @property
    def connected(self) -> bool:
        """Whether a connection is up."""
        return self._pump is not None

    @property
    def interrupted(self) -> bool:
        """Whether a connection was lost and another may carry on."""
        return self._dialect is not None and self._dialect.state is LineState.DETACHED

    async def wait_disconnected(self) -> None:
        """Wait until the line is gone for good; returns at once if it is."""
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

    def accepts_bus_message(self, message: BusMessage) -> bool:
        """Take every message; what comes before there is a line waits for it.

        Args:
            message: Any message.
        """
        return True

    async def start(self) -> None:
        """Start; what is for a task of this side never leaves from here on."""
        await super().start()
        registry = self.registry
        self._filter.is_local = lambda name: name in registry.local_workers

    async def on_bus_message(self, message: BusMessage) -> None:
        """Hand each message of this side's bus to the line.

        Waits while the line is far behind, if the bus lets its senders wait too.

        Args:
            message: Any message; the line's filter decides whether it crosses.
        """
        if not isinstance(message, BusFrameMessage):
            cancelled = isinstance(message, BusCancelWorkerMessage) and message.target == self.name
            # A runner that ends sends a cancel right behind; what was said must still go out.
            if cancelled and not self.ending and self._closing is None:
                self._close_code = self.cancelled_code
            await super().on_bus_message(message)
        if not self.offer(message):
            if not isinstance(message, BusSystemMessage):
                await self._wait_room()
            await self._act(self._outgoing(message))

    def offer(self, message: BusMessage) -> bool:
        """Take a message of this side's bus at once, if it is a frame and there is room.

        Args:
            message: Any message.

        Returns:
            Whether it was taken.
        """
        if not self._open or not isinstance(message, BusFrameMessage):
            return False
        if self._dialect is None or self._dialect.ample:
            return False
        if events := self._dialect.send(message):
            self.create_task(self._act(events), "act")
        self._signals.changed()
        return True

    def claims(self, name: str) -> bool:
        """Tell whether a task of this name is at the other end.

        Args:
            name: A name.
        """
        return not self._gone.is_set() and name in self._filter.remote

    def stays(self, frame: type[Frame]) -> bool:
        """Tell whether the other side does not want frames of this type.

        Args:
            frame: A class of frames.
        """
        return frame in self._filter.home

    def _outgoing(self, message: BusMessage) -> list[Event]:
        if self._gone.is_set():
            return []
        if self._open:
            return self._cross(message)
        if isinstance(message, BusEndMessage) or self._filter.outbound(message) is None:
            self._early = [*self._early, message][-MAX_EARLY:]
        return []

    def _cross(self, message: BusMessage) -> list[Event]:
        assert self._dialect is not None
        return self._dialect.send(message)

    async def _wait_room(self) -> None:
        while self._dialect is not None and self._dialect.ample and not self._gone.is_set():
            if not isinstance(self._bus, DirectBus):
                return  # a bus without bounds gains nothing from waiting
            self._signals.room.clear()
            await self._signals.room.wait()

    async def _attach(self, link: Link) -> None:
        """Take a connection and run over it until it is gone."""
        assert self._dialect is not None
        self._attached = True
        self._pump = Pump(link, self._dialect, self._signals)
        self._serving = self.create_task(self._serve(self._pump), "serve")
        if self._ticking is None:
            self._ticking = self.create_task(self._tick(self._dialect), "tick")

    async def _serve(self, pump: Pump) -> None:
        await self._lost(pump, await pump.run(self._act, self._delivery))

    async def _tick(self, dialect: Dialect) -> None:
        while not self._gone.is_set():
            await asyncio.sleep(min(dialect.tick_s, SEND_TIMEOUT_S / 4))
            stuck = self._pump is not None and self._pump.writing_s > SEND_TIMEOUT_S
            await self._act([MustClose(dialect.busy())] if stuck else dialect.tick())

    async def _act(self, events: list[Event]) -> None:
        """Act on what the dialect said, and let the writer look for something to write."""
        self._signals.changed()
        for event in events:
            match event:
                case Received() | PeerEnded():
                    self._delivery.put(event)
                case Opened():
                    await self._opened(event)
                case PeerReady(names):
                    await self._register_remote(names)
                case Queued(position):
                    await self._call_event_handler("on_waiting", position)
                case ResumeGap(lost, direction):
                    logger.warning(f"{self}: {lost} frames were lost ({direction})")
                    await self._call_event_handler("on_resume_gap", event)
                case MustClose(code):
                    self.create_task(self._drop(self._pump, self._serving, code), "drop")

    async def _opened(self, event: Opened) -> None:
        if event.resumed:
            self._waiting = False
            logger.info(f"{self}: the session goes on over a new connection")
            await self._call_event_handler("on_line_resumed", self._up)
        else:
            await self._begin()

    async def _begin(self) -> None:
        """Tell that the line is up, and send what waited for it."""
        await self._call_event_handler(self.connected_event, self._up)
        while self._early:
            await self._act(self._cross(self._early.pop(0)))
        self._open = True

    def handled(self, size_bytes: int) -> None:
        """Tell the dialect that a received message is on this side's bus.

        Args:
            size_bytes: What its event said.
        """
        if self._dialect is not None and self._dialect.handled(size_bytes):
            self._signals.wake.set()

    async def peer_ended(self, reason: str | None) -> None:
        """End this side's runner: the other side ended the conversation.

        Args:
            reason: Why, or None.
        """
        self._end_heard = True
        await self.send_bus_message(BusEndMessage(source=self.name, reason=reason))

    async def give_up(self, code: CloseCode) -> None:
        """Close the line: what came cannot be delivered.

        Args:
            code: What the other side is told.
        """
        await self._act([MustClose(code)])

    async def _register_remote(self, names: tuple[str, ...]) -> None:
        """Make the other side's tasks known to this side's runner, so that they can be awaited."""
        await self._call_event_handler("on_remote_ready", names)
        await self.send_bus_message(
            BusWorkerRegistryMessage(
                source=self.name,
                runner=self._remote_runner,
                workers=[WorkerRegistryEntry(name=name) for name in names],
            )
        )

    async def _drop(
        self, pump: Pump | None, serving: "asyncio.Task[None] | None", code: CloseCode
    ) -> None:
        """Close a connection because of what came or did not."""
        error = LinkClosedError(code, "closed by this side")
        if pump is None:
            await self._over(error)
            return
        if code is CloseCode.PEER_SILENT or pump.writing_s > min(STUCK_S, SEND_TIMEOUT_S):
            pump.link.abort()  # nobody would read a close frame
        else:
            await pump.link.close(code)
        assert serving is not None
        await self.cancel_task(serving)
        await self._lost(pump, error)

    async def _lost(self, pump: Pump, error: LinkClosedError) -> None:
        """Take in that a connection is gone; what follows is up to the dialect."""
        if self._pump is not pump or self._dialect is None:
            return
        self._pump = None
        answers = self._dialect.disconnected(error.code)
        if self._dialect.state is not LineState.DETACHED:
            await self._answer(answers)
            await self._over(error)
            return
        if not self._waiting:
            self._waiting = True
            logger.info(f"{self}: the connection was lost ({error.code}); the session waits")
            await self._call_event_handler("on_line_interrupted", error)
        await self._detached(error)

    async def _detached(self, error: LinkClosedError) -> None:
        """Do what this end can for another connection."""

    async def _over(self, error: LinkClosedError) -> None:
        """Finish: no connection will carry on."""
        if self._gone.is_set():
            return
        self._gone.set()
        self._signals.release()
        if self._dialect is not None:
            await self._answer(self._dialect.close())
        if self._attached:
            logger.info(f"{self}: the line ended with {error.code}")
            await self._call_event_handler(self.disconnected_event, error)

    async def _answer(self, events: list[Event]) -> None:
        """Answer whoever on this side still waited for the other."""
        for event in events:
            if isinstance(event, Received):
                await self.send_bus_message(event.message)

    async def _shut_down(self) -> None:
        await self._finish_line()
        for task in filter(None, (self._serving, self._ticking)):
            await self.cancel_task(task)
        await self._delivery.stop()
        await super().stop()

    async def _finish_line(self) -> None:
        if self._dialect is not None and self._attached:
            ended = self._dialect.ended and self._close_code is CloseCode.ENDED
            await part(self._dialect, self._signals, self._gone, ended=ended)
        pump, self._pump = self._pump, None
        if pump is not None:
            await pump.link.close(self._close_code)
        await self._over(LinkClosedError(self._close_code, "closed by this side"))
