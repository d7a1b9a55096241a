"""Finding out who somebody is, whichever way they show it."""

import hashlib
import hmac
from collections.abc import Sequence

from pydantic import SecretStr
from starlette.requests import HTTPConnection

from app.processes.ledger import Ledger
from app.server.identity.json_web_tokens import JwtVerifier, looks_like_jwt
from app.server.identity.principals import ANONYMOUS, Principal
from app.server.identity.rate_limit import FailureLimiter, OwnBuckets, SharedBuckets
from app.server.identity.tickets import PARAMETER, OwnTickets, SharedTickets, Tickets
from app.server.identity.token_file import TokenFile
from app.server.identity.tokens import TokenTable
from app.server.identity.wrong import NO_TOKEN, WRONG_TICKET, WrongCredentialError
from app.server.refusal import TurnedAwayError
from app.settings import Settings


class Identity:
    """Everybody who may come in.

    Attributes:
        tickets: The tickets that were not used yet.
    """

    def __init__(self, settings: Settings, ledger: Ledger | None = None) -> None:
        """Read what is valid.

        Args:
            settings: The settings.
            ledger: What is shared with other processes; None if there are none.

        Raises:
            SettingsError: If a file that they name cannot be used.
        """
        self.tickets: Tickets = OwnTickets() if ledger is None else SharedTickets(ledger)
        self._guarded = settings.guarded
        self._plain = [
            *_named(settings.tokens, "token", assistants=None),
            *_named(settings.admin_tokens, "admin", admin=True),
        ]
        path = settings.principals_file
        self._file = None if path is None else TokenFile(path)
        self._jwts = JwtVerifier.of(settings)
        wrong = settings.wrong_tokens_per_minute
        self._failures = FailureLimiter(
            OwnBuckets(wrong) if ledger is None else SharedBuckets(wrong, ledger)
        )

    async def close(self) -> None:
        """Give up what goes on in the background."""
        if self._jwts is not None:
            await self._jwts.close()

    async def identify(self, connection: HTTPConnection, assistant: str | None = None) -> Principal:
        """Tell who this is.

        Args:
            connection: A request or a WebSocket that was not accepted yet.
            assistant: What a ticket in its address has to be for; None where tickets are not
                taken.

        Raises:
            TurnedAwayError: 401 without a credential, 403 with a wrong one, 429 after too many
                wrong ones, 503 if it cannot be looked at now.
        """
        token = _bearer(connection)
        ticket = None
        if token is None and assistant is not None:
            ticket = connection.query_params.get(PARAMETER)
        if token is None and ticket is None:
            if self._guarded:
                raise TurnedAwayError(NO_TOKEN)
            return ANONYMOUS
        if not self._guarded and not self._plain and ticket is None:
            return ANONYMOUS  # there is nothing to compare it with
        address = connection.client.host if connection.client is not None else ""
        self._failures.check(address)
        try:
            if ticket is not None:
                assert assistant is not None
                return self._as_now(self.tickets.redeem(ticket, assistant))
            assert token is not None
            return await self._of_token(token)
        except WrongCredentialError:
            self._failures.count(address)
            raise

    async def _of_token(self, token: str) -> Principal:
        given = token.encode()
        # Every one is compared, in constant time, so that the time tells nothing.
        matches = [hmac.compare_digest(given, held) for held, _ in self._plain]
        if any(matches):
            return self._plain[matches.index(True)][1]
        if self._jwts is not None and looks_like_jwt(token):
            return await self._jwts.find(token)
        return self._tokens().find(token)

    def _tokens(self) -> TokenTable:
        return TokenTable() if self._file is None else self._file.tokens()

    def _as_now(self, invited: Principal) -> Principal:
        """Tell what somebody may do now who was given a ticket a while ago.

        Args:
            invited: Who that was.

        Raises:
            WrongCredentialError: If the token that the ticket was asked for with was taken back.
        """
        if not invited.credential:
            return invited  # JWTs are not taken back; when they end is in the ticket
        for _, held in self._plain:
            if held.credential == invited.credential:
                return held
        principal = self._tokens().of_id(invited.credential)
        if principal is None:
            raise WrongCredentialError(WRONG_TICKET)
        return principal


def _bearer(connection: HTTPConnection) -> str | None:
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    return given.strip() or None if scheme.lower() == "bearer" else None


def _named(
    tokens: Sequence[SecretStr],
    word: str,
    *,
    assistants: frozenset[str] | None = frozenset(),
    admin: bool = False,
) -> list[tuple[bytes, Principal]]:
    found = []
    for place, token in enumerate(tokens, 1):
        secret = token.get_secret_value().encode()
        # By what it is and not by its place, which another has once it is taken out.
        credential = hashlib.sha256(b"credential:" + secret).hexdigest()
        name = f"{word}-{place}"
        found.append((secret, Principal(name, assistants, admin=admin, credential=credential)))
    return found
