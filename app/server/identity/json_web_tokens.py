"""JWTs: checked with the keys of whoever issues them, and read as the rights of a principal.

| claim | what it says |
|---|---|
| `sub` | the principal's name; it has `jwt:` in front here |
| `exp`, `nbf`, `iss`, `aud` | as RFC 7519 has them; all but `nbf` have to be there |
| `trunkline_assistants` | a list of assistants, or one text of them with spaces; `*` is all |
| `trunkline_max_sessions` | how many sessions at a time |
| `trunkline_admin` | `true` for an administrator |
| `trunkline_metrics` | `true` for whoever reads `/metrics` |

A setting puts something else in front of the names of the last four.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import jwt

from app.errors import SettingsError
from app.server.identity.keys import FileKey, Keys, RemoteKeys
from app.server.identity.principals import Principal, rights_of
from app.server.identity.wrong import EXPIRED_TOKEN, WRONG_TOKEN, WrongCredentialError
from app.server.refusal import Refusal
from app.server_settings import PUBLIC_KEY_ALGORITHMS, ServerSettings

# Clocks differ.
LEEWAY_S = 30.0

MAX_NAME_CHARS = 128
MAX_KEY_ID_CHARS = 256

_BAD_CLAIMS = Refusal(
    HTTPStatus.FORBIDDEN, "bad_claims", "this token says something of its rights that is no right"
)


@dataclass(frozen=True)
class JwtRules:
    """What a JWT has to be.

    Attributes:
        issuer: Who issued it.
        audience: Whom it is for.
        algorithms: How it may be signed.
        prefix: What stands in front of our claims.
    """

    issuer: str
    audience: str
    algorithms: frozenset[str]
    prefix: str


class JwtVerifier:
    """Tells who presents a JWT."""

    def __init__(self, keys: Keys, rules: JwtRules) -> None:
        """Prepare.

        Args:
            keys: The keys.
            rules: What a JWT has to be.
        """
        self._keys = keys
        self._rules = rules
        self._algorithms = sorted(rules.algorithms & keys.algorithms)

    @classmethod
    def of(cls, settings: ServerSettings) -> "JwtVerifier | None":
        """Make what the settings ask for; None if they ask for nothing.

        Raises:
            SettingsError: If the key cannot be used, or not with these algorithms.
        """
        chosen = frozenset(settings.jwt_algorithms)
        keys: Keys
        if settings.jwt_key_file is not None:
            keys = FileKey(settings.jwt_key_file)
        elif settings.jwt_jwks_url is not None:
            keys = RemoteKeys(settings.jwt_jwks_url, chosen or PUBLIC_KEY_ALGORITHMS)
        else:
            return None
        if not (chosen or keys.algorithms) & keys.algorithms or not chosen <= keys.algorithms:
            raise SettingsError(
                "TRUNKLINE_JWT_ALGORITHMS: the key fits "
                + (", ".join(sorted(keys.algorithms)) or "none of them")
            )
        rules = JwtRules(
            issuer=settings.jwt_issuer or "",
            audience=settings.jwt_audience or "",
            algorithms=chosen or keys.algorithms,
            prefix=settings.jwt_claims_prefix,
        )
        return cls(keys, rules)

    async def find(self, token: str) -> Principal:
        """Tell whose token this is.

        Args:
            token: What was presented.

        Raises:
            WrongCredentialError: If it is nobody's, or not any more.
            TurnedAwayError: If the keys cannot be had.
        """
        key = await self._keys.find(self._key_id(token))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                issuer=self._rules.issuer,
                audience=self._rules.audience,
                leeway=LEEWAY_S,
                options={
                    "require": ["exp", "iss", "aud", "sub"],
                    "enforce_minimum_key_length": True,
                },
            )
        except jwt.ExpiredSignatureError:
            raise WrongCredentialError(EXPIRED_TOKEN) from None
        except (jwt.PyJWTError, ArithmeticError, ValueError, TypeError, RecursionError):
            raise WrongCredentialError(WRONG_TOKEN) from None
        return _principal(claims, self._rules.prefix)

    async def close(self) -> None:
        """Give up what is being fetched."""
        await self._keys.close()

    def _key_id(self, token: str) -> str | None:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise WrongCredentialError(WRONG_TOKEN) from None
        key_id = header.get("kid")
        # Before anything is fetched for it.
        good = key_id is None or (isinstance(key_id, str) and len(key_id) <= MAX_KEY_ID_CHARS)
        if not good or header.get("alg") not in self._algorithms:
            raise WrongCredentialError(WRONG_TOKEN)
        return key_id


def looks_like_jwt(token: str) -> bool:
    """Tell whether a credential could be a JWT: a header, claims and a signature."""
    return token.count(".") == 2


def _principal(claims: Mapping[str, Any], prefix: str) -> Principal:
    name = claims["sub"]
    assistants = claims.get(f"{prefix}assistants", [])
    max_sessions = claims.get(f"{prefix}max_sessions")
    admin = claims.get(f"{prefix}admin", False)
    metrics = claims.get(f"{prefix}metrics", False)
    if isinstance(assistants, str):
        assistants = assistants.split()
    good = (
        isinstance(name, str)
        and 0 < len(name) <= MAX_NAME_CHARS
        and name.isprintable()
        and isinstance(assistants, list)
        and all(isinstance(assistant, str) for assistant in assistants)
        and (max_sessions is None or (type(max_sessions) is int and max_sessions > 0))
        and isinstance(admin, bool)
        and isinstance(metrics, bool)
    )
    if not good:
        raise WrongCredentialError(_BAD_CLAIMS)
    expires_at = float(claims["exp"]) + LEEWAY_S
    return Principal(f"jwt:{name}", rights_of(assistants), max_sessions, admin, expires_at, metrics)
