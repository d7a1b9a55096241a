"""The settings of the session server alone: who may come in, how many, and for how long."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from app.addresses import is_loopback, problem_of

# While one is replaced it has two places; there are enough for all. See `app.processes.places`.
MAX_PROCESSES = 64

# Signatures that a public key checks, and those that a shared secret does. A server takes one of
# the two kinds: with both, a token could be signed with the public key as if that were the secret.
PUBLIC_KEY_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
SECRET_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})

_PREFIX = re.compile(r"[\x21-\x7e]{0,128}")

# Source: RFC 7064 section 3.1 and RFC 7065 section 3.1.
_ICE_URL = re.compile(r"(stun|turn)s?:[A-Za-z0-9.:\[\]-]+(\?transport=(udp|tcp))?")


class IceServerSetting(BaseModel):
    """A server that helps a page and a call to reach each other, as browsers describe it.

    Attributes:
        urls: Its `stun:` or `turn:` addresses.
        username: What a TURN server asks for; None for STUN.
        credential: Likewise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: tuple[str, ...]
    username: str | None = None
    credential: SecretStr | None = None

    @field_validator("urls", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("urls")
    @classmethod
    def _are_addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        if not urls or not all(map(_ICE_URL.fullmatch, urls)):
            raise ValueError("an ICE server is stun:HOST:PORT or turn:HOST:PORT")
        return urls


class ServerSettings(BaseSettings):
    """What can be set of a session server; part of `app.settings.Settings`.

    Attributes:
        principals_file: A TOML file with the hashes of tokens and what each may do; read again
            when it changes.
        admin_tokens: Bearer tokens with which the server is administered, and nothing else.
        wrong_tokens_per_minute: How many wrong tokens, tickets and JWTs are looked at from one
            address, at once and in a minute.
        jwt_jwks_url: Where the public keys are that sign JWTs.
        jwt_key_file: Instead of that URL, a file with a public key in PEM, or with a shared secret.
        jwt_issuer: Who has to have issued a JWT.
        jwt_audience: Whom it has to be for.
        jwt_algorithms: How it may be signed; all that fit the key by default.
        jwt_claims_prefix: What stands before the names of our claims.
        processes: How many processes serve the port.
        recycle_sessions: After how many sessions one of several processes is replaced by a fresh
            one; 0 for never.
        pool_port: Where a pool (`trunkline agents`) tells of its health and metrics; 0 takes a free
            port, None tells nobody.
        pool_host: On which address of the machine.
        public_url: Where callers reach this server, if a proxy hides that.
        max_sessions_per_principal: How many sessions one principal has at a time, unless its own
            entry says so; None for as many as there are.
        max_sessions_per_assistant: How many sessions one assistant has at a time; None for as many
            as there are.
        max_waiting_callers: How many callers may wait for a session; 0 for none.
        wait_timeout_s: How long a caller may wait for a session.
        idle_timeout_s: How long a session lasts in which nothing is said; 0 for ever.
        max_session_s: How long a session lasts; 0 for ever.
        max_calls: How many calls of the page a process hosts at a time, each with a recogniser and
            a voice of its own; 0 for none.
        calls_remote_url: The server whose assistants those calls talk to, for example
            `wss://voice.example`, with `TRUNKLINE_TOKEN`; this very server by default.
        ice_servers: STUN and TURN servers for calls over WebRTC, as a JSON list of what browsers
            call `RTCIceServer`. Whoever may call is told them.
    """

    principals_file: Path | None = None
    admin_tokens: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    wrong_tokens_per_minute: int = Field(default=30, ge=1, le=6000)
    jwt_jwks_url: str | None = None
    jwt_key_file: Path | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_algorithms: Annotated[tuple[str, ...], NoDecode] = ()
    jwt_claims_prefix: str = "trunkline_"
    public_url: str | None = None

    pool_port: int | None = Field(default=None, ge=0, le=65535)
    pool_host: str = "127.0.0.1"
    processes: int = Field(default=1, ge=1, le=MAX_PROCESSES)
    recycle_sessions: int = Field(default=0, ge=0)
    max_sessions_per_principal: int | None = Field(default=None, ge=1)
    max_sessions_per_assistant: int | None = Field(default=None, ge=1)
    max_waiting_callers: int = Field(default=0, ge=0, le=1000)
    wait_timeout_s: float = Field(default=60.0, gt=0, le=3600)
    idle_timeout_s: float = Field(default=1800.0, ge=0, le=604_800)
    max_session_s: float = Field(default=14_400.0, ge=0, le=604_800)
    max_calls: int = Field(default=8, ge=0, le=1000)
    calls_remote_url: str | None = None
    ice_servers: Annotated[tuple[IceServerSetting, ...], NoDecode] = ()

    @field_validator("admin_tokens", "jwt_algorithms", mode="before")
    @classmethod
    def _parts(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("admin_tokens")
    @classmethod
    def _are_tokens(cls, tokens: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for token in map(SecretStr.get_secret_value, tokens):
            if not (token.isascii() and token.isprintable()) or " " in token or len(token) < 16:
                raise ValueError("a token has at least 16 letters, digits and signs of ASCII")
        return tokens

    @field_validator("jwt_jwks_url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is not None and (problem := problem_of(value, ("https", "http"))):
            raise ValueError(f"the URL of keys {problem}")
        if value is not None and value.startswith("http://") and not is_loopback(value):
            raise ValueError("keys are fetched by https:// only; whoever alters them gets in")
        return value

    @field_validator("public_url", "calls_remote_url")
    @classmethod
    def _is_base(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if problem := problem_of(value, ("wss", "ws")):
            raise ValueError(f"the URL of a server {problem}")
        return value.rstrip("/")

    @field_validator("ice_servers", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError(
                'a JSON list is wanted, for example [{"urls": "stun:stun.example:3478"}]'
            ) from None

    @field_validator("jwt_algorithms")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(names) - PUBLIC_KEY_ALGORITHMS - SECRET_ALGORITHMS:
            raise ValueError(f"there is no algorithm {', '.join(sorted(unknown))} here")
        return names

    @field_validator("jwt_claims_prefix")
    @classmethod
    def _is_prefix(cls, value: str) -> str:
        if not _PREFIX.fullmatch(value):
            raise ValueError("a prefix has at most 128 letters, digits and signs of ASCII")
        return value

    @property
    def takes_jwts(self) -> bool:
        """Whether callers may come with JWTs."""
        return self.jwt_jwks_url is not None or self.jwt_key_file is not None


def server_contradictions(settings: ServerSettings) -> list[str]:
    """Say what does not go together in the settings of a server."""
    problems = []
    if settings.jwt_jwks_url is not None and settings.jwt_key_file is not None:
        problems.append("set one of TRUNKLINE_JWT_JWKS_URL and TRUNKLINE_JWT_KEY_FILE")
    if settings.takes_jwts and not (settings.jwt_issuer and settings.jwt_audience):
        problems.append(
            "JWTs need TRUNKLINE_JWT_ISSUER and TRUNKLINE_JWT_AUDIENCE; without them, a token that "
            "was made for somebody else would be let in"
        )
    if settings.jwt_jwks_url is not None and SECRET_ALGORITHMS & set(settings.jwt_algorithms):
        problems.append("TRUNKLINE_JWT_ALGORITHMS: keys of a URL are public and sign nothing in HS")
    if settings.recycle_sessions and settings.processes == 1:
        problems.append("TRUNKLINE_RECYCLE_SESSIONS takes several processes: TRUNKLINE_PROCESSES")
    return problems
