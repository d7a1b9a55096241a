"""Credentials that do not let anybody in, and what their bearers are told."""

from http import HTTPStatus

from app.server.refusal import Refusal, TurnedAwayError

NO_TOKEN = Refusal(
    HTTPStatus.UNAUTHORIZED, "no_token", "send an Authorization header: Bearer <token>"
)
WRONG_TOKEN = Refusal(HTTPStatus.FORBIDDEN, "wrong_token", "this token is not valid here")
EXPIRED_TOKEN = Refusal(HTTPStatus.FORBIDDEN, "expired_token", "this token was valid once")
WRONG_TICKET = Refusal(
    HTTPStatus.FORBIDDEN, "wrong_ticket", "this ticket is not valid here, or not any more"
)
NOT_ADMIN = Refusal(HTTPStatus.FORBIDDEN, "not_admin", "this takes the rights of an administrator")
NO_METRICS = Refusal(
    HTTPStatus.FORBIDDEN, "no_metrics", "this takes the right to see metrics, or to administer"
)
NOT_ALLOWED = Refusal(
    HTTPStatus.FORBIDDEN, "not_allowed", "this token does not open this assistant"
)


class WrongCredentialError(TurnedAwayError):
    """A credential was shown that is not good; whoever shows too many is not listened to."""
