"""Where callers wait for a slot, in the order in which they came."""

import asyncio
from collections.abc import Callable

from app.server.admission.slots import FULL, Slot, Slots
from app.server.identity import Principal
from app.server.refusal import TurnedAwayError


class Place:
    """The place of one caller in the queue.

    Attributes:
        assistant: Whom it waits for.
        settled: Set once it has a slot, or nobody gets one any more.
        slot: What it got and was not taken yet.
    """

    def __init__(self, assistant: str, release: Callable[[], None]) -> None:
        """Take it.

        Args:
            assistant: Whom the caller waits for.
            release: Called when the caller neither waits nor has a session any more.
        """
        self.assistant = assistant
        self.settled = asyncio.Event()
        self.slot: Slot | None = None
        self.release = release

    def take(self) -> Slot | None:
        """Take the slot, which is the caller's to release from then on; None if there is none."""
        slot, self.slot = self.slot, None
        return slot


class WaitingRoom:
    """A bounded queue of callers.

    A slot that is given back goes to whoever waits longest for it in the same step of the event
    loop, so that nobody who comes later can take it.
    """

    def __init__(self, slots: Slots, max_waiting: int) -> None:
        """Start with nobody.

        Args:
            slots: What they wait for.
            max_waiting: How many may.
        """
        self._slots = slots
        self._max_waiting = max_waiting
        self._queue: dict[Place, None] = {}
        self._positions: dict[Place, int] | None = None
        slots.when_free(self._serve)

    def __len__(self) -> int:
        """Count those who wait."""
        return len(self._queue)

    def enter(self, principal: Principal, assistant: str) -> Place:
        """Queue up; `leave` has to follow.

        Args:
            principal: Who. Those who wait count as if they had a session.
            assistant: For whom.

        Raises:
            TurnedAwayError: 503 if too many wait, 429 if the principal has as many as it may.
        """
        if len(self._queue) >= self._max_waiting:
            raise TurnedAwayError(FULL)
        self._slots.check_own(principal)
        place = Place(assistant, self._slots.count(principal))
        self._queue[place] = None
        self._positions = None
        return place

    def position(self, place: Place) -> int:
        """Tell how many are served before this one, and itself; 0 if it does not wait.

        Args:
            place: A place.
        """
        if self._positions is None:
            self._positions = {waiting: number for number, waiting in enumerate(self._queue, 1)}
        return self._positions.get(place, 0)

    def leave(self, place: Place) -> None:
        """Give a place up, and the slot that it got, unless that was taken.

        Args:
            place: What `enter` gave.
        """
        if place in self._queue:
            self._remove(place)
            place.release()
        slot = place.take()
        if slot is not None:
            slot.release()

    def close(self) -> None:
        """Send everybody away."""
        for place in list(self._queue):
            self._remove(place)
            place.release()
            place.settled.set()

    def _remove(self, place: Place) -> None:
        del self._queue[place]
        self._positions = None

    def _serve(self) -> None:
        for place in list(self._queue):
            if self._slots.taken >= self._slots.limits.total:
                return
            if self._slots.free_for(place.assistant):
                self._remove(place)
                place.slot = self._slots.take(place.assistant, place.release)
                place.settled.set()
