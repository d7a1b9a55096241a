"""Slots: one for every session, taken before its socket is accepted.

Taking one is a single step of the event loop, so that however many callers come at once there are
never more sessions than there may be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from app.processes.ledger import LedgerError
from app.server.admission.book import Book, Entry, OwnBook
from app.server.identity import Principal
from app.server.refusal import Refusal, TurnedAwayError
from app.settings import Settings

# A conversation lasts minutes, so a slot is free again soon.
RETRY_S = 5

FULL = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "full", "the server has no session to spare", RETRY_S
)
ASSISTANT_FULL = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "assistant_full",
    "this assistant has no session to spare",
    RETRY_S,
)
OWN_CAP = Refusal(
    HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_sessions",
    "this caller has as many sessions as it may have",
    RETRY_S,
)


@dataclass(frozen=True)
class SlotLimits:
    """How many sessions there may be.

    Attributes:
        total: In this process.
        per_principal: Of one principal that has no number of its own, in the whole server; None
            for as many as there are.
        per_assistant: With one assistant; likewise.
    """

    total: int
    per_principal: int | None = None
    per_assistant: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> "SlotLimits":
        """Read them off the settings."""
        return cls(
            settings.max_sessions,
            settings.max_sessions_per_principal,
            settings.max_sessions_per_assistant,
        )


class Slot:
    """The place of one session.

    Attributes:
        number: Its place in the order of all slots of the server that were ever taken.
    """

    def __init__(self, number: int, give_back: Callable[[], None]) -> None:
        """Take it.

        Args:
            number: Its number.
            give_back: Called once, when it is released.
        """
        self.number = number
        self._give_back: Callable[[], None] | None = give_back

    def release(self) -> None:
        """Give it back; may be called again."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


class Slots:
    """The slots of one process."""

    def __init__(self, limits: SlotLimits, book: Book | None = None) -> None:
        """Start with all of them free.

        Args:
            limits: How many there are.
            book: Who has one, by principal and assistant; None for a book of its own.
        """
        self.limits = limits
        self._book: Book = book or OwnBook()
        self._total = 0
        self._on_free: Callable[[], None] | None = None

    @property
    def taken(self) -> int:
        """How many are taken."""
        return self._total

    def when_free(self, tell: Callable[[], None]) -> None:
        """Have somebody told whenever one is given back.

        Args:
            tell: Called in the same step of the event loop.
        """
        self._on_free = tell

    def reserve(self, principal: Principal, assistant: str) -> Slot:
        """Take a slot.

        Args:
            principal: For whom.
            assistant: For a session with whom.

        Raises:
            TurnedAwayError: 429 if the principal has as many as it may, 503 if there is none.
        """
        entry = self.enter(principal)
        slot = self.take(entry, assistant)
        if slot is None:
            entry.strike()
            raise TurnedAwayError(FULL if self._total >= self.limits.total else ASSISTANT_FULL)
        return slot

    def enter(self, principal: Principal) -> Entry:
        """Count somebody who has a session or waits for one.

        Args:
            principal: Who.

        Raises:
            TurnedAwayError: 429 if the principal has as many as it may.
        """
        try:
            entry = self._book.enter(
                principal.name, principal.max_sessions or self.limits.per_principal
            )
        except LedgerError:
            raise TurnedAwayError(FULL) from None
        if entry is None:
            raise TurnedAwayError(OWN_CAP)
        return entry

    def take_over(self, number: int, assistant: str) -> Slot | None:
        """Take a slot for somebody whom another process counted; None if there is none.

        Args:
            number: The number of the entry, which stays with that process if there is none.
            assistant: For a session with whom.
        """
        entry = self._book.found(number)
        return None if entry is None else self.take(entry, assistant)

    def may_have(self, assistant: str) -> bool:
        """Tell whether there may be one more session with an assistant, in whichever process.

        Args:
            assistant: Which.
        """
        try:
            return self._book.has_room(assistant, self.limits.per_assistant)
        except LedgerError:
            return False

    def take(self, entry: Entry, assistant: str) -> Slot | None:
        """Take a slot for somebody who is counted already; None if there is none.

        Args:
            entry: What `enter` gave. It is struck when the slot is released.
            assistant: For a session with whom.
        """
        if self._total >= self.limits.total:
            return None
        try:
            if not entry.seat(assistant, self.limits.per_assistant):
                return None
        except LedgerError:
            return None
        self._total += 1

        def give_back() -> None:
            entry.strike()
            self._total -= 1
            if self._on_free is not None:
                self._on_free()

        return Slot(entry.number, give_back)
