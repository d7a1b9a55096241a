"""What the administration tells of sessions."""

import time
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.server.session import Session
from app.server.states import SessionState
from app.telemetry.endings import MINUTES
from proxy.dialect import Direction, LineStats

# What is misspelt is refused: an administrator who means some must not get all.
_STRICT = ConfigDict(extra="forbid")

Name = Annotated[str, Field(min_length=1, max_length=256)]

MAX_PAGE = 500


class Filters(BaseModel):
    """Which sessions to list.

    Attributes:
        state: Only those that have come so far.
        assistant: Only those with this assistant.
        principal: Only those of this principal.
        limit: How many at most.
        cursor: Only those behind a page; what it gave as `next`.
    """

    model_config = _STRICT

    state: SessionState | None = None
    assistant: Name | None = None
    principal: Name | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100
    cursor: Annotated[str, Field(pattern="^[0-9]{1,18}$")] | None = None

    def match(self, session: Session) -> bool:
        """Tell whether a session is among them, whatever the page.

        Args:
            session: The session.
        """
        return (
            self.state in (None, session.state)
            and self.assistant in (None, session.recipe.name)
            and self.principal in (None, session.caller.principal)
        )


class Whose(BaseModel):
    """Whose sessions to end.

    Attributes:
        principal: The principal.
    """

    model_config = _STRICT

    principal: Name


class Traffic(BaseModel):
    """What crossed a line in one direction.

    Attributes:
        messages: How many messages.
        size_bytes: How large they were.
        drops: How many did not cross, by reason.
    """

    messages: int
    size_bytes: int
    drops: dict[str, int]

    @classmethod
    def of(cls, stats: LineStats, direction: Direction) -> "Traffic":
        """Read it off a line.

        Args:
            stats: What the line counted.
            direction: Which way.
        """
        drops = {
            str(reason): count for (way, reason), count in stats.drops.items() if way == direction
        }
        return cls(
            messages=stats.messages[direction],
            size_bytes=stats.size_bytes[direction],
            drops=drops,
        )


class SessionInfo(BaseModel):
    """One session.

    Attributes:
        id: Its id. The log has the first eight characters of it.
        state: How far it has come.
        assistant: The assistant.
        principal: Whose it is.
        active_tasks: The assistant's tasks that take part at the moment.
        answering: Whether an answer is under way.
        age_s: How long it has lasted.
        idle_s: How long nothing has crossed.
        resumes: How often the caller came back.
        lost_with: The close code of the last connection that was lost; None if none was.
        ending_with: The close code that it ends with; None if it does not end.
        received: What came from the caller.
        sent: What went to the caller.
    """

    id: str
    state: SessionState
    assistant: str
    principal: str
    active_tasks: list[str]
    answering: bool
    age_s: Annotated[float, Field(ge=0)]
    idle_s: Annotated[float, Field(ge=0)]
    resumes: int
    lost_with: int | None
    ending_with: int | None
    received: Traffic
    sent: Traffic

    @classmethod
    def of(cls, session: Session) -> "SessionInfo":
        """Describe a session as it is now.

        Args:
            session: The session.
        """
        now = time.monotonic()
        return cls(
            id=session.id,
            state=session.state,
            assistant=session.recipe.name,
            principal=session.caller.principal,
            active_tasks=list(session.active_tasks),
            answering=session.turns.busy,
            age_s=round(max(0.0, now - session.started_at), 3),
            idle_s=round(max(0.0, session.idle_s(now)), 3),
            resumes=session.resumes,
            lost_with=session.lost_with,
            ending_with=session.ending_with,
            received=Traffic.of(session.stats, Direction.IN),
            sent=Traffic.of(session.stats, Direction.OUT),
        )


class SessionPage(BaseModel):
    """Some of the sessions, the oldest first.

    Attributes:
        sessions: These.
        next: What to pass as `cursor` for those that follow; None if there are none.
        total: How many there are that match.
        waiting: How many callers wait for a session.
        draining: Whether the server takes no more.
        silent_processes: How many processes of the server did not answer; their sessions are
            missing.
    """

    sessions: list[SessionInfo]
    next: str | None
    total: int
    waiting: int
    draining: bool
    silent_processes: int = 0


class Ended(BaseModel):
    """What was asked to end.

    Attributes:
        ended: How many sessions.
        silent_processes: How many processes of the server did not answer; theirs go on.
    """

    ended: int
    silent_processes: int = 0


class Draining(BaseModel):
    """What follows from a drain.

    Attributes:
        sessions: How many sessions are left to end.
        timeout_s: When the server is gone at the latest.
    """

    sessions: int
    timeout_s: float


class Minute(BaseModel):
    """A minute in which sessions ended.

    Attributes:
        minutes_ago: Which; 0 is the one under way.
        reasons: How many ended, by the name of their close code.
    """

    minutes_ago: Annotated[int, Field(ge=0, lt=MINUTES)]
    reasons: dict[str, int]


class Endings(BaseModel):
    """Why sessions ended in the last hour.

    Attributes:
        covers_s: How far back it reaches for every process of the server, in seconds; an hour at
            most. What sessions of a process came to that is gone is gone with it.
        minutes: The minutes in which sessions ended, the oldest first.
        silent_processes: How many processes of the server did not answer; theirs are missing.
    """

    covers_s: Annotated[float, Field(ge=0)]
    minutes: list[Minute]
    silent_processes: int = 0


class ServerInfo(BaseModel):
    """What an administrator has to know of a server, and of itself.

    Attributes:
        version: The version that runs.
        administrator: Who asks.
        max_waiting_callers: How many callers may wait for a session, in each process.
        drain_timeout_s: How long a drain takes at most.
    """

    version: str
    administrator: str
    max_waiting_callers: int
    drain_timeout_s: float
