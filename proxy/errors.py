"""What can go wrong on a line.

LineError
├── CodecError            a value does not fit the declared type, in or out
│   └── UnknownTypeError  a type name that is not in the closed table
├── RegistrationError     an application type that the table cannot take
├── LinkError             the connection under the line
│   └── LinkClosedError   it is over; carries the close code
├── SequenceError         the other end counts differently (in `proxy.sequence`)
├── BrokerDownError       the broker cannot be reached now (in `proxy.bus.streams`)
├── StreamGoneError       a broker's stream was removed (in `proxy.bus.streams`)
├── BusOverflowError      a subscriber is too far behind (in `proxy.bus.direct`)
└── ConnectError          the connection could not be made
    ├── RefusedError      the server answered with an HTTP status instead of a WebSocket
    └── SessionLostError  whoever held the session is gone
"""

from proxy.close_codes import CloseCode, may_reconnect

# Answers of a server that will not change by asking again.
_FINAL_STATUSES = frozenset({400, 401, 403, 404, 410})


class LineError(Exception):
    """Base of every error that this package raises."""


class CodecError(LineError):
    """A message cannot be written or read because a value does not fit its declared type.

    The text names the place and the expected type, never the value: values are what people said.
    """


class UnknownTypeError(CodecError):
    """A message names a type that is not in the closed table."""


class RegistrationError(LineError):
    """An application registered a type that cannot be carried."""


class LinkError(LineError):
    """The connection under the line."""


class LinkClosedError(LinkError):
    """The connection is over.

    Attributes:
        code: The WebSocket close code; 1006 when there was no close frame.
        reason: The peer's words, cut to 123 bytes; may be empty.
    """

    def __init__(self, code: int = CloseCode.ABNORMAL, reason: str = "") -> None:
        """Remember why the connection ended.

        Args:
            code: The WebSocket close code.
            reason: The text of the close frame.
        """
        super().__init__(f"closed with {code} ({reason})" if reason else f"closed with {code}")
        self.code = code
        self.reason = reason

    @property
    def may_reconnect(self) -> bool:
        """Whether dialling again can help."""
        return may_reconnect(self.code)


class ConnectError(LineError):
    """The connection could not be made: no such host, no listener, no answer in time.

    Attributes:
        final: Whether the session cannot be there any more, so that dialling again is no use.
    """

    final = False


class SessionLostError(ConnectError):
    """Whoever held the session is gone, and the session with it."""

    final = True


class RefusedError(ConnectError):
    """The server refused the handshake with an HTTP status.

    Attributes:
        status: The HTTP status, for example 401 (no token), 403 (wrong token), 404 (no such
            assistant), 429 (no room), 503 (draining).
        retry_after_s: Seconds that the server asks to wait, or None.
    """

    def __init__(self, status: int, message: str, *, retry_after_s: float | None = None) -> None:
        """Remember the refusal.

        Args:
            status: The HTTP status.
            message: What to tell the person who dialled; holds no token.
            retry_after_s: The server's Retry-After in seconds, or None.
        """
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s
        self.final = status in _FINAL_STATUSES
