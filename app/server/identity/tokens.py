"""Bearer tokens of ours: made once, shown once, and kept as salted hashes.

A token is `tl_<id>_<secret>`. The id says which entry it belongs to and is no secret. The secret
has 256 bits from the system's generator, so one round of SHA-256 keeps it: nobody guesses it, and
a hash that is slow on purpose would let strangers keep the server busy.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.server.identity.principals import Principal, rights_of
from app.server.identity.wrong import EXPIRED_TOKEN, WRONG_TOKEN, WrongCredentialError

PREFIX = "tl_"
_ID_BYTES = 6
_SECRET_BYTES = 32
_SALT_BYTES = 16

# Letters and digits first, so that no name is mistaken for an option or for one that we give.
NAME = r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}"

Hex = Annotated[str, Field(pattern=r"^[0-9a-f]+$", max_length=128)]


class TokenEntry(BaseModel):
    """What is kept of one token.

    Attributes:
        id: Which token this is; a part of it, and no secret.
        name: The principal's name. Several tokens may have one name, for rotation.
        salt: What was hashed with the token.
        hash: SHA-256 of both.
        assistants: The assistants that it opens, or `*` for all.
        max_sessions: How many sessions the principal may have at a time.
        expires: When it ends; None for never.
        admin: Whether it administers the server.
        metrics: Whether it may see what the server counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Hex
    name: Annotated[str, Field(pattern=rf"^{NAME}$")]
    salt: Annotated[Hex, Field(min_length=2 * _SALT_BYTES)]
    hash: Annotated[Hex, Field(min_length=64, max_length=64, repr=False)]
    assistants: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = ()
    max_sessions: Annotated[int, Field(ge=1)] | None = None
    expires: datetime | None = None
    admin: bool = False
    metrics: bool = False

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name == "anonymous" or name.startswith(("token-", "admin-")):
            raise ValueError("names that begin with token- or admin- are those of the settings")
        return name

    @field_validator("expires")
    @classmethod
    def _has_a_zone(cls, expires: datetime | None) -> datetime | None:
        if expires is not None and expires.tzinfo is None:
            return expires.replace(tzinfo=UTC)
        return expires

    def principal(self) -> Principal:
        """Say who presents this token."""
        return Principal(
            self.name,
            rights_of(self.assistants),
            self.max_sessions,
            self.admin,
            None if self.expires is None else self.expires.timestamp(),
            self.metrics,
            self.id,
        )


def new_token(
    name: str,
    *,
    assistants: Iterable[str] = (),
    max_sessions: int | None = None,
    expires: datetime | None = None,
    admin: bool = False,
    metrics: bool = False,
) -> tuple[str, TokenEntry]:
    """Make a token.

    Args:
        name: The principal.
        assistants: See `TokenEntry`, as with the others.
        max_sessions: How many sessions.
        expires: When it ends.
        admin: Whether it administers.
        metrics: Whether it may see what the server counts.

    Returns:
        The token, which is kept nowhere, and what is kept of it.

    Raises:
        ValueError: If one of them is out of bounds.
    """
    identifier = secrets.token_hex(_ID_BYTES)
    token = f"{PREFIX}{identifier}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    salt = secrets.token_hex(_SALT_BYTES)
    return token, TokenEntry(
        id=identifier,
        name=name,
        salt=salt,
        hash=_hash(salt, token),
        assistants=tuple(assistants),
        max_sessions=max_sessions,
        expires=expires,
        admin=admin,
        metrics=metrics,
    )


def _hash(salt: str, token: str) -> str:
    return hashlib.sha256(f"{salt}:{token}".encode()).hexdigest()


# Compared with where nobody has the name, so that it takes as long.
_, _NOBODY = new_token("nobody")


class TokenTable:
    """The tokens that are valid."""

    def __init__(self, entries: Iterable[TokenEntry] = ()) -> None:
        """Remember the entries.

        Args:
            entries: One for each token.

        Raises:
            ValueError: If two have one id.
        """
        self._entries: dict[str, TokenEntry] = {}
        for entry in entries:
            if entry.id in self._entries:
                raise ValueError(f"two tokens have the id {entry.id}")
            self._entries[entry.id] = entry

    def __len__(self) -> int:
        """Count the tokens."""
        return len(self._entries)

    def of_id(self, identifier: str) -> Principal | None:
        """Tell whose token has an id; None if there is none, or not any more.

        Args:
            identifier: The id.
        """
        entry = self._entries.get(identifier)
        principal = None if entry is None else entry.principal()
        return None if principal is None or principal.expired else principal

    def find(self, token: str) -> Principal:
        """Tell whose token this is, in a time that says nothing of what is wrong with it.

        Args:
            token: What was presented.

        Raises:
            WrongCredentialError: If it is nobody's, or not any more.
        """
        identifier = token.removeprefix(PREFIX).partition("_")[0]
        entry = self._entries.get(identifier, _NOBODY)
        right = hmac.compare_digest(_hash(entry.salt, token), entry.hash)
        if not right or entry is _NOBODY:
            raise WrongCredentialError(WRONG_TOKEN)
        principal = entry.principal()
        if principal.expired:
            raise WrongCredentialError(EXPIRED_TOKEN)
        return principal
