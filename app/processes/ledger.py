"""What the processes of one server share: who holds what, and how each of them is.

A file of SQLite in a directory that only this user can read. Whatever has to be atomic over all
processes is one statement, which takes some tens of microseconds; a process that is killed in the
middle of one leaves nothing half done.
"""

import sqlite3
from pathlib import Path
from typing import Any

from loguru import logger

NAME = "ledger.sqlite3"

# A statement of another process takes microseconds. Beyond this, somebody holds the file, and a
# caller is better told to come again than kept, with everybody else on the loop.
BUSY_TIMEOUT_S = 0.25

# Since an attempt that failed, at most so many removals are remembered.
MAX_OWED = 10_000

_SCHEMA = """
CREATE TABLE server (draining INTEGER NOT NULL);
INSERT INTO server VALUES (0);
CREATE TABLE processes (
    place INTEGER PRIMARY KEY, state TEXT NOT NULL, seen_at REAL NOT NULL,
    sessions INTEGER NOT NULL, started INTEGER NOT NULL,
    taken INTEGER NOT NULL, unsettled INTEGER NOT NULL
);
CREATE TABLE entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT, place INTEGER NOT NULL,
    principal TEXT NOT NULL, assistant TEXT
);
CREATE INDEX entries_principal ON entries (principal);
CREATE INDEX entries_assistant ON entries (assistant);
CREATE TABLE tickets (
    digest BLOB PRIMARY KEY, principal TEXT NOT NULL, rights TEXT NOT NULL,
    assistant TEXT NOT NULL, good_until REAL NOT NULL
);
CREATE INDEX tickets_principal ON tickets (principal);
CREATE INDEX tickets_good_until ON tickets (good_until);
CREATE TABLE mistakes (network TEXT PRIMARY KEY, level REAL NOT NULL, filled_at REAL NOT NULL);
CREATE INDEX mistakes_filled_at ON mistakes (filled_at);
"""


class LedgerError(Exception):
    """The ledger cannot be read or written now."""


class Ledger:
    """One process's hold on the ledger; for one thread."""

    def __init__(self, directory: Path) -> None:
        """Open the ledger, which `make` made.

        Args:
            directory: Where it is.

        Raises:
            LedgerError: If it cannot be opened.
        """
        self._owed: list[tuple[str, tuple[Any, ...]]] = []
        try:
            self._file = sqlite3.connect(
                f"file:{directory / NAME}?mode=rw",
                uri=True,
                timeout=BUSY_TIMEOUT_S,
                isolation_level=None,
            )
            self._file.execute("PRAGMA synchronous = OFF")  # nobody needs it after a power cut
        except sqlite3.Error as error:
            raise LedgerError(type(error).__name__) from None

    @classmethod
    def make(cls, directory: Path) -> "Ledger":
        """Make a new one.

        Args:
            directory: Where to; readable by this user alone.

        Raises:
            LedgerError: If it cannot be written there.
        """
        try:
            file = sqlite3.connect(directory / NAME, isolation_level=None)
            # What is half written when a process is killed is not looked at by the others.
            file.execute("PRAGMA journal_mode = WAL")
            file.executescript(_SCHEMA)
            file.close()
        except sqlite3.Error as error:
            raise LedgerError(type(error).__name__) from None
        return cls(directory)

    def close(self) -> None:
        """Let go of it; may be called again."""
        self._file.close()

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement, all or nothing, and give what it returns.

        Args:
            statement: SQL.
            *values: Its parameters.

        Raises:
            LedgerError: If it cannot be run.
        """
        try:
            return self._file.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(type(error).__name__) from None

    def run(self, statement: str, *values: Any) -> int:
        """Run one statement, all or nothing, and tell how many rows it changed.

        Args:
            statement: SQL.
            *values: Its parameters.

        Raises:
            LedgerError: If it cannot be run.
        """
        try:
            return self._file.execute(statement, values).rowcount
        except sqlite3.Error as error:
            raise LedgerError(type(error).__name__) from None

    def run_sooner_or_later(self, statement: str, *values: Any) -> None:
        """Run one statement now, or with `settle` if that cannot be.

        Args:
            statement: SQL that gives something back, and may come late.
            *values: Its parameters.
        """
        try:
            self.run(statement, *values)
        except LedgerError:
            if len(self._owed) < MAX_OWED:
                self._owed.append((statement, values))

    def settle(self) -> None:
        """Run what is owed.

        Raises:
            LedgerError: If it cannot be run yet.
        """
        while self._owed:
            statement, values = self._owed[0]
            self.run(statement, *values)
            del self._owed[0]

    @property
    def draining(self) -> bool:
        """Whether the whole server is being stopped.

        Raises:
            LedgerError: If it cannot be told.
        """
        return bool(self.rows("SELECT draining FROM server")[0][0])

    def drain(self) -> None:
        """Say that the whole server is being stopped.

        Raises:
            LedgerError: If it cannot be written.
        """
        self.run("UPDATE server SET draining = 1")

    def forget(self, place: int) -> None:
        """Remove what a process held that has ended, or is about to; tickets stay good.

        Args:
            place: The process.
        """
        for table in ("entries", "processes"):
            try:
                self.run(f"DELETE FROM {table} WHERE place = ?", place)
            except LedgerError as error:
                logger.warning(f"The ledger keeps what process {place} held: {error}")

    def forget_entries(self, place: int) -> None:
        """Count the sessions of a process no more: their callers are about to come elsewhere.

        Args:
            place: The process.
        """
        self.run_sooner_or_later("DELETE FROM entries WHERE place = ?", place)
