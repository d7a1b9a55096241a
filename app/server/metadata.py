"""What a caller says of itself: the query of its address, within bounds."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import parse_qsl

from starlette.requests import HTTPConnection

from app.server.identity.tickets import PARAMETER as TICKET
from app.server.refusal import Refusal, TurnedAwayError
from proxy.wire import WAIT_PARAMETER

MAX_PARAMETERS = 32
MAX_NAME_CHARS = 64
MAX_VALUE_CHARS = 1024

# What is not for the assistant.
_OURS = frozenset({TICKET, WAIT_PARAMETER})

_TOO_LONG = Refusal(
    HTTPStatus.REQUEST_URI_TOO_LONG,
    "query_too_long",
    f"a query has at most {MAX_PARAMETERS} parameters, a name at most {MAX_NAME_CHARS} characters, "
    f"a value at most {MAX_VALUE_CHARS}",
)
_MALFORMED = Refusal(HTTPStatus.BAD_REQUEST, "bad_query", "the query is not valid UTF-8")


def metadata_of(connection: HTTPConnection) -> Mapping[str, str]:
    """Read the query of a WebSocket's address.

    Args:
        connection: A WebSocket that was not accepted yet.

    Returns:
        The parameters by name, without those that are for the server; of one that is there
        twice, the last value. Nobody can change it.

    Raises:
        TurnedAwayError: 414 if there are too many parameters or one is too long, 400 if the query
            is not text.
    """
    query = connection.scope["query_string"].decode("latin-1")
    # More separators than parameters are allowed make more parameters, empty ones among them.
    if query.count("&") >= MAX_PARAMETERS:
        raise TurnedAwayError(_TOO_LONG)
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict")
    except ValueError:
        raise TurnedAwayError(_MALFORMED) from None
    if any(len(name) > MAX_NAME_CHARS or len(value) > MAX_VALUE_CHARS for name, value in pairs):
        raise TurnedAwayError(_TOO_LONG)
    return MappingProxyType({name: value for name, value in pairs if name not in _OURS})
