"""From which web pages a server may be reached.

A server without tokens trusts whoever is on its machine. A browser on that machine runs pages of
strangers, and those can open WebSockets to loopback (no same-origin rule applies to them) or have
their own name resolve to it (DNS rebinding). The first shows in the Origin header, the second in
the Host header, and a page can change neither.
"""

import ipaddress
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from app.server.refusal import Refusal, TurnedAwayError

_WRONG_ORIGIN = Refusal(
    HTTPStatus.FORBIDDEN, "wrong_origin", "pages of this origin may not connect to this server"
)
_WRONG_HOST = Refusal(
    HTTPStatus.FORBIDDEN, "wrong_host", "this server answers under the name of this machine only"
)


class OriginRules:
    """Tells which Host and Origin headers are let through."""

    def __init__(self, allowed: Iterable[str], *, loopback_only: bool) -> None:
        """Remember the origins.

        Args:
            allowed: Origins of pages that may connect, for example `https://voice.example`.
            loopback_only: Whether the server is for this machine only. Then the Host must be
                loopback or that of an allowed origin, and an Origin loopback or allowed. Else an
                Origin is looked at only if there are allowed ones, and then it must be one of them.
        """
        self._allowed = frozenset(allowed)
        self._hosts = frozenset(urlsplit(origin).hostname or "" for origin in self._allowed)
        self._loopback_only = loopback_only

    def check(self, connection: HTTPConnection) -> None:
        """Refuse pages of strangers.

        Args:
            connection: A request or a WebSocket that was not accepted yet.

        Raises:
            TurnedAwayError: 403 for a wrong Host or Origin. Programs send no Origin.
        """
        if self._loopback_only:
            host = _host_of(f"//{connection.headers.get('host', '')}")
            if not (_is_loopback(host) or host in self._hosts):
                raise TurnedAwayError(_WRONG_HOST)
        if not self._loopback_only and not self._allowed:
            return
        if not all(map(self._may, connection.headers.getlist("origin"))):
            raise TurnedAwayError(_WRONG_ORIGIN)

    def _may(self, origin: str) -> bool:
        if origin.lower() in self._allowed:
            return True
        return self._loopback_only and _is_loopback(_host_of(origin))


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
