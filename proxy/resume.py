"""What it takes to come back to a session after a connection was lost."""

import hmac
import secrets
from dataclasses import dataclass, field


def _new_token() -> str:
    return secrets.token_urlsafe(24)


@dataclass
class ResumeKey:
    """The secret of one session, new after each use.

    Attributes:
        session: The session's id.
        token: What the caller was told last.
    """

    session: str
    token: str = field(default_factory=_new_token, repr=False)
    _previous: str | None = field(default=None, repr=False)

    def fits(self, session: str | None, token: str | None) -> bool:
        """Tell whether somebody who comes back is who was here, in constant time.

        Args:
            session: The id that is asked for.
            token: The secret that is shown.
        """
        if session != self.session or token is None:
            return False
        given = token.encode()
        # The answer that carried the newest one may have been lost with its connection.
        known = [self.token, self._previous or self.token]
        return any(hmac.compare_digest(given, held.encode()) for held in known)

    def rotate(self, shown: str | None) -> None:
        """Make a new secret.

        Args:
            shown: The one that the caller has; it stays good until the caller has the new one.
        """
        self._previous, self.token = shown, _new_token()

    def confirm(self) -> None:
        """Forget the last secret: the caller has the new one."""
        self._previous = None
