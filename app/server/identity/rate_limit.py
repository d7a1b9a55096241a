"""How many wrong credentials an address may show before nobody looks at what it shows."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus

from loguru import logger

from app.foreign import plain
from app.server.refusal import Refusal, TurnedAwayError
from app.server.token_bucket import TokenBucket

# Of addresses beyond these, the one that was quiet for the longest is forgotten: 3 MB.
MAX_ADDRESSES = 10_000

# An attack comes from one address or from ten thousand; the log says so in a few lines a minute.
LOG_BURST = 10
LOG_RATE_HZ = 0.1

# What one household or machine has of the addresses of IPv6. Source: RFC 6177.
_IPV6_NETWORK_BITS = 64


class FailureLimiter:
    """A bucket of mistakes for every address."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without addresses.

        Args:
            per_minute: How many mistakes are looked at, at once and in a minute.
            clock: Tells the time in seconds.
        """
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()
        self._lines = TokenBucket(LOG_BURST, LOG_RATE_HZ, clock)

    def __len__(self) -> int:
        """Count the addresses."""
        return len(self._buckets)

    def check(self, address: str) -> None:
        """Refuse an address that has made too many mistakes, whatever it shows now.

        A right token is refused as well: otherwise the answer would tell right from wrong.

        Args:
            address: An IP address, or anything else that stands for a peer.

        Raises:
            TurnedAwayError: 429, with the time after which one more credential is looked at.
        """
        bucket = self._buckets.get(_network(address))
        wait_s = 0.0 if bucket is None else bucket.ready_in_s
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
        bucket = self._buckets.get(network)
        if bucket is None:
            bucket = TokenBucket(self._per_minute, self._per_minute / 60, self._clock)
            self._buckets[network] = bucket
        self._buckets.move_to_end(network)
        while len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        bucket.take()
        if bucket.ready_in_s > 0 and self._lines.take():
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
