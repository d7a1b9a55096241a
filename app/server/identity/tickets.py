"""Tickets: what lets a client in that cannot set headers, once and soon.

A browser's WebSocket has no headers, so what lets it in stands in its address, and addresses are
written down on the way. A ticket is worth nothing after its first use or after a minute.
"""

import hashlib
import json
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Protocol

from app.processes.ledger import Ledger, LedgerError
from app.server.identity.principals import Principal
from app.server.identity.wrong import WRONG_TICKET, WrongCredentialError
from app.server.refusal import Refusal, TurnedAwayError

# The parameter of the address.
PARAMETER = "ticket"

# A page that asks for a ticket uses it at once.
LIFETIME_S = 60.0

# Ten thousand are 4 MB. One principal cannot take them all.
MAX_TICKETS = 10_000
MAX_PER_PRINCIPAL = 1_000

_SECRET_BYTES = 32

_TOO_MANY = Refusal(
    HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_tickets",
    "too many tickets were not used yet",
    int(LIFETIME_S),
)
_NONE_LEFT = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "no_tickets", "the server has no ticket left", int(LIFETIME_S)
)


@dataclass(frozen=True)
class _Ticket:
    """What is kept of one ticket."""

    principal: Principal
    assistant: str
    good_until: float


class Tickets(Protocol):
    """The tickets that were not used yet; kept as hashes."""

    def __len__(self) -> int:
        """Count the tickets that may still be used."""

    def issue(self, principal: Principal, assistant: str) -> str:
        """Make a ticket.

        Args:
            principal: Who will come.
            assistant: What for.

        Raises:
            TurnedAwayError: 429 if this principal, 503 if everybody has too many.
        """

    def redeem(self, ticket: str, assistant: str) -> Principal:
        """Take a ticket, which is worth nothing afterwards.

        Args:
            ticket: What was shown.
            assistant: What it was shown for.

        Raises:
            WrongCredentialError: If it is not one of these, was used, is too old, or is for
                another assistant.
        """


class OwnTickets:
    """The tickets of a process that is the whole server."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without tickets.

        Args:
            clock: Tells the time in seconds.
        """
        self._clock = clock
        self._tickets: dict[bytes, _Ticket] = {}
        self._by_principal: Counter[str] = Counter()

    def __len__(self) -> int:
        """Count the tickets that may still be used."""
        self._forget_old()
        return len(self._tickets)

    def issue(self, principal: Principal, assistant: str) -> str:
        """Make a ticket; see `Tickets.issue`."""
        self._forget_old()
        if self._by_principal[principal.name] >= MAX_PER_PRINCIPAL:
            raise TurnedAwayError(_TOO_MANY)
        if len(self._tickets) >= MAX_TICKETS:
            raise TurnedAwayError(_NONE_LEFT)
        ticket = secrets.token_urlsafe(_SECRET_BYTES)
        good_until = self._clock() + LIFETIME_S
        self._tickets[_digest(ticket)] = _Ticket(principal, assistant, good_until)
        self._by_principal[principal.name] += 1
        return ticket

    def redeem(self, ticket: str, assistant: str) -> Principal:
        """Take a ticket; see `Tickets.redeem`."""
        # Found by its hash: how long that takes says nothing of the ticket.
        return _checked(self._remove(_digest(ticket)), assistant, self._clock())

    def _forget_old(self) -> None:
        # In the order of their age, as all are good for equally long.
        now = self._clock()
        while self._tickets:
            oldest = next(iter(self._tickets))
            if self._tickets[oldest].good_until > now:
                return
            self._remove(oldest)

    def _remove(self, digest: bytes) -> _Ticket | None:
        held = self._tickets.pop(digest, None)
        if held is not None:
            name = held.principal.name
            self._by_principal[name] -= 1
            if not self._by_principal[name]:
                del self._by_principal[name]
        return held


class SharedTickets:
    """The tickets of several processes: what one has made is good in any of them, once."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.monotonic) -> None:
        """Open them.

        Args:
            ledger: Where they are.
            clock: Tells the time in seconds, the same in every process.
        """
        self._ledger = ledger
        self._clock = clock

    def __len__(self) -> int:
        """Count the tickets that may still be used."""
        self._forget_old()
        return int(self._ledger.rows("SELECT count(*) FROM tickets")[0][0])

    def issue(self, principal: Principal, assistant: str) -> str:
        """Make a ticket; see `Tickets.issue`."""
        ticket = secrets.token_urlsafe(_SECRET_BYTES)
        good_until = self._clock() + LIFETIME_S
        counts = "(SELECT count(*) FROM tickets WHERE principal = ?2) < ?6"
        everybodys = "(SELECT count(*) FROM tickets) < ?7"
        values = (_digest(ticket), principal.name, _rights(principal), assistant, good_until)
        caps = (MAX_PER_PRINCIPAL, MAX_TICKETS)
        try:
            self._forget_old()
            made = self._ledger.run(
                f"INSERT INTO tickets SELECT ?1, ?2, ?3, ?4, ?5 WHERE {counts} AND {everybodys}",
                *(*values, *caps),
            )
            if made == 1:
                return ticket
            own = self._ledger.rows(
                "SELECT count(*) FROM tickets WHERE principal = ?", principal.name
            )
        except LedgerError:
            raise TurnedAwayError(_NONE_LEFT) from None
        raise TurnedAwayError(_TOO_MANY if own[0][0] >= MAX_PER_PRINCIPAL else _NONE_LEFT)

    def redeem(self, ticket: str, assistant: str) -> Principal:
        """Take a ticket; see `Tickets.redeem`."""
        try:
            taken = self._ledger.rows(
                "DELETE FROM tickets WHERE digest = ? RETURNING principal, rights, assistant,"
                " good_until",
                _digest(ticket),
            )
        except LedgerError:
            raise TurnedAwayError(_NONE_LEFT) from None
        held = None
        if taken:
            name, rights, meant_for, good_until = taken[0]
            held = _Ticket(_principal(name, rights), meant_for, good_until)
        return _checked(held, assistant, self._clock())

    def _forget_old(self) -> None:
        self._ledger.run("DELETE FROM tickets WHERE good_until <= ?", self._clock())


def _checked(held: _Ticket | None, assistant: str, now: float) -> Principal:
    """Tell whose ticket was taken, if it was good."""
    late = held is not None and held.good_until <= now
    if held is None or late or held.assistant != assistant or held.principal.expired:
        raise WrongCredentialError(WRONG_TICKET)
    return held.principal


def _rights(principal: Principal) -> str:
    rights = asdict(principal)
    if principal.assistants is not None:
        rights["assistants"] = sorted(principal.assistants)
    return json.dumps(rights)


def _principal(name: str, rights: str) -> Principal:
    given = {**json.loads(rights), "name": name}
    assistants = given["assistants"]
    given["assistants"] = None if assistants is None else frozenset(assistants)
    return Principal(**given)


def _digest(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode()).digest()
