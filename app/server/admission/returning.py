"""Connections of callers who say that they come back, until they say to what.

They take no slot, as their session has one. A bound of their own keeps somebody with a right token
from holding any number of sockets by saying that and no more.
"""

from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

from app.server.admission.slots import SlotLimits
from app.server.identity import Principal
from app.server.refusal import Refusal, TurnedAwayError

# Of a principal that has all its sessions come back at once, each once over: the first attempt may
# be lost on the way, and is noticed only when its hello does not come.
PER_SESSION = 2

# A hello comes right behind the handshake.
RETRY_S = 1

OWN = Refusal(
    HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_returning",
    "too many connections of this caller say that they come back, and not to what",
    RETRY_S,
)
ALL = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too_many_returning",
    "too many connections say that they come back, and not to what",
    RETRY_S,
)


class Returning:
    """The connections of one process that come back and have not said hello."""

    def __init__(self, limits: SlotLimits) -> None:
        """Start with none.

        Args:
            limits: How many sessions there may be. As many may come back at once.
        """
        self._limits = limits
        self._total = 0
        self._by_principal: Counter[str] = Counter()

    def enter(self, principal: Principal) -> Callable[[], None]:
        """Count a connection.

        Args:
            principal: Whose.

        Returns:
            What counts it no more; to be called once.

        Raises:
            TurnedAwayError: 429 if the principal has too many, 503 if there are too many.
        """
        cap = principal.max_sessions or self._limits.per_principal or self._limits.total
        if self._by_principal.get(principal.name, 0) >= cap * PER_SESSION:
            raise TurnedAwayError(OWN)
        if self._total >= self._limits.total * PER_SESSION:
            raise TurnedAwayError(ALL)
        self._by_principal[principal.name] += 1
        self._total += 1

        def leave() -> None:
            self._total -= 1
            self._by_principal[principal.name] -= 1
            if not self._by_principal[principal.name]:
                del self._by_principal[principal.name]

        return leave
