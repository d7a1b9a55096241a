"""Tasks of one assistant that several lines join: they reach each other, and nobody else does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusFrameMessage,
    BusJobRequestMessage,
    BusMessage,
)
from pipecat.frames.frames import TextFrame
from pipecat.pipeline.job_context import JobError
from pipecat.processors.frame_processor import FrameDirection
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from proxy import (
    CALLER_SUFFIX,
    DirectBus,
    ServerLineOptions,
    WebSocketProxyClientTask,
    WebSocketProxyServerTask,
)
from proxy.arrival import hear
from proxy.bus.channel import Channel, ChannelLink, End
from proxy.filter import FROM_ASSISTANT, FROM_CALLER, DropReason, Filter
from tests.proxy.bus.brokers import Memory, opened
from tests.proxy.conversation import within

FAMILY = frozenset({"moderator", "critic", "analyst"})
CALLER = f"acme{CALLER_SUFFIX}"


def pool_filter() -> Filter:
    """At the pool that has the critic, whom callers may not address, and a guest, whom they may."""
    return Filter(
        exported=("guest", "critic"),
        remote=[CALLER, "moderator"],
        inbound_frames=FROM_CALLER,
        may_switch=True,
        family=FAMILY,
    )


def caller_filter() -> Filter:
    """At the caller, on the line to the pool that has the critic."""
    return Filter(
        exported=("acme", "moderator"),
        remote=["guest", "critic"],
        inbound_frames=FROM_ASSISTANT,
        family=FAMILY | {"guest"},
    )


def job(source: str, target: str) -> BusMessage:
    return BusJobRequestMessage(source=source, target=target, job_id="1")


def activation(source: str, target: str) -> BusMessage:
    return BusActivateWorkerMessage(source=source, target=target, args=None)


def frame(source: str, target: str | None = None) -> BusFrameMessage:
    return BusFrameMessage(
        source=source,
        target=target,
        frame=TextFrame("x"),
        direction=FrameDirection.DOWNSTREAM,
    )


class TestAtThePool:
    def test_a_sibling_reaches_a_task_that_the_caller_does_not(self) -> None:
        (message,) = pool_filter().inbound(job("moderator", "critic")).messages
        assert (message.source, message.target) == ("moderator", "critic")
        assert pool_filter().inbound(job(CALLER, "critic")).dropped is DropReason.TARGET
        assert pool_filter().inbound(job("nobody", "critic")).dropped is DropReason.TARGET
        assert pool_filter().inbound(job(CALLER, "guest")).dropped is None

    def test_a_sibling_may_switch(self) -> None:
        assert pool_filter().inbound(activation("moderator", "critic")).dropped is None
        assert pool_filter().inbound(activation("moderator", "guest")).dropped is None

    def test_what_callers_may_not_address_says_nothing_to_them(self) -> None:
        assert pool_filter().outbound(job("critic", "moderator")) is None
        assert pool_filter().outbound(job("critic", CALLER)) is DropReason.SOURCE
        assert pool_filter().outbound(frame("critic")) is DropReason.LOCAL
        assert pool_filter().outbound(frame("guest")) is None

    def test_frames_are_for_tasks_that_callers_may_address(self) -> None:
        (message,) = pool_filter().inbound(frame(CALLER)).messages
        assert message.target == "guest"
        assert pool_filter().inbound(frame(CALLER, "critic")).dropped is DropReason.TARGET

    def test_who_has_nobody_for_frames_hears_none(self) -> None:
        assert pool_filter().hears
        alone = Filter(("critic",), ["acme"], FROM_CALLER, family=FAMILY)
        assert not alone.hears
        assert alone.inbound(frame("acme")).messages == ()


class TestAtTheCaller:
    def test_siblings_pass_through(self) -> None:
        for message in (job("critic", "moderator"), activation("critic", "moderator")):
            (passed,) = caller_filter().inbound(message).messages
            assert passed is message
        assert caller_filter().outbound(activation("moderator", "critic")) is None

    def test_nobody_else_is_switched_by_an_assistant(self) -> None:
        refused = caller_filter().inbound(activation("critic", "acme"))
        assert refused.dropped is DropReason.TYPE

    def test_frames_are_for_the_caller(self) -> None:
        (message,) = caller_filter().inbound(frame("guest")).messages
        assert message.target == "acme"
        assert caller_filter().outbound(frame("moderator")) is DropReason.LOCAL


class Teller(BaseWorker):
    """Writes down what it is asked, and answers."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.asked: asyncio.Queue[str] = asyncio.Queue()

    async def on_job_request(self, message: BusJobRequestMessage) -> None:
        await super().on_job_request(message)
        self.asked.put_nowait(message.source)
        await self.send_job_response(message.job_id, {"from": self.name})


