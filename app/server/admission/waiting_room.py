"""Where callers wait for a slot, in the order in which they came."""

import asyncio
from collections.abc import Sequence

from app.server.admission.book import Entry
from app.server.admission.slots import FULL, Slot, Slots
from app.server.identity import Principal
from app.server.refusal import TurnedAwayError

# A process that had room a moment ago may have none now. One that refuses again and again has some
# other reason, and the caller waits here.
MAX_REFUSED = 10


class Place:
    """The place of one caller in the queue.

    Attributes:
        assistant: Whom it waits for.
        settled: Set once it has a slot, or nobody gets one any more.
        entry: What counts the caller.
        slot: What it got and was not taken yet.
        elsewhere: The process that has room for it, and is about to be asked; None for this one.
        refused: How often another process had no room after all.
    """

    def __init__(self, assistant: str, entry: Entry) -> None:
        """Take it.

        Args:
            assistant: Whom the caller waits for.
            entry: What counts the caller.
        """
        self.assistant = assistant
        self.entry = entry
        self.settled = asyncio.Event()
        self.slot: Slot | None = None
        self.elsewhere: int | None = None
        self.refused = 0

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
        slots.when_free(self.serve)

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
        place = Place(assistant, self._slots.enter(principal))
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
            place.entry.strike()
        elif place.elsewhere is not None:
            place.entry.strike()
        slot = place.take()
        if slot is not None:
            slot.release()

    def send_elsewhere(self, room: Sequence[int]) -> None:
        """Have those who wait longest ask other processes, as far as those have room.

        Args:
            room: The processes, each as often as it has room.
        """
        left = iter(room)
        may = {one: self._slots.may_have(one) for one in {place.assistant for place in self._queue}}
        for place in list(self._queue):
            if not may[place.assistant] or place.refused >= MAX_REFUSED:
                continue
            process = next(left, None)
            if process is None:
                return
            self._remove(place)
            place.elsewhere = process
            place.settled.set()

    def come_back(self, place: Place) -> None:
        """Wait again, before everybody else, as the other process had no room after all.

        Args:
            place: What was sent there.
        """
        place.elsewhere = None
        place.refused += 1
        place.settled.clear()
        self._queue = {place: None, **self._queue}
        self._positions = None
        self.serve()

    def close(self) -> None:
        """Send everybody away."""
        for place in list(self._queue):
            self._remove(place)
            place.entry.strike()
            place.settled.set()

    def _remove(self, place: Place) -> None:
        del self._queue[place]
        self._positions = None

    def serve(self) -> None:
        """Give out the slots that there are."""
        full: set[str] = set()
        for place in list(self._queue):
            if self._slots.taken >= self._slots.limits.total:
                return
            if place.assistant in full:
                continue
            place.slot = self._slots.take(place.entry, place.assistant)
            if place.slot is None:
                full.add(place.assistant)
                continue
            self._remove(place)
            place.settled.set()
