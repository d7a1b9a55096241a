"""What the routes of one server share."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from agents import Assistants
from app.server.admission import SlotLimits, Slots, WaitingRoom
from app.server.building import Builder
from app.server.door import Door
from app.server.refusal import Refusal
from app.server.states import SessionState
from app.server.table import SessionTable
from app.services import Roles
from app.settings import Settings
from app.telemetry import LoopLag, Metrics, ServerView


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
        metrics: What the server counts.
        lag: How late its event loop is.
        refusals: Who was turned away, by reason.
    """

    settings: Settings
    assistants: Assistants
    roles: Roles
    door: Door
    sessions: SessionTable = field(default_factory=SessionTable)
    builder: Builder = field(default_factory=Builder)
    request_drain: Callable[[], None] = lambda: None
    metrics: Metrics = field(default_factory=Metrics)
    slots: Slots = field(init=False)
    room: WaitingRoom = field(init=False)
    lag: LoopLag = field(init=False)
    # Those that an alert asks for are there before they happen.
    refusals: Counter[str] = field(default_factory=lambda: Counter(full=0, draining=0))

    def __post_init__(self) -> None:
        """Make what follows from the settings, and let the metrics look at the other parts."""
        self.slots = Slots(SlotLimits.of(self.settings))
        self.room = WaitingRoom(self.slots, self.settings.max_waiting_callers)
        self.lag = LoopLag(self.settings.stall_timeout_s, self.metrics.lag.observe)
        self.metrics.serve(
            ServerView(
                assistants=tuple(self.assistants),
                states=tuple(state for state in SessionState if state is not SessionState.ENDED),
                sessions=lambda: ((one.recipe.name, one.state) for one in self.sessions),
                max_sessions=self.settings.max_sessions,
                draining=lambda: self.sessions.draining,
                refusals=self.refusals,
                resumes=self.sessions.resumes,
            )
        )

    def turned_away(self, refusal: Refusal) -> JSONResponse:
        """Count a refusal, and write its answer.

        Args:
            refusal: Why somebody may not come in.
        """
        self.refusals[refusal.code] += 1
        return refusal.response()


def state_of(connection: HTTPConnection) -> ServerState:
    """Find the server's parts from a request or a WebSocket."""
    state: ServerState = connection.app.state.server
    return state
