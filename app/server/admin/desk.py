"""What the administration does in one process."""

from loguru import logger
from pydantic import BaseModel

from app.foreign import plain
from app.server.admin.models import Filters, SessionInfo
from app.server.state import ServerState
from proxy import CloseCode


class Numbered(BaseModel):
    """A session, with its place in the order in which those of the server began.

    Attributes:
        number: Its place.
        info: What is shown of it.
    """

    number: int
    info: SessionInfo


class Part(BaseModel):
    """What one process has of a page.

    Attributes:
        sessions: Its sessions, the oldest first; one more than a page has, if there are as many.
        total: How many it has that match.
        waiting: How many callers wait in it for a session.
    """

    sessions: list[Numbered]
    total: int
    waiting: int


class Found(BaseModel):
    """Sessions whose id begins in one way.

    Attributes:
        sessions: What is shown of them.
    """

    sessions: list[SessionInfo]


class Order(BaseModel):
    """Which sessions to end: one, or all of a principal.

    Attributes:
        by: Who wants it.
        session_id: The one.
        principal: Whose.
    """

    by: str
    session_id: str | None = None
    principal: str | None = None


class Count(BaseModel):
    """How many sessions there are, or were told to end.

    Attributes:
        count: How many.
    """

    count: int


class EndingsPart(BaseModel):
    """Why sessions of one process ended in the last hour.

    Attributes:
        covers_s: How far back it reaches.
        minutes: How many ended, by reason, by how many minutes ago.
    """

    covers_s: float
    minutes: dict[int, dict[str, int]]


def endings_of(state: ServerState) -> EndingsPart:
    """Tell why sessions of this process ended in the last hour.

    Args:
        state: The process.
    """
    endings = state.metrics.endings
    minutes = {ago: dict(counts) for ago, counts in endings.by_minute().items()}
    return EndingsPart(covers_s=endings.covers_s, minutes=minutes)


def part_of(state: ServerState, filters: Filters) -> Part:
    """List the sessions of this process.

    Args:
        state: The process.
        filters: Which.
    """
    matching = [session for session in state.sessions if filters.match(session)]
    after = int(filters.cursor or 0)
    left = sorted(
        (session for session in matching if session.number > after),
        key=lambda session: session.number,
    )
    return Part(
        sessions=[
            Numbered(number=session.number, info=SessionInfo.of(session))
            for session in left[: filters.limit + 1]
        ],
        total=len(matching),
        waiting=len(state.room),
    )


def find(state: ServerState, beginning: str) -> Found:
    """Find the sessions of this process whose id begins in one way.

    Args:
        state: The process.
        beginning: How.
    """
    return Found(
        sessions=[
            SessionInfo.of(session)
            for session in state.sessions
            if session.id.startswith(beginning)
        ]
    )


def end(state: ServerState, order: Order) -> Count:
    """End sessions of this process.

    Args:
        state: The process.
        order: Which.
    """
    count = 0
    for session in state.sessions:
        if order.session_id not in (None, session.id):
            continue
        if order.principal not in (None, session.caller.principal):
            continue
        with logger.contextualize(session=session.id[:8]):
            logger.info(f"{plain(order.by)} ends the session")
        session.end(CloseCode.ENDED_BY_OPERATOR)
        count += 1
    return Count(count=count)
