"""The line from a call to its assistant: through the port of this very server, as anybody's.

A call comes as whoever called, with a ticket for each connection, so that the assistant's side
knows, counts and bounds it like any other caller. The ticket is good in every process of the
server, whichever of them the port hands the connection to.
"""

from dataclasses import dataclass, field
from urllib.parse import quote

from app.server.identity import Principal
from app.server.identity.tickets import PARAMETER, Tickets
from app.server.refusal import TurnedAwayError
from proxy import RefusedError
from proxy.dial import DialledLink, DialOptions, WebSocketDialler, public_url
from proxy.wire import SUBPROTOCOL


@dataclass(frozen=True)
class TicketDialler:
    """Dials a server with a new ticket each time; implements `proxy.dial.Dialler`.

    Attributes:
        url: The address of the assistant there, without a query.
        assistant: Its name.
        principal: Who calls.
        tickets: Where tickets are made.
        max_message_bytes: The largest message to take.
    """

    url: str
    assistant: str
    principal: Principal
    tickets: Tickets = field(repr=False)
    max_message_bytes: int

    @property
    def where(self) -> str:
        """The address, fit for logs."""
        return public_url(self.url)

    async def dial(self, session: str = "") -> DialledLink:
        """Dial with a ticket; see `Dialler.dial`."""
        try:
            ticket = self.tickets.issue(self.principal, self.assistant)
        except TurnedAwayError as turned_away:
            refusal = turned_away.refusal
            raise RefusedError(refusal.status, refusal.detail) from None
        options = DialOptions(subprotocols=(SUBPROTOCOL,), max_message_bytes=self.max_message_bytes)
        return await WebSocketDialler(f"{self.url}?{PARAMETER}={ticket}", options).dial(session)

    async def close(self) -> None:
        """Do nothing: a connection leaves nothing behind."""


def address_of_assistant(base: str, name: str) -> str:
    """Return where an assistant is found on a server.

    Args:
        base: The server, for example `ws://127.0.0.1:8765`.
        name: The assistant.
    """
    return f"{base}/ws/{quote(name, safe='')}"
