"""The keys that JWTs are checked with: one from a file, or a set from a URL."""

import asyncio
import json
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import httpx
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWK
from loguru import logger

from app.addresses import is_loopback
from app.errors import SettingsError
from app.server.identity.wrong import WRONG_TOKEN, WrongCredentialError
from app.server.refusal import Refusal, TurnedAwayError
from app.server_settings import SECRET_ALGORITHMS

# From asking to the last byte. Callers wait for it when there is no key yet.
FETCH_TIMEOUT_S = 5.0

# A set of keys is a few kilobytes.
MAX_SET_BYTES = 256 * 1024
MAX_KEYS = 100

# Keys of this age are asked for again while they go on being used.
FRESH_S = 600.0

# Keys of this age are not used any more: whoever took them back has been out of reach for a day.
KEEP_S = 86_400.0

# After an attempt that failed.
RETRY_S = 5.0

# Anybody can make up a key id.
UNKNOWN_KEY_EVERY_S = 60.0

# A shared secret has as many bits as the shortest hash. Source: RFC 7518 section 3.2.
MIN_SECRET_BYTES = 32

_NO_KEYS = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "keys_unavailable",
    "the keys that this token is checked with cannot be had now",
    int(RETRY_S),
)

# Source: RFC 7518 section 3.4.
_CURVES = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}

# A public key as PyJWT takes it: bound to an algorithm, or one that several fit.
Key = Any


class Keys(Protocol):
    """Where keys come from.

    Attributes:
        algorithms: The signatures that fit them.
    """

    algorithms: frozenset[str]

    async def find(self, key_id: str | None) -> Key:
        """Return the key that a token says it was signed with.

        Args:
            key_id: Its id, or None if the token says nothing.

        Raises:
            WrongCredentialError: If there is no such key.
            TurnedAwayError: If the keys cannot be had.
        """

    async def close(self) -> None:
        """Stop whatever goes on."""


class FileKey:
    """One key of a file, whatever id a token gives it."""

    def __init__(self, path: Path) -> None:
        """Read the key.

        Args:
            path: A public key in PEM, or a secret of at least 32 bytes.

        Raises:
            SettingsError: If it is neither.
        """
        try:
            data = path.read_bytes().strip()
        except OSError as error:
            raise SettingsError(f"{path}: {error.strerror}") from None
        self.algorithms, self._key = _read_key(path, data)

    async def find(self, key_id: str | None) -> Key:
        """Return the key; see `Keys.find`."""
        return self._key

    async def close(self) -> None:
        """Do nothing."""


def _read_key(path: Path, data: bytes) -> tuple[frozenset[str], Key]:
    if b"-----BEGIN" not in data:
        if len(data) < MIN_SECRET_BYTES:
            raise SettingsError(f"{path}: a secret has at least {MIN_SECRET_BYTES} bytes")
        return SECRET_ALGORITHMS, data
    if b"PRIVATE KEY" in data:
        raise SettingsError(f"{path}: a private key; the server needs the public one alone")
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError(f"{path}: not a public key in PEM") from None
    fitting: frozenset[str] = frozenset()
    if isinstance(key, rsa.RSAPublicKey):
        fitting = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
    elif isinstance(key, ed25519.Ed25519PublicKey):
        fitting = frozenset({"EdDSA"})
    elif isinstance(key, ec.EllipticCurvePublicKey):
        fitting = frozenset(_CURVES.get(key.curve.name, ()))
    return fitting, key


class RemoteKeys:
    """The keys of a URL, fetched when they are needed and by one request at a time."""

    def __init__(
        self,
        url: str,
        algorithms: frozenset[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember where the keys are; nothing is fetched yet.

        Args:
            url: Of a JSON Web Key Set.
            algorithms: The signatures that may be checked with them.
            clock: Tells the time in seconds.
        """
        self.algorithms = algorithms
        self._url = url
        self._clock = clock
        self._keys: tuple[PyJWK, ...] = ()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._unknown_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> Key:
        """Return a key; see `Keys.find`."""
        if self._older_than(self._fetched_at, KEEP_S):
            if self._fetching is not None or self._older_than(self._tried_at, RETRY_S):
                await self._fetch()
            if self._older_than(self._fetched_at, KEEP_S):
                raise TurnedAwayError(_NO_KEYS)
        elif self._older_than(self._fetched_at, FRESH_S) and self._older_than(
            self._tried_at, RETRY_S
        ):
            self._start()
        key = self._named(key_id)
        if key is None and self._older_than(self._unknown_at, UNKNOWN_KEY_EVERY_S):
            self._unknown_at = self._clock()
            await self._fetch()
            key = self._named(key_id)
        elif key is None and self._fetching is not None:
            await self._fetch()
            key = self._named(key_id)
        if key is None:
            raise WrongCredentialError(WRONG_TOKEN)
        return key

    async def close(self) -> None:
        """Give up what is being fetched."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching}, timeout=FETCH_TIMEOUT_S)

    def _older_than(self, moment: float | None, age_s: float) -> bool:
        return moment is None or self._clock() - moment >= age_s

    def _named(self, key_id: str | None) -> PyJWK | None:
        if key_id is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == key_id), None)

    def _start(self) -> "asyncio.Task[None]":
        if self._fetching is None:
            self._tried_at = self._clock()
            self._fetching = asyncio.create_task(self._update(), name="jwks")
            self._fetching.add_done_callback(self._done)
        return self._fetching

    def _done(self, _: object) -> None:
        self._fetching = None

    async def _fetch(self) -> None:
        """Wait for the one request that is under way; who gives up leaves it to the others."""
        await asyncio.wait({self._start()})

    async def _update(self) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                data = await self._download()
            self._keys = _usable(json.loads(data), self.algorithms)
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            logger.warning(f"The keys of JWTs could not be fetched: {type(error).__name__}")
        else:
            self._fetched_at = self._clock()
            logger.info(f"The keys of JWTs were fetched: {len(self._keys)}")

    async def _download(self) -> bytes:
        data = bytearray()
        async with (
            # What listens on this machine is not reached through a proxy elsewhere.
            httpx.AsyncClient(
                timeout=FETCH_TIMEOUT_S, trust_env=not is_loopback(self._url)
            ) as client,
            client.stream("GET", self._url, headers={"Accept": "application/json"}) as answer,
        ):
            answer.raise_for_status()
            async for piece in answer.aiter_bytes():
                data += piece
                if len(data) > MAX_SET_BYTES:
                    raise ValueError("too large")
        return bytes(data)


def _usable(document: Any, algorithms: frozenset[str]) -> tuple[PyJWK, ...]:
    """Pick the keys for signatures; a shared secret has no place in a set that anybody may read.

    Raises:
        ValueError: If it is no set of keys.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no set of keys")
    usable = []
    for entry in listed[:MAX_KEYS]:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = PyJWK(entry)
        except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if key.key_type != "oct" and key.algorithm_name in algorithms:
            usable.append(key)
    return tuple(usable)
