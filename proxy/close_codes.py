"""Why a connection ended, and whether to dial again.

One WebSocket close code for every way of ending. Codes below 4000 are RFC 6455's own, used for
what that document defines them for. Ours are in ranges, so that a client that does not know a
code still knows what to do:

| range     | meaning                                    | dial again |
|-----------|--------------------------------------------|------------|
| 4000-4099 | the session is over                        | no         |
| 4100-4199 | the connection is over, the session is not | yes        |
| 4400-4499 | this client did something wrong            | no         |
| 4500-4599 | the server could not carry on              | yes, later |

Source: RFC 6455 section 7.4; the ranges follow centrifuge's idea, the numbers are ours.
"""

from dataclasses import dataclass
from enum import IntEnum


class CloseCode(IntEnum):
    """The close codes that either side of a line sends or reports."""

    ENDED = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    ABNORMAL = 1006
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    ASSISTANT_FAILED = 4001
    START_TIMED_OUT = 4002
    PEER_TOO_SLOW = 4003
    SESSION_GONE = 4004
    SESSION_TAKEN_OVER = 4005
    IDLE = 4006
    TIME_IS_UP = 4007
    ENDED_BY_OPERATOR = 4008
    RESYNC = 4100
    PEER_SILENT = 4101
    BAD_HELLO = 4400
    VERSION_MISMATCH = 4401
    WINDOW_EXCEEDED = 4402
    OVERLOADED = 4500


@dataclass(frozen=True)
class CloseMeaning:
    """What one close code tells the side that receives it.

    Attributes:
        reason: The fixed sentence that travels with the code; at most 123 bytes of UTF-8.
        reconnect: Whether dialling again can help.
    """

    reason: str
    reconnect: bool


MEANINGS: dict[CloseCode, CloseMeaning] = {
    CloseCode.ENDED: CloseMeaning("the conversation ended", False),
    CloseCode.GOING_AWAY: CloseMeaning("the server is going away", True),
    CloseCode.PROTOCOL_ERROR: CloseMeaning("the protocol was violated", False),
    CloseCode.UNSUPPORTED_DATA: CloseMeaning("only binary messages are spoken here", False),
    CloseCode.ABNORMAL: CloseMeaning("the connection was lost without a close frame", True),
    CloseCode.INVALID_PAYLOAD: CloseMeaning("a message could not be read", False),
    CloseCode.POLICY_VIOLATION: CloseMeaning("too many messages had to be refused", False),
    CloseCode.MESSAGE_TOO_BIG: CloseMeaning("a message was larger than the limit", False),
    CloseCode.INTERNAL_ERROR: CloseMeaning("the other side failed", True),
    CloseCode.SERVICE_RESTART: CloseMeaning("the server restarts", True),
    CloseCode.TRY_AGAIN_LATER: CloseMeaning("the server is busy", True),
    CloseCode.ASSISTANT_FAILED: CloseMeaning("the assistant failed", False),
    CloseCode.START_TIMED_OUT: CloseMeaning("the assistant did not start in time", False),
    CloseCode.PEER_TOO_SLOW: CloseMeaning("the other side did not read in time", False),
    CloseCode.SESSION_GONE: CloseMeaning("there is no such session any more", False),
    CloseCode.SESSION_TAKEN_OVER: CloseMeaning("another connection has the session", False),
    CloseCode.IDLE: CloseMeaning("nothing was said for too long", False),
    CloseCode.TIME_IS_UP: CloseMeaning("the session has lasted as long as it may", False),
    CloseCode.ENDED_BY_OPERATOR: CloseMeaning("an operator ended the session", False),
    CloseCode.RESYNC: CloseMeaning("a message was missing", True),
    CloseCode.PEER_SILENT: CloseMeaning("the other side gave no sign of life", True),
    CloseCode.BAD_HELLO: CloseMeaning("the first message was not a hello", False),
    CloseCode.VERSION_MISMATCH: CloseMeaning("this version is not spoken here", False),
    CloseCode.WINDOW_EXCEEDED: CloseMeaning("more was sent than the window allows", False),
    CloseCode.OVERLOADED: CloseMeaning("the assistant does not keep up", True),
}


def may_resume(code: int) -> bool:
    """Tell whether the session may still be there, so that another connection can carry on.

    Args:
        code: A WebSocket close code, known or not.

    Returns:
        True for a connection that was lost, and for codes that say so.
    """
    return code == CloseCode.ABNORMAL or 4100 <= code <= 4199


def may_reconnect(code: int) -> bool:
    """Tell whether dialling again after this close code can help.

    Args:
        code: A WebSocket close code, known or not.

    Returns:
        True where the session may still be there or a new one may be had.
    """
    meaning = MEANINGS.get(code)  # type: ignore[call-overload]
    if meaning is not None:
        return bool(meaning.reconnect)
    return 4100 <= code <= 4199 or 4500 <= code <= 4599


def reason_for(code: CloseCode) -> str:
    """Return the fixed sentence that is sent with a close code."""
    return MEANINGS[code].reason
