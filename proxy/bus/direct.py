"""A bus inside one process that hands a message straight to whoever it is for.

Pipecat's own puts every message into the queue of every subscriber, moves it from there into a
second queue, and asks whether the subscriber is active before the messages ahead have been
handled, so that whatever follows an activation closely is lost. Here a message with a target goes
to that target, through one queue, and is judged when its turn comes. A line takes frames without a
queue, and when it is far behind, whoever sends waits for it. A job for a task that is unknown or
inactive fails at once.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from loguru import logger
from pipecat.bus.bus import WorkerBus
from pipecat.bus.messages import (
    BusFrameMessage,
    BusJobRequestMessage,
    BusMessage,
    BusSystemMessage,
)
from pipecat.bus.subscriber import BusSubscriber

from proxy.bus.mailbox import Lane, Mailbox
from proxy.display import Display
from proxy.errors import LineError
from proxy.jobs import UNREACHABLE, failure

# A line that is so many messages behind makes its senders wait.
HIGH_WATER = 256

# Far more than a conversation has under way; a task that is this far behind will not catch up.
MAX_WAITING = 10_000

# Messages handled in one go before other tasks get their turn.
BURST = 64


class BusOverflowError(LineError):
    """A subscriber is too far behind to be sent more."""


class DirectBus(WorkerBus):
    """An in-process bus with one hop from sender to receiver.

    Attributes:
        watch: Is shown every message but frames as it is sent; must neither wait nor raise.
        display: Shows the caller what happens on this bus; None where nobody may look.
    """

    def __init__(self, **options: Any) -> None:
        """Start without subscribers.

        Args:
            **options: Arguments of `WorkerBus`.
        """
        super().__init__(**options)
        self.watch: Callable[[BusMessage], None] | None = None
        self.display: Display | None = None
        self._mailboxes: dict[str, Mailbox] = {}
        self._outlets: tuple[Mailbox, ...] = ()
        self._takes_frames: tuple[Mailbox, ...] = ()
        self._takes_others: tuple[Mailbox, ...] = ()

    async def start(self) -> None:
        """Start delivering, first what was sent before."""
        self._running = True
        for mailbox in self._mailboxes.values():
            for lane in (mailbox.data, mailbox.system):
                if lane.waiting and lane.task is None:
                    self._start(mailbox, lane)

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
            self._mailboxes[subscriber.name] = Mailbox.of(subscriber)
            self._sort()

    async def unsubscribe(self, subscriber: BusSubscriber) -> None:
        """Forget a subscriber and what waits for it.

        Args:
            subscriber: Who no longer receives messages.
        """
        mailbox = self._mailboxes.pop(subscriber.name, None)
        if mailbox is not None:
            self._sort()
            await self._close(mailbox)

    def _sort(self) -> None:
        boxes = self._mailboxes.values()
        self._outlets = tuple(box for box in boxes if box.outlet is not None)
        self._takes_frames = tuple(box for box in boxes if box.frames)
        self._takes_others = tuple(box for box in boxes if box.others)

    async def publish(self, message: BusMessage) -> None:
        """Deliver a message, and wait while a line that it is for is far behind.

        Args:
            message: See `on_message_received`.
        """
        self.on_message_received(message)
        for mailbox in self._outlets:
            lane = mailbox.data
            while len(lane.waiting) > HIGH_WATER and self._concerns(mailbox, message):
                lane.room.clear()
                await lane.room.wait()

    def on_message_received(self, message: BusMessage) -> None:
        """Put a message into the mailboxes that it is for.

        Args:
            message: A message; one with a target goes to the target, and to subscribers that look
                at the messages of others.

        Raises:
            BusOverflowError: If a receiver is too far behind. The others get the message.
        """
        self.hand(message)

    def hand(self, message: BusMessage, *, skip: str | None = None) -> None:
        """Do what `on_message_received` does, for a subscriber that has seen the message.

        Args:
            message: The message.
            skip: The subscriber's name.

        Raises:
            BusOverflowError: If a receiver is too far behind. The others get the message.
        """
        target, frame = message.target, isinstance(message, BusFrameMessage)
        if not frame:
            if self.watch is not None:
                self.watch(message)
            if self.display is not None:
                self.display.noticed(message)
        full = None
        for mailbox in self._takes_frames if frame else self._takes_others:
            name = mailbox.name
            if target is not None and target != name and not mailbox.sees_all:
                continue
            if name == skip or (frame and name == message.source and not mailbox.sees_own):
                continue
            if not self._put(mailbox, message):
                full = name
        if full is not None:
            raise BusOverflowError(f"{full} is {MAX_WAITING} messages behind")
        if isinstance(message, BusJobRequestMessage) and target and not self.reaches(target):
            self.hand(failure(message, UNREACHABLE))

    def reaches(self, name: str) -> bool:
        """Tell whether somebody has this name, here or behind a line; ready or not.

        Args:
            name: Any name.
        """
        if name in self._mailboxes:
            return True
        outlets = (mailbox.outlet for mailbox in self._outlets)
        return any(outlet is not None and outlet.claims(name) for outlet in outlets)

    def has_room(self, target: str | None) -> bool:
        """Tell whether a subscriber is not far behind.

        Args:
            target: Its name.
        """
        mailbox = self._mailboxes.get(target or "")
        return mailbox is None or len(mailbox.data.waiting) <= HIGH_WATER

    async def wait_room(self, target: str | None) -> None:
        """Wait until a subscriber is not far behind, or gone.

        Args:
            target: Its name.
        """
        while not self.has_room(target):
            lane = self._mailboxes[target or ""].data
            lane.room.clear()
            await lane.room.wait()

    def _put(self, mailbox: Mailbox, message: BusMessage) -> bool:
        lane = mailbox.system if isinstance(message, BusSystemMessage) else mailbox.data
        # What waits, or is being handled, goes first.
        idle = not lane.waiting and not lane.busy
        if idle and mailbox.outlet is not None and mailbox.outlet.offer(message):
            return True
        if len(lane.waiting) >= MAX_WAITING:
            return False
        lane.waiting.append(message)
        lane.wake.set()
        if lane.task is None and self._running:
            self._start(mailbox, lane)
        return True

    def _concerns(self, mailbox: Mailbox, message: BusMessage) -> bool:
        """Tell whether whoever sends this should wait for that line."""
        if mailbox.name not in self._mailboxes or not self._running:
            return False
        if isinstance(message, BusSystemMessage) or message.source == mailbox.name:
            return False
        target = message.target
        return target is None or (mailbox.outlet is not None and mailbox.outlet.claims(target))

    def _start(self, mailbox: Mailbox, lane: Lane) -> None:
        lane.task = self.create_task(
            self._deliver(mailbox.subscriber, lane), f"deliver_{mailbox.name}"
        )

    async def _deliver(self, subscriber: BusSubscriber, lane: Lane) -> None:
        count = 0
        while True:
            while not lane.waiting:
                lane.wake.clear()
                await lane.wake.wait()
            message = lane.waiting.popleft()
            lane.busy = True
            if len(lane.waiting) <= HIGH_WATER:
                lane.room.set()
            try:
                if subscriber.accepts_bus_message(message):
                    await subscriber.on_bus_message(message)
                else:
                    self._unaccepted(subscriber, message)
            except Exception:
                logger.exception(f"{subscriber.name} failed on a {type(message).__name__}")
            lane.busy = False
            if self._mailboxes.get(subscriber.name) is None:
                return  # its own handler took it off the bus
            count += 1
            if count % BURST == 0:
                await asyncio.sleep(0)

    def _unaccepted(self, subscriber: BusSubscriber, message: BusMessage) -> None:
        if isinstance(message, BusJobRequestMessage) and message.target == subscriber.name:
            self.on_message_received(failure(message, UNREACHABLE))

    async def _close(self, mailbox: Mailbox) -> None:
        for lane in (mailbox.data, mailbox.system):
            lane.waiting.clear()
            lane.room.set()
            task, lane.task = lane.task, None
            if task is not None and task is not asyncio.current_task():
                await self.cancel_task(task)
