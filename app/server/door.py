"""The door: who may come in, decided before a socket is accepted.

Every refusal is an HTTP answer with a problem document, so that a client learns why.
"""

import hmac
from collections.abc import Sequence
from http import HTTPStatus

from pydantic import SecretStr
from starlette.requests import HTTPConnection

from app.server.origins import OriginRules
from app.server.refusal import Refusal, TurnedAwayError

# The name of callers on a server without tokens.
ANONYMOUS = "anonymous"


class Door:
    """Checks bearer tokens, and from which pages browsers come."""

    def __init__(self, tokens: Sequence[SecretStr], allowed_origins: Sequence[str] = ()) -> None:
        """Remember what is valid.

        Args:
            tokens: The tokens; without any, everybody on this machine is let in as anonymous.
            allowed_origins: Origins of pages that may connect; see `OriginRules`.
        """
        self._tokens = [token.get_secret_value().encode() for token in tokens]
        self._origins = OriginRules(allowed_origins, loopback_only=not tokens)

    def admit(self, connection: HTTPConnection) -> str:
        """Tell who is at the door.

        Args:
            connection: A request or a WebSocket that was not accepted yet.

        Returns:
            The caller's name.

        Raises:
            TurnedAwayError: 403 from a page that may not connect, 401 without a bearer token, 403
                with a wrong one.
        """
        self._origins.check(connection)
        if not self._tokens:
            return ANONYMOUS
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise TurnedAwayError(
                Refusal(
                    HTTPStatus.UNAUTHORIZED,
                    "no_token",
                    "send an Authorization header: Bearer <token>",
                )
            )
        # Every token is compared, in constant time, so that the time tells nothing.
        matches = [hmac.compare_digest(given.strip().encode(), token) for token in self._tokens]
        if not any(matches):
            raise TurnedAwayError(
                Refusal(HTTPStatus.FORBIDDEN, "wrong_token", "this token is not valid here")
            )
        return f"token-{matches.index(True) + 1}"
