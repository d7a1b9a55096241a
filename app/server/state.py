"""What the routes of one server share."""

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from agents import Assistants, Recipe
from app.processes.condition import ProcessState
from app.processes.ledger import LedgerError
from app.server.admission import Returning, SlotLimits, Slots, WaitingRoom
from app.server.admission.book import SharedBook
from app.server.building import Builder
from app.server.caller import Caller
from app.server.door import Door
from app.server.limits import SessionLimits
from app.server.refusal import Refusal
from app.server.session import Session
from app.server.states import SessionState
from app.server.table import SessionTable
from app.server.together import Membership, Peers
from app.server.together.passing import hand_on
from app.services import Roles
from app.settings import Settings
from app.telemetry import LoopLag, Metrics, ServerView
from proxy.arrival import Arrival

if TYPE_CHECKING:
    from app.calls.table import CallTable


@dataclass
class ServerState:
    """The parts of one server.

    Attributes:
        settings: Its settings.
        assistants: The assistants that it hosts.
        roles: Makes services.
        door: Lets callers in.
        calls: The calls of its page.
        sessions: The sessions that are running.
        builder: Builds the tasks of sessions.
        request_drain: Asks for a drain, after which the server stops.
        address: Where programs of this machine reach it, for example `ws://127.0.0.1:8765`.
        slots: How many sessions there may be.
        returning: Connections that say they come back, and have not said to what.
        room: Where callers wait for one.
        metrics: What the server counts.
        lag: How late its event loop is.
        refusals: Who was turned away, by reason.
        membership: Its place among several processes; None if it is the whole server.
        peers: The other processes.
    """

    settings: Settings
    assistants: Assistants
    roles: Roles
    door: Door
    calls: "CallTable"
    sessions: SessionTable = field(default_factory=SessionTable)
    builder: Builder = field(default_factory=Builder)
    request_drain: Callable[[], None] = lambda: None
    address: str = ""
    metrics: Metrics = field(default_factory=Metrics)
    membership: Membership | None = None
    peers: Peers = field(init=False)
    slots: Slots = field(init=False)
    returning: Returning = field(init=False)
    room: WaitingRoom = field(init=False)
    lag: LoopLag = field(init=False)
    # Those that an alert asks for are there before they happen.
    refusals: Counter[str] = field(default_factory=lambda: Counter(full=0, draining=0))

    def __post_init__(self) -> None:
        """Make what follows from the settings, and let the metrics look at the other parts."""
        one = self.membership
        book = None if one is None else SharedBook(one.ledger, one.place)
        self.slots = Slots(SlotLimits.of(self.settings), book)
        self.returning = Returning(self.slots.limits)
        self.peers = Peers(self.settings, one)
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
                calls=self.calls,
            )
        )

    @property
    def draining(self) -> bool:
        """Whether the whole server takes no more callers."""
        if self.membership is None:
            return self.sessions.draining
        return self.readiness(0.0) is ProcessState.DRAINING

    def readiness(self, now: float) -> ProcessState:
        """Tell whether the whole server takes callers: it does if one of its processes does.

        Args:
            now: The time on the event loop's clock.
        """
        if self.membership is not None:
            try:
                return self.membership.conditions.of_server()
            except LedgerError:
                return ProcessState.STALLED
        if self.sessions.draining:
            return ProcessState.DRAINING
        return ProcessState.STALLED if self.lag.stalled(now) else ProcessState.READY

    def processes(self, now: float) -> dict[str, ProcessState]:
        """Tell how every process is, by its place.

        Args:
            now: The time on the event loop's clock.
        """
        if self.membership is None:
            return {"0": self.readiness(now)}
        try:
            conditions = self.membership.conditions.of_all()
        except LedgerError:
            return {}
        return {str(place): condition.state for place, condition in conditions.items()}

    def new_session_id(self) -> str:
        """Make an id for a session, unguessable."""
        return uuid.uuid4().hex if self.membership is None else self.membership.new_session_id()

    def new_session(self, recipe: Recipe, caller: Caller) -> Session:
        """Make a session, with an id that nobody can guess.

        Args:
            recipe: The assistant.
            caller: Who calls.
        """
        return Session(
            *(recipe, caller, self.roles, SessionLimits.of(self.settings), self.builder),
            id=self.new_session_id(),
            metrics=self.metrics,
        )

    async def take_back(self, arrival: Arrival, principal: str) -> None:
        """Carry on with a session over a new connection, wherever it is, while that lasts.

        Args:
            arrival: A caller that says it comes back.
            principal: Who that is.
        """
        if not await self.peers.take_back(arrival, principal):
            await self.sessions.take_back(arrival, principal)

    def hand_on(self, connection: HTTPConnection) -> bool:
        """Hand a caller on to a process that has room, if this one takes none and another does.

        Args:
            connection: A WebSocket that was not answered yet.

        Returns:
            Whether that was done; nobody is to answer then.
        """
        full = self.slots.taken >= self.slots.limits.total or self.sessions.draining
        if not full or self.membership is None:
            return False
        return hand_on(connection, self.membership, self.settings.max_sessions)

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
