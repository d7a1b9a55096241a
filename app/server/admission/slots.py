"""Slots: one for every session, taken before its socket is accepted.

Taking one is a single step of the event loop, so that however many callers come at once there are
never more sessions than there may be.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

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
        total: In all.
        per_principal: Of one principal that has no number of its own; None for as many as in all.
        per_assistant: With one assistant; None likewise.
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
    """The place of one session."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        """Take it.

        Args:
            give_back: Called once, when it is released.
        """
        self._give_back: Callable[[], None] | None = give_back

    def release(self) -> None:
        """Give it back; may be called again."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


class Slots:
    """The slots of one server."""

    def __init__(self, limits: SlotLimits) -> None:
        """Start with all of them free.

        Args:
            limits: How many there are.
        """
        self.limits = limits
        self._total = 0
        self._by_principal: Counter[str] = Counter()
        self._by_assistant: Counter[str] = Counter()
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
        self.check_own(principal)
        if not self.free_for(assistant):
            raise TurnedAwayError(FULL if self._total >= self.limits.total else ASSISTANT_FULL)
        return self.take(assistant, self.count(principal))

    def check_own(self, principal: Principal) -> None:
        """Refuse a principal that has as many as it may.

        Args:
            principal: Who.

        Raises:
            TurnedAwayError: 429.
        """
        cap = principal.max_sessions or self.limits.per_principal
        if cap is not None and self._by_principal[principal.name] >= cap:
            raise TurnedAwayError(OWN_CAP)

    def free_for(self, assistant: str) -> bool:
        """Tell whether there is a slot for a session with an assistant.

        Args:
            assistant: Its name.
        """
        cap = self.limits.per_assistant
        has_room = cap is None or self._by_assistant[assistant] < cap
        return has_room and self._total < self.limits.total

    def count(self, principal: Principal) -> Callable[[], None]:
        """Count somebody who has a session or waits for one; gives what ends that.

        Args:
            principal: Who.
        """
        self._by_principal[principal.name] += 1
        return lambda: _less(self._by_principal, principal.name)

    def take(self, assistant: str, release: Callable[[], None]) -> Slot:
        """Take a slot for somebody who is counted already.

        Args:
            assistant: For a session with whom; `free_for` has agreed.
            release: What `count` gave.
        """
        self._total += 1
        self._by_assistant[assistant] += 1

        def give_back() -> None:
            release()
            self._total -= 1
            _less(self._by_assistant, assistant)
            if self._on_free is not None:
                self._on_free()

        return Slot(give_back)


def _less(counter: Counter[str], name: str) -> None:
    counter[name] -= 1
    if counter[name] <= 0:
        del counter[name]
