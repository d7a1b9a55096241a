"""What the routes of one server share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from agents import Assistants
from app.server.admission import SlotLimits, Slots, WaitingRoom
from app.server.building import Builder
from app.server.door import Door
from app.server.table import SessionTable
from app.services import Roles
from app.settings import Settings


@dataclass
class ServerState:
    """The parts of one server.

    Attributes:
        settings: Its settings.
        assistants: The assistants that it hosts.
        roles: Makes services.
        door: Lets callers in.
        sessions: The sessions that are running.
        builder: Builds the tasks of sessions.
        request_drain: Asks for a drain, after which the server stops.
        slots: How many sessions there may be.
        room: Where callers wait for one.
    """

    settings: Settings
    assistants: Assistants
    roles: Roles
    door: Door
    sessions: SessionTable = field(default_factory=SessionTable)
    builder: Builder = field(default_factory=Builder)
    request_drain: Callable[[], None] = lambda: None
    slots: Slots = field(init=False)
    room: WaitingRoom = field(init=False)

    def __post_init__(self) -> None:
        """Make what follows from the settings."""
        self.slots = Slots(SlotLimits.of(self.settings))
        self.room = WaitingRoom(self.slots, self.settings.max_waiting_callers)


def state_of(connection: HTTPConnection) -> ServerState:
    """Find the server's parts from a request or a WebSocket."""
    state: ServerState = connection.app.state.server
    return state
