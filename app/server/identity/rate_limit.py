"""How many wrong credentials an address may show before nobody looks at what it shows."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from loguru import logger

from app.foreign import plain
from app.processes.ledger import Ledger, LedgerError
from app.server.refusal import Refusal, TurnedAwayError
from app.server.token_bucket import TokenBucket

# Of addresses beyond these, the one that was quiet for the longest is forgotten: 3 MB.
MAX_ADDRESSES = 10_000

# An attack comes from one address or from ten thousand; the log says so in a few lines a minute.
LOG_BURST = 10
LOG_RATE_HZ = 0.1

# What one household or machine has of the addresses of IPv6. Source: RFC 6177.
_IPV6_NETWORK_BITS = 64


class Buckets(Protocol):
    """A token bucket for every network, as `TokenBucket` is one."""

    def __len__(self) -> int:
        """Count the networks."""

    def ready_in_s(self, network: str) -> float:
        """Tell how long it takes until there is a token to take; 0 if there is."""

    def take(self, network: str) -> None:
        """Take a token out."""


class OwnBuckets:
    """The buckets of a process that is the whole server."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without networks.

        Args:
            per_minute: How many tokens a bucket has, and how many come back in a minute.
            clock: Tells the time in seconds.
        """
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        """Count the networks."""
        return len(self._buckets)

    def ready_in_s(self, network: str) -> float:
        """Tell how long it takes; see `Buckets.ready_in_s`."""
        bucket = self._buckets.get(network)
        return 0.0 if bucket is None else bucket.ready_in_s

    def take(self, network: str) -> None:
        """Take a token out; see `Buckets.take`."""
        bucket = self._buckets.get(network)
        if bucket is None:
            bucket = TokenBucket(self._per_minute, self._per_minute / 60, self._clock)
            self._buckets[network] = bucket
        self._buckets.move_to_end(network)
        while len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        bucket.take()


class SharedBuckets:
    """The buckets that several processes fill and empty together.

    While the ledger cannot be had, nobody is refused: a token is not guessed in that time.
    """

    def __init__(
        self, per_minute: int, ledger: Ledger, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Open them.

        Args:
            per_minute: How many tokens a bucket has, and how many come back in a minute.
            ledger: Where they are.
            clock: Tells the time in seconds, the same in every process.
        """
        self._size = per_minute
        self._rate_hz = per_minute / 60
        self._ledger = ledger
        self._clock = clock

    def __len__(self) -> int:
        """Count the networks."""
        return int(self._ledger.rows("SELECT count(*) FROM mistakes")[0][0])

    def ready_in_s(self, network: str) -> float:
        """Tell how long it takes; see `Buckets.ready_in_s`."""
        try:
            found = self._ledger.rows(
                "SELECT level, filled_at FROM mistakes WHERE network = ?", network
            )
        except LedgerError:
            return 0.0
        if not found:
            return 0.0
        level, filled_at = found[0]
        level = min(self._size, level + (self._clock() - filled_at) * self._rate_hz)
        return max(0.0, float(1 - level) / self._rate_hz)

    def take(self, network: str) -> None:
        """Take a token out; see `Buckets.take`."""
        try:
            self._ledger.run(
                "INSERT INTO mistakes VALUES (?1, ?2 - 1, ?3) ON CONFLICT (network) DO UPDATE SET"
                " level = min(?2, level + (?3 - filled_at) * ?4) - 1, filled_at = ?3"
                " WHERE min(?2, level + (?3 - filled_at) * ?4) >= 1",
                *(network, self._size, self._clock(), self._rate_hz),
            )
            self._ledger.run(
                "DELETE FROM mistakes WHERE network IN (SELECT network FROM mistakes"
                " ORDER BY filled_at LIMIT max(0, (SELECT count(*) FROM mistakes) - ?))",
                MAX_ADDRESSES,
            )
        except LedgerError:
            return


class FailureLimiter:
    """Refuses to look at what an address shows that made too many mistakes."""

    def __init__(self, buckets: Buckets, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare.

        Args:
            buckets: How many mistakes each may still make.
            clock: Tells the time in seconds.
        """
        self._buckets = buckets
        self._lines = TokenBucket(LOG_BURST, LOG_RATE_HZ, clock)

    def check(self, address: str) -> None:
        """Refuse an address that has made too many mistakes, whatever it shows now.

        A right token is refused as well: otherwise the answer would tell right from wrong.

        Args:
            address: An IP address, or anything else that stands for a peer.

        Raises:
            TurnedAwayError: 429, with the time after which one more credential is looked at.
        """
        wait_s = self._buckets.ready_in_s(_network(address))
        if wait_s > 0:
            raise TurnedAwayError(
                Refusal(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    "too_many_wrong_tokens",
                    "too many wrong tokens came from this address",
                    math.ceil(wait_s),
                )
            )

    def count(self, address: str) -> None:
        """Take note of a mistake.

        Args:
            address: Where it came from.
        """
        network = _network(address)
        self._buckets.take(network)
        if self._buckets.ready_in_s(network) > 0 and self._lines.take():
            logger.warning(f"Too many wrong tokens from {plain(network)}; it has to wait")


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, _IPV6_NETWORK_BITS), strict=False))
    return str(ip)
