"""The door: who may come in, decided before a socket is accepted.

Every refusal is an HTTP answer with a problem document, so that a client learns why.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi.responses import JSONResponse
from pydantic import SecretStr
from starlette.requests import HTTPConnection

PROBLEM_TYPE = "application/problem+json"

# The name of callers on a server without tokens.
ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818  # it is an answer, not an error
    """Why somebody may not come in.

    Attributes:
        status: The HTTP status.
        code: A word for programs.
        detail: A sentence for people.
    """

    status: HTTPStatus
    code: str
    detail: str

    def response(self) -> JSONResponse:
        """Write the refusal as a problem document.

        Source: RFC 9457.
        """
        headers = {"WWW-Authenticate": "Bearer"} if self.status == HTTPStatus.UNAUTHORIZED else None
        body = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "code": self.code,
            "detail": self.detail,
        }
        return JSONResponse(body, status_code=self.status, headers=headers, media_type=PROBLEM_TYPE)


class Door:
    """Checks bearer tokens."""

    def __init__(self, tokens: Sequence[SecretStr]) -> None:
        """Remember the tokens that are valid.

        Args:
            tokens: The tokens; without any, everybody is let in as anonymous.
        """
        self._tokens = [token.get_secret_value().encode() for token in tokens]

    def admit(self, connection: HTTPConnection) -> str:
        """Tell who is at the door.

        Args:
            connection: A request or a WebSocket that was not accepted yet.

        Returns:
            The caller's name.

        Raises:
            Refusal: 401 without a bearer token, 403 with a wrong one.
        """
        if not self._tokens:
            return ANONYMOUS
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise Refusal(
                HTTPStatus.UNAUTHORIZED, "no_token", "send an Authorization header: Bearer <token>"
            )
        # Every token is compared, in constant time, so that the time tells nothing.
        matches = [hmac.compare_digest(given.strip().encode(), token) for token in self._tokens]
        if not any(matches):
            raise Refusal(HTTPStatus.FORBIDDEN, "wrong_token", "this token is not valid here")
        return f"token-{matches.index(True) + 1}"
