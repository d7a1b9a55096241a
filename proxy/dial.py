"""Dialling a server: one WebSocket handshake, every failure turned into a clear error.

Nothing here logs or repeats a header: that is where the token is.
"""

import ipaddress
import logging
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import connect

from proxy.errors import ConnectError, RefusedError
from proxy.link import CLOSE_TIMEOUT_S, ClientLink, Link
from proxy.wire import SESSION_HEADER

# A handshake is two round trips and one look-up on the server. Longer means that nobody is there.
OPEN_TIMEOUT_S = 10.0

# The library's own pings notice a peer that vanished; two of them fit into the time that a caller
# is willing to listen to silence.
PING_INTERVAL_S = 5.0

_EXPLANATIONS: dict[int, str] = {
    401: "the server wants a token and got none: pass --token or an Authorization header",
    403: "the server does not accept this token for this assistant",
    404: "the server has no assistant at this address",
    429: "the server has no room for another session of this caller",
    503: "the server takes no new sessions now",
}

# The other form, a date, tells of a pause too long to wait for.
_SECONDS = re.compile(r"[0-9]{1,9}")

# The library logs the headers of a handshake at debug level; ours are secret.
_SILENT = logging.getLogger("trunkline.websockets")
_SILENT.setLevel(logging.WARNING)


@dataclass(frozen=True)
class DialOptions:
    """How to dial.

    Attributes:
        headers: Headers of the handshake, for example `Authorization`.
        subprotocols: Dialects to offer, the preferred one first.
        open_timeout_s: How long the handshake may take.
        max_message_bytes: The largest message to take.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    subprotocols: Sequence[str] = ()
    open_timeout_s: float = OPEN_TIMEOUT_S
    max_message_bytes: int = 4 * 1024 * 1024


class DialledLink(Link, Protocol):
    """A connection that this side made."""

    @property
    def subprotocol(self) -> str | None:
        """The dialect that the other side chose; None for the stock one."""


class Dialler(Protocol):
    """Makes the connections of one session, one after the other."""

    @property
    def where(self) -> str:
        """Where it dials, fit for logs."""

    async def dial(self, session: str = "") -> DialledLink:
        """Connect.

        Args:
            session: The session that the caller comes back to; empty for a new one.

        Raises:
            ConnectError: If that is not possible, within a bounded time.
        """

    async def close(self) -> None:
        """Leave nothing behind: there will be no more connections. Bounded; may be called again."""


@dataclass(frozen=True)
class WebSocketDialler:
    """Dials a server.

    Attributes:
        url: The server's `ws://` or `wss://` URL.
        options: How to dial.
    """

    url: str
    options: DialOptions

    @property
    def where(self) -> str:
        """The URL, without its secrets."""
        return public_url(self.url)

    async def dial(self, session: str = "") -> ClientLink:
        """Dial; see `Dialler.dial`."""
        further = {SESSION_HEADER: session} if session else {}
        headers = {**self.options.headers, **further}
        return await dial(self.url, replace(self.options, headers=headers))

    async def close(self) -> None:
        """Do nothing: a connection leaves nothing behind."""


def public_url(url: str) -> str:
    """Return a URL without user, password, query and fragment, fit for logs and errors."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "(not a URL)"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


async def dial(url: str, options: DialOptions | None = None) -> ClientLink:
    """Open a WebSocket to a server.

    Args:
        url: A `ws://` or `wss://` URL.
        options: How to dial.

    Returns:
        The open link.

    Raises:
        RefusedError: If the server answered with an HTTP status; carries it.
        ConnectError: If there was no answer, or not one of a WebSocket server.
    """
    options = options or DialOptions()
    where = public_url(url)
    try:
        connection = await connect(
            url,
            additional_headers=dict(options.headers),
            subprotocols=[websockets.Subprotocol(name) for name in options.subprotocols] or None,
            compression=None,
            open_timeout=options.open_timeout_s,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_INTERVAL_S,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=options.max_message_bytes,
            logger=_SILENT,
            # What listens on this machine is not reached through a proxy elsewhere.
            proxy=None if _is_loopback(url) else True,
        )
    except websockets.InvalidStatus as error:
        raise _refused(where, error) from None
    except (websockets.InvalidURI, ValueError):
        raise ConnectError(f"{where} is not a ws:// or wss:// URL") from None
    except TimeoutError:
        message = f"{where} did not answer within {options.open_timeout_s:g} s"
        raise ConnectError(message) from None
    except ssl.SSLError as error:
        raise ConnectError(f"{where}: TLS failed ({error.reason})") from None
    except (OSError, websockets.WebSocketException) as error:
        raise ConnectError(f"{where} cannot be reached ({type(error).__name__})") from None
    return ClientLink(connection)


def _refused(where: str, error: websockets.InvalidStatus) -> RefusedError:
    status = error.response.status_code
    explanation = _EXPLANATIONS.get(status, "the server refused the connection")
    retry_after = error.response.headers.get("Retry-After", "")
    return RefusedError(
        status,
        f"{where} answered {status}: {explanation}",
        retry_after_s=float(retry_after) if _SECONDS.fullmatch(retry_after) else None,
    )


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
