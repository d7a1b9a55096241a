"""Who has a session or waits for one, and with whom: by principal and by assistant.

A server that is one process keeps it to itself; several processes keep one book together, so that
a principal has as many sessions as it may in all of them, and not in each.
"""

from collections import Counter
from typing import Protocol

from app.processes.ledger import Ledger


class Entry(Protocol):
    """One caller's entry.

    Attributes:
        number: Its place in the order of all entries of the server.
    """

    number: int

    def seat(self, assistant: str, cap: int | None) -> bool:
        """Note that the caller has a session now.

        Args:
            assistant: With whom.
            cap: How many there may be with this assistant; None for as many as come.

        Returns:
            Whether there is one left.

        Raises:
            LedgerError: If that cannot be told.
        """

    def strike(self) -> None:
        """Remove the entry; once."""


class Book(Protocol):
    """The entries of a server."""

    def enter(self, principal: str, cap: int | None) -> Entry | None:
        """Make an entry.

        Args:
            principal: Whose.
            cap: How many it may have; None for as many as it likes.

        Returns:
            The entry, or None if the principal has as many as it may.

        Raises:
            LedgerError: If that cannot be told.
        """

    def has_room(self, assistant: str, cap: int | None) -> bool:
        """Tell whether there is a session left.

        Args:
            assistant: With whom.
            cap: How many there may be; None for as many as come.

        Raises:
            LedgerError: If that cannot be told.
        """

    def found(self, number: int) -> Entry | None:
        """Find an entry that another process made; None where there is no other.

        Args:
            number: Its number.
        """


class OwnBook:
    """The book of a process that is the whole server."""

    def __init__(self) -> None:
        """Start without entries."""
        self._count = 0
        self._by_principal: Counter[str] = Counter()
        self._by_assistant: Counter[str] = Counter()

    def enter(self, principal: str, cap: int | None) -> "OwnEntry | None":
        """Make an entry; see `Book.enter`."""
        if cap is not None and self._by_principal[principal] >= cap:
            return None
        self._by_principal[principal] += 1
        self._count += 1
        return OwnEntry(self, principal, self._count)

    def has_room(self, assistant: str, cap: int | None) -> bool:
        """Tell whether there is a session left; see `Book.has_room`."""
        return cap is None or self._by_assistant[assistant] < cap

    def found(self, number: int) -> None:
        """Find nothing: no other process makes entries; see `Book.found`."""

    def seat(self, assistant: str) -> None:
        """Count a session.

        Args:
            assistant: With whom.
        """
        self._by_assistant[assistant] += 1

    def strike(self, principal: str, assistant: str | None) -> None:
        """Count somebody no more.

        Args:
            principal: Who.
            assistant: With whom it had a session; None if it had none.
        """
        _less(self._by_principal, principal)
        if assistant is not None:
            _less(self._by_assistant, assistant)


class OwnEntry:
    """An entry of `OwnBook`."""

    def __init__(self, book: OwnBook, principal: str, number: int) -> None:
        """Note whose it is; see `Entry`."""
        self.number = number
        self._book = book
        self._principal = principal
        self._assistant: str | None = None

    def seat(self, assistant: str, cap: int | None) -> bool:
        """Note that there is a session; see `Entry.seat`."""
        if not self._book.has_room(assistant, cap):
            return False
        self._assistant = assistant
        self._book.seat(assistant)
        return True

    def strike(self) -> None:
        """Remove the entry; see `Entry.strike`."""
        self._book.strike(self._principal, self._assistant)


class SharedBook:
    """The book that several processes keep together."""

    def __init__(self, ledger: Ledger, place: int) -> None:
        """Open it.

        Args:
            ledger: Where it is.
            place: This process.
        """
        self._ledger = ledger
        self._place = place

    def enter(self, principal: str, cap: int | None) -> "SharedEntry | None":
        """Make an entry; see `Book.enter`."""
        made = self._ledger.rows(
            "INSERT INTO entries (place, principal) SELECT ?1, ?2 WHERE ?3 IS NULL"
            " OR (SELECT count(*) FROM entries WHERE principal = ?2) < ?3 RETURNING number",
            *(self._place, principal, cap),
        )
        return SharedEntry(self._ledger, made[0][0], self._place) if made else None

    def has_room(self, assistant: str, cap: int | None) -> bool:
        """Tell whether there is a session left; see `Book.has_room`."""
        if cap is None:
            return True
        counted = self._ledger.rows("SELECT count(*) FROM entries WHERE assistant = ?", assistant)
        return int(counted[0][0]) < cap

    def found(self, number: int) -> "SharedEntry":
        """Find an entry that another process made; see `Book.found`."""
        return SharedEntry(self._ledger, number, self._place)


class SharedEntry:
    """An entry of `SharedBook`."""

    def __init__(self, ledger: Ledger, number: int, place: int) -> None:
        """Note which it is; see `Entry`.

        Args:
            ledger: Where it is.
            number: Its number.
            place: The process that is to have the session; another one may have made the entry.
        """
        self.number = number
        self._ledger = ledger
        self._place = place

    def seat(self, assistant: str, cap: int | None) -> bool:
        """Note that there is a session; see `Entry.seat`."""
        changed = self._ledger.run(
            "UPDATE entries SET assistant = ?1, place = ?4 WHERE number = ?2 AND (?3 IS NULL"
            " OR (SELECT count(*) FROM entries WHERE assistant = ?1) < ?3)",
            *(assistant, self.number, cap, self._place),
        )
        return changed == 1

    def strike(self) -> None:
        """Remove the entry, now or soon; see `Entry.strike`."""
        self._ledger.run_sooner_or_later("DELETE FROM entries WHERE number = ?", self.number)


def _less(counter: Counter[str], name: str) -> None:
    counter[name] -= 1
    if counter[name] <= 0:
        del counter[name]
