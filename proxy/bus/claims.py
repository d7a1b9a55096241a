"""Who offers to serve which tasks of an assistant, and who takes a caller's claim to them.

A pool puts up an offer and takes claims, a caller reads the offers and puts a claim for each set of
tasks that it wants from one pool. Everything that is named on a broker has a hashed name: the
prefix, and nothing else of it, can be read in it.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from proxy.bus.streams import Streams
from proxy.errors import LineError

# A pool that waits for claims takes one within milliseconds. One that nobody takes is put again, as
# another pool may have come.
CLAIM_TTL_S = 4.0

# 130 bits.
_HASH_LENGTH = 26

# With a hash and a separator it still is a name that Postgres does not cut.
_PREFIX = re.compile(r"[A-Za-z0-9_:.-]{1,20}")

_T = TypeVar("_T")

_Name = Annotated[str, Meta(min_length=1, max_length=128)]
_Names = Annotated[tuple[_Name, ...], Meta(min_length=1, max_length=64)]


class PrefixError(LineError):
    """A prefix of names that not every broker can take."""


class Offer(msgspec.Struct, frozen=True):
    """What a pool serves.

    Attributes:
        pool: The pool's id.
        assistant: The assistant.
        tasks: The tasks that this pool has.
        all_tasks: All tasks of the assistant.
        exports: Those that a caller may address; the first is the one to activate.
        free: How many more sessions it takes.
        speaks: Whether the tasks send sound, so that callers need no voice.
        phrases: What callers say, for recognisers that can be taught.
    """

    pool: _Name
    assistant: _Name
    tasks: _Names
    all_tasks: _Names
    exports: _Names
    free: int = 0
    speaks: bool = False
    phrases: tuple[str, ...] = ()


class Claim(msgspec.Struct, frozen=True):
    """What a caller wants of a pool.

    Attributes:
        channel: The secret from which the names of the session's streams are made.
        tasks: The tasks.
    """

    channel: Annotated[str, Meta(min_length=32, max_length=64, pattern="^[0-9a-f]+$")]
    tasks: _Names


def new_secret() -> str:
    """Return what nobody can guess."""
    return secrets.token_hex(16)


class Claims:
    """The offers and the claims of one broker."""

    def __init__(self, streams: Streams, prefix: str) -> None:
        """Prepare.

        Args:
            streams: The broker.
            prefix: What every name begins with; who has another prefix is never met.

        Raises:
            PrefixError: If it cannot be part of a name.
        """
        if not _PREFIX.fullmatch(prefix):
            raise PrefixError(
                f"{prefix!r} cannot be a prefix: it has 1 to 20 of letters, digits, '_', ':', '.' "
                "and '-'"
            )
        self.streams = streams
        self._prefix = prefix

    def channel_names(self, secret: str) -> tuple[str, str]:
        """Return the names of a session's streams: to the pool, and to the caller."""
        return self._name("up", secret), self._name("down", secret)

    async def offer(self, offer: Offer) -> None:
        """Put up an offer, or refresh it; see `Streams.post`."""
        board = self._name("offers", offer.assistant)
        await self.streams.post(board, offer.pool, msgspec.msgpack.encode(offer))

    async def withdraw(self, offer: Offer) -> None:
        """Take an offer down."""
        await self.streams.unpost(self._name("offers", offer.assistant), offer.pool)

    async def offers(self, assistant: str) -> list[Offer]:
        """Return what pools offer of an assistant."""
        found = await self.streams.notices(self._name("offers", assistant))
        offers = (_decoded(value, Offer) for value in found.values())
        return [offer for offer in offers if offer is not None]

    async def put(self, assistant: str, claim: Claim) -> None:
        """Put a claim, for one of the pools with these tasks."""
        queue = self._queue(assistant, claim.tasks)
        await self.streams.put(queue, msgspec.msgpack.encode(claim), ttl_s=CLAIM_TTL_S)

    async def take(self, assistant: str, tasks: Sequence[str], *, wait_s: float) -> Claim | None:
        """Take a claim.

        Args:
            assistant: The assistant.
            tasks: The pool's tasks.
            wait_s: How long to wait for one.

        Returns:
            None if there was none.
        """
        data = await self.streams.take(self._queue(assistant, tasks), wait_s=wait_s)
        return None if data is None else _decoded(data, Claim)

    def _queue(self, assistant: str, tasks: Iterable[str]) -> str:
        return self._name("claims", assistant, *sorted(tasks))

    def _name(self, *parts: str) -> str:
        spelled = "\0".join((self._prefix, *parts)).encode()
        hashed = base64.b32encode(hashlib.sha256(spelled).digest()).decode().lower()
        return f"{self._prefix}_{hashed[:_HASH_LENGTH]}"


def _decoded(data: bytes, kind: type[_T]) -> _T | None:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError:
        return None
