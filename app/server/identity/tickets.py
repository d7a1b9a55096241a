"""Tickets: what lets a client in that cannot set headers, once and soon.

A browser's WebSocket has no headers, so what lets it in stands in its address, and addresses are
written down on the way. A ticket is worth nothing after its first use or after a minute.
"""

import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

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


class TicketOffice:
    """The tickets that were not used yet; kept as hashes."""

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
        """Make a ticket.

        Args:
            principal: Who will come.
            assistant: What for.

        Raises:
            TurnedAwayError: 429 if this principal, 503 if everybody has too many.
        """
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
        """Take a ticket, which is worth nothing afterwards.

        Args:
            ticket: What was shown.
            assistant: What it was shown for.

        Raises:
            WrongCredentialError: If it is not one of these, was used, is too old, or is for
                another assistant.
        """
        # Found by its hash: how long that takes says nothing of the ticket.
        held = self._remove(_digest(ticket))
        late = held is not None and held.good_until <= self._clock()
        if held is None or late or held.assistant != assistant or held.principal.expired:
            raise WrongCredentialError(WRONG_TICKET)
        return held.principal

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


def _digest(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode()).digest()
