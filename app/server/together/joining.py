"""A caller that waits in a full process while another one has room: it joins that one.

Its connection was accepted, so it stays where it is, and what it says is passed on, as for callers
that come back; see `app.server.together.relay`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import HTTPConnection

from app.server.admission import Place
from app.server.caller import Caller
from app.server.metadata import metadata_of
from app.server.together.relay import PRINCIPAL_HEADER
from proxy.arrival import Arrival

JOIN_PATH = "/join"

# What counts the caller among those who have a session or wait for one.
ENTRY_HEADER = "Trunkline-Entry"

# Of the trace that it is part of; not under the usual name, as nobody is to continue it in between.
TRACE_HEADER = "Trunkline-Trace"


@dataclass(frozen=True)
class Waiter:
    """Somebody in the waiting room.

    Attributes:
        place: Its place.
        caller: Who it is.
        scope: Its request.
        arrival: Its connection.
    """

    place: Place
    caller: Caller
    scope: Mapping[str, Any]
    arrival: Arrival

    @property
    def target(self) -> str:
        """What to ask the other process for: the assistant, and what the caller says of itself."""
        query = self.scope["query_string"].decode("latin-1").replace("#", "%23")
        return f"{JOIN_PATH}/{quote(self.place.assistant, safe='')}?{query}"

    @property
    def headers(self) -> dict[str, str]:
        """What the other process has to know besides."""
        return {
            PRINCIPAL_HEADER: quote(self.caller.principal, safe=""),
            ENTRY_HEADER: str(self.place.entry.number),
            TRACE_HEADER: quote(self.caller.traceparent or "", safe=""),
        }


def joining(connection: HTTPConnection) -> tuple[Caller, int]:
    """Read who joins this process: the caller, and the number of its entry.

    Args:
        connection: A request of another process, made of a `Waiter`.

    Raises:
        TurnedAwayError: If what the caller says of itself cannot be read.
    """
    headers = connection.headers
    principal = unquote(headers[PRINCIPAL_HEADER])
    traceparent = unquote(headers.get(TRACE_HEADER, "")) or None
    return Caller(principal, metadata_of(connection), traceparent), int(headers[ENTRY_HEADER])
