"""What one subscriber of a `DirectBus` has waiting, and which messages it looks at."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pipecat.bus.bridge_processor import BusBridgeProcessor
from pipecat.bus.messages import BusMessage
from pipecat.bus.subscriber import BusSubscriber
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from proxy.gate import Gate


@runtime_checkable
class Outlet(Protocol):
    """A subscriber through which messages leave this bus."""

    def offer(self, message: BusMessage) -> bool:
        """Take a message at once, or say that it must wait its turn."""

    def claims(self, name: str) -> bool:
        """Tell whether a task of this name is to be reached through here."""


@dataclass(slots=True)
class Lane:
    """One queue of a subscriber and the task that empties it.

    Attributes:
        waiting: What was not handled yet.
        busy: Whether a message is being handled now.
        wake: Set when something waits.
        room: Set when not much waits any more.
        task: Empties the lane; None before anything came.
    """

    waiting: deque[BusMessage] = field(default_factory=deque)
    busy: bool = False
    wake: Gate = field(default_factory=Gate)
    room: Gate = field(default_factory=Gate)
    task: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class Mailbox:
    """A subscriber, and its two lanes: what it handles in order, and what overtakes.

    Attributes:
        name: The subscriber's name.
        subscriber: The subscriber.
        outlet: The same, if messages leave the bus through it.
        frames: Whether it looks at frames.
        others: Whether it looks at messages that are not frames.
        sees_all: Whether it looks at what is addressed to others.
        sees_own: Whether it looks at the frames that it sent itself.
        data: What it handles in order.
        system: What overtakes.
    """

    name: str
    subscriber: BusSubscriber
    outlet: Outlet | None
    frames: bool
    others: bool
    sees_all: bool
    sees_own: bool
    data: Lane = field(default_factory=Lane)
    system: Lane = field(default_factory=Lane)

    @classmethod
    def of(cls, subscriber: BusSubscriber) -> "Mailbox":
        """Make a mailbox for a subscriber.

        What Pipecat's own handlers would throw away is not put into it. Any other handler may look
        at every message, as the proxy tasks do, and gets every message.

        Args:
            subscriber: Who is to receive messages.
        """
        handler = getattr(type(subscriber), "on_bus_message", None)
        plain = handler in (BaseWorker.on_bus_message, PipelineWorker.on_bus_message)
        return cls(
            subscriber.name,
            subscriber,
            subscriber if isinstance(subscriber, Outlet) else None,
            frames=handler not in (BaseWorker.on_bus_message, WorkerRunner.on_bus_message),
            others=handler is not BusBridgeProcessor.on_bus_message,
            sees_all=not plain,
            sees_own=not plain,
        )
