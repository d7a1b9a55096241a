"""Turns are counted in a session where somebody listens, and nowhere else."""

import asyncio
from collections.abc import Sequence

from pipecat.observers.turn_tracking_observer import TurnTrackingObserver
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.base_worker import BaseWorker
from websockets.asyncio.client import connect

from agents import Assistants, SessionContext, assistant
from app.server import running_server
from app.server.session import Session
from app.settings import Settings
from tests.app.server.test_sessions import hear, ready, spoken
from tests.proxy.conversation import Parrot, within


def pipeline(name: str, *, traced: bool = False) -> PipelineWorker:
    return PipelineWorker(
        Pipeline([Parrot()]),
        name=name,
        bridged=(),
        idle_timeout_secs=None,
        enable_tracing=traced,
    )


async def test_turns_are_counted_for_who_listens_or_traces() -> None:
    turns: asyncio.Queue[int] = asyncio.Queue()

    async def on_turn_started(_: object, number: int) -> None:
        turns.put_nowait(number)

    @assistant("counts", exports=("assistant",), description="Counts its turns in one task.")
    def counts(session: SessionContext) -> Sequence[BaseWorker]:
        heard = pipeline("heard")
        assert heard.turn_tracking_observer is not None
        heard.turn_tracking_observer.add_event_handler("on_turn_started", on_turn_started)
        return [pipeline("assistant"), heard, pipeline("traced", traced=True)]

    async with running_server(Settings(port=0), Assistants([counts])) as (url, server):
        async with connect(f"{url}/ws/counts") as socket:
            await ready(socket)
            await socket.send(spoken("hello"))
            await hear(socket)
            (session,) = server.sessions
            assert await within(turns.get()) == 1
            assert tracked_in(session) == {"assistant": False, "heard": True, "traced": True}
        await within(server.sessions.wait_empty())


def tracked_in(session: Session) -> dict[str, bool]:
    """Tell in which tasks turns are counted."""
    tracked = {}
    for task in session._tasks:
        assert isinstance(task, PipelineWorker)
        observers = task._observer._proxies
        assert observers is not None
        tracked[task.name] = any(isinstance(one, TurnTrackingObserver) for one in observers)
    return tracked
