"""What a line needs of a broker: ordered streams, claims that one of many takes, and notices.

A line takes care of everything that must not be lost itself, see `proxy.protocol`: numbers,
repetition, windows. A broker is therefore asked for little: to keep the order of one writer, and to
wake the reader at once. What it loses in a crash the line sends again.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from proxy.errors import LineError

# Who holds a stream refreshes it far more often than this; after it, both ends are gone.
STREAM_TTL_S = 120.0

# A notice that was not refreshed for so long tells of a process that is gone.
NOTICE_TTL_S = 2.0
NOTICE_PERIOD_S = 0.5

# More than two windows; a reader so far behind has stopped reading.
MAX_STREAM_ITEMS = 100_000


class BrokerDownError(LineError):
    """The broker cannot be reached now, or did not answer in time. Whoever asks may try again."""


class StreamGoneError(LineError):
    """The stream was removed: by its other end, or because nobody refreshed it."""


class StreamReader(Protocol):
    """One reader's place in a stream."""

    async def read(self) -> Sequence[bytes]:
        """Wait for what was appended since, in order.

        What was returned is removed from the broker by the next call. Cancelling loses nothing.

        Raises:
            BrokerDownError: If the broker cannot be reached; reading may go on later, from the same
                place.
            StreamGoneError: If the stream was removed.
        """

    async def close(self) -> None:
        """Stop reading; the stream stays. Bounded, and safe to call again."""


class Streams(Protocol):
    """A broker: Redis, or Postgres with PGMQ.

    One object a process; all methods may be called at the same time. Names are hashed by who calls.
    Every method but `close` raises `BrokerDownError` within a bounded time if the broker is away.
    """

    async def open(self) -> None:
        """Connect, and prepare what the broker needs once.

        Raises:
            ConnectError: If the broker cannot be reached, refuses us, or is not what its URL says;
                never names a password.
        """

    async def close(self) -> None:
        """Disconnect; bounded, and safe to call again. What was created stays."""

    async def create(self, names: Sequence[str]) -> None:
        """Create empty streams, which vanish on their own `STREAM_TTL_S` after the last refresh."""

    async def refresh(self, names: Sequence[str]) -> None:
        """Put off the moment at which streams vanish."""

    async def remove(self, names: Sequence[str]) -> None:
        """Remove streams and what is in them; those that are gone already do not matter."""

    async def append(self, name: str, items: Sequence[bytes]) -> None:
        """Append items in order, all or none.

        When `BrokerDownError` is raised they may be there all the same.

        Raises:
            StreamGoneError: If the stream was removed; it is not created again.
        """

    def reader(self, name: str) -> StreamReader:
        """Return a reader at the beginning of a stream. One stream has one reader."""

    async def put(self, queue: str, item: bytes, *, ttl_s: float) -> None:
        """Put an item into a queue; who comes later than `ttl_s` does not get it."""

    async def take(self, queue: str, *, wait_s: float) -> bytes | None:
        """Take the oldest item of a queue; of all who wait exactly one gets it.

        Returns:
            None if there was nothing for `wait_s`.
        """

    async def post(self, board: str, key: str, value: bytes) -> None:
        """Put up a notice, or refresh it; it vanishes after `NOTICE_TTL_S`."""

    async def unpost(self, board: str, key: str) -> None:
        """Take a notice down."""

    async def notices(self, board: str) -> Mapping[str, bytes]:
        """Return the notices of a board that have not vanished, by key."""

    async def reap(self) -> int:
        """Remove what processes that were killed have left and the broker does not remove itself.

        Returns:
            How many streams and queues that were.
        """