@dataclass
class MemoryDialler:
    """Connects with a pool of the test."""

    channel: Channel
    where: str = "a pool of the test"

    async def dial(self, session: str = "") -> ChannelLink:
        return self.channel.connect()

    async def close(self) -> None:
        await self.channel.leave()


@contextlib.asynccontextmanager
async def running(*workers: BaseWorker) -> AsyncIterator[WorkerRunner]:
    runner = WorkerRunner(bus=DirectBus(), handle_sigint=False)
    await runner.add_workers(*workers)
    holding = asyncio.create_task(runner.run(auto_end=False))
    try:
        yield runner
    finally:
        await runner.cancel()
        await within(holding)


async def serve(pool: Channel, task: Teller, siblings: frozenset[str]) -> None:
    """Be a pool with one task, until the caller is gone."""
    pool.start()
    arrival = await hear(await pool.next_link())
    options = ServerLineOptions(family=siblings, resume_window_s=30.0)
    line = WebSocketProxyServerTask(
        "gateway", arrival=arrival, task_name=task.name, options=options
    )
    async with running(line, task):
        await line.wait_disconnected()
    await pool.leave()


@contextlib.asynccontextmanager
async def joined(caller: Teller, *tasks: Teller) -> AsyncIterator[WorkerRunner]:
    """A caller, and a pool for each of the tasks; only the first may be addressed by callers."""
    names = [task.name for task in tasks]
    broker, lines, serving = Memory(), [], []
    async with opened(broker) as streams:
        for task in tasks:
            up, down = f"{task.name}-up", f"{task.name}-down"
            await streams.create([up, down])
            pool = Channel(streams, End.POOL, reads=up, writes=down)
            hidden = {task.name} - {names[0]}
            family = frozenset(names) - {task.name} | hidden
            serving.append(asyncio.create_task(serve(pool, task, family)))
            near = Channel(streams, End.CALLER, reads=down, writes=up)
            near.start()
            line = WebSocketProxyClientTask(
                f"line-{task.name}",
                dialler=MemoryDialler(near),
                remote_task_name=task.name,
                local_task_name=[caller.name, *(name for name in names if name != task.name)],
                active=True,
                family=names,
            )
            lines.append(line)
        async with running(caller, *lines) as runner:
            ready = {name: asyncio.Event() for name in names}
            for name, event in ready.items():

                async def on_ready(_: object, event: asyncio.Event = event) -> None:
                    event.set()

                await runner.registry.watch(name, on_ready)
            for event in ready.values():
                await within(event.wait())
            yield runner
        await within(asyncio.gather(*serving))
    assert await broker.left() == []


async def test_tasks_in_different_pools_ask_each_other_through_the_caller() -> None:
    caller, moderator, critic = Teller("acme"), Teller("moderator"), Teller("critic")
    async with joined(caller, moderator, critic):
        async with asyncio.timeout(30), moderator.job("critic") as asked:
            pass
        assert asked.response == {"from": "critic"}
        assert critic.asked.get_nowait() == "moderator"
        async with asyncio.timeout(30), caller.job("moderator") as asked:
            pass
        assert asked.response == {"from": "moderator"}
        assert moderator.asked.get_nowait() == CALLER
        with pytest.raises(JobError):
            async with asyncio.timeout(30), caller.job("critic"):
                pass
        assert caller.asked.empty()


def test_a_line_needs_one_way_to_dial() -> None:
    with pytest.raises(ValueError, match="give either url or dialler"):
        WebSocketProxyClientTask("line", local_task_name="acme")
