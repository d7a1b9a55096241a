"""A bus inside one process that hands a message straight to whoever it is for.

Pipecat's own puts every message into the queue of every subscriber, moves it from there into a
second queue, and asks whether the subscriber is active before the messages ahead have been
handled, so that whatever follows an activation closely is lost. Here a message with a target goes
to that target, through one queue, and is judged when its turn comes.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from loguru import logger
from pipecat.bus.bus import WorkerBus
from pipecat.bus.messages import BusMessage, BusSystemMessage
from pipecat.bus.subscriber import BusSubscriber
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.base_worker import BaseWorker

from proxy.errors import LineError

# Far more than a conversation has under way; a task that is this far behind will not catch up.
MAX_WAITING = 10_000

# Messages handled in one go before other tasks get their turn.
BURST = 64

# Workers whose handler ignores messages that are addressed to others. Any other handler may look
# at them, as the proxy tasks do, and gets every message.
_MIND_THEIR_OWN = (BaseWorker.on_bus_message, PipelineWorker.on_bus_message)


class BusOverflowError(LineError):
    """A subscriber is too far behind to be sent more."""


@dataclass
class _Lane:
    """One queue of a subscriber and the task that empties it."""

    waiting: deque[BusMessage] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


@dataclass
class _Mailbox:
    """A subscriber's two lanes: what it handles in order, and what overtakes."""

    subscriber: BusSubscriber
    sees_all: bool
    data: _Lane = field(default_factory=_Lane)
    system: _Lane = field(default_factory=_Lane)


class DirectBus(WorkerBus):
    """An in-process bus with one hop from sender to receiver."""

    def __init__(self, **options: Any) -> None:
        """Start without subscribers.

        Args:
            **options: Arguments of `WorkerBus`.
        """
        super().__init__(**options)
        self._mailboxes: dict[str, _Mailbox] = {}

    async def start(self) -> None:
        """Start delivering, first what was sent before."""
        self._running = True
        for mailbox in self._mailboxes.values():
            for lane in (mailbox.data, mailbox.system):
                if lane.waiting:
                    self._ensure_running(mailbox, lane)

    async def stop(self) -> None:
        """Stop delivering; what waits is forgotten."""
        self._running = False
        for mailbox in self._mailboxes.values():
            await self._close(mailbox)

    async def subscribe(self, subscriber: BusSubscriber) -> None:
        """Take a subscriber in; one that is known already stays as it is.

        Args:
            subscriber: Who is to receive messages.
        """
        if subscriber.name not in self._mailboxes:
            handler = getattr(type(subscriber), "on_bus_message", None)
            self._mailboxes[subscriber.name] = _Mailbox(
                subscriber, sees_all=handler not in _MIND_THEIR_OWN
            )

    async def unsubscribe(self, subscriber: BusSubscriber) -> None:
        """Forget a subscriber and what waits for it.

        Args:
            subscriber: Who no longer receives messages.
        """
        mailbox = self._mailboxes.pop(subscriber.name, None)
        if mailbox is not None:
            await self._close(mailbox)

    async def publish(self, message: BusMessage) -> None:
        """Deliver a message; see `on_message_received`."""
        self.on_message_received(message)

    def on_message_received(self, message: BusMessage) -> None:
        """Put a message into the mailboxes that it is for.

        Args:
            message: A message; one with a target goes to the target, and to subscribers that look
                at the messages of others.

        Raises:
            BusOverflowError: If a receiver is too far behind. The others get the message.
        """
        target = message.target
        full = None
        for name, mailbox in self._mailboxes.items():
            if target is not None and target != name and not mailbox.sees_all:
                continue
            lane = mailbox.system if isinstance(message, BusSystemMessage) else mailbox.data
            if len(lane.waiting) >= MAX_WAITING:
                full = name
                continue
            lane.waiting.append(message)
            lane.wake.set()
            if self._running:
                self._ensure_running(mailbox, lane)
        if full is not None:
            raise BusOverflowError(f"{full} is {MAX_WAITING} messages behind")

    def _ensure_running(self, mailbox: _Mailbox, lane: _Lane) -> None:
        if lane.task is None:
            lane.task = self.create_task(
                self._deliver(mailbox.subscriber, lane), f"deliver_{mailbox.subscriber.name}"
            )

    async def _deliver(self, subscriber: BusSubscriber, lane: _Lane) -> None:
        count = 0
        while True:
            while not lane.waiting:
                lane.wake.clear()
                await lane.wake.wait()
            message = lane.waiting.popleft()
            if not subscriber.accepts_bus_message(message):
                continue
            try:
                await subscriber.on_bus_message(message)
            except Exception:
                logger.exception(f"{subscriber.name} failed on a {type(message).__name__}")
            count += 1
            if count % BURST == 0:
                await asyncio.sleep(0)

    async def _close(self, mailbox: _Mailbox) -> None:
        for lane in (mailbox.data, mailbox.system):
            lane.waiting.clear()
            task, lane.task = lane.task, None
            if task is not None and task is not asyncio.current_task():
                await self.cancel_task(task)
