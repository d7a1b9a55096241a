"""What becomes of a job is shown to its caller, once and in order, however the job ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from pipecat.bus import AsyncQueueBus
from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusFrameMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobStreamDataMessage,
    BusJobUpdateMessage,
    BusMessage,
)
from pipecat.pipeline.job_context import (
    JobError,
    JobGroupError,
    JobGroupParams,
    JobParams,
    JobStatus,
)
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import LLMWorker, tool

from agents import Call, Recipe, Reply, Say, SessionContext, Turn, show
from agents.display import MAX_JOBS, MAX_TEXT, CallerDisplay
from agents.host import Host
from app.caller.assistants import RemoteAssistant
from proxy import DirectBus
from proxy.bus import BusOverflowError
from tests.agents.placements import Asker, Doer, hold
from tests.agents.talking import CURT, TOKEN, Placement, placed, talking
from tests.agents.watching import Watched
from tests.proxy.bus.test_direct import Listener
from tests.proxy.conversation import within
from tests.proxy.relay import Relay

NEAR_AND_FAR = (Placement.HERE, Placement.TRUNK)

# For talking to who never says a word.
SILENT = {**CURT, "answer_timeout_s": 0.01}


@dataclass
class Desk:
    """A desk that a test makes ask.

    Attributes:
        asker: Who asks, and may talk to the caller.
        watched: What the caller's screen shows.
    """

    asker: Asker
    watched: Watched

    async def ask(self, *workers: str, **params: Any) -> None:
        """Ask workers, whatever comes of it."""
        with contextlib.suppress(JobGroupError):
            async with self.asker.job_group(
                *workers, params=JobGroupParams(cancel_on_error=False, **params)
            ):
                pass


def recipe_of(*tasks: BaseWorker, **options: Any) -> Recipe:
    def build(session: SessionContext) -> Sequence[BaseWorker]:
        return list(tasks)

    return Recipe("desk", exports=(tasks[0].name,), build=build, **options)


@contextlib.asynccontextmanager
async def desk(placement: Placement, *workers: BaseWorker, **options: Any) -> AsyncIterator[Desk]:
    asker = Asker("desk")
    async with placed(placement, recipe_of(asker, *workers, **options)) as place:
        watched = Watched(place.side("desk", has_screen=True))
        async with talking(watched, **SILENT):
            await watched.until(1, trunkline="active", task="desk")
            yield Desk(asker, watched)


async def refuse(doer: Doer, message: BusJobRequestMessage) -> None:
    await doer.send_job_response(
        message.job_id, {"error": "the safe is behind the picture"}, status=JobStatus.FAILED
    )


async def fall_over(doer: Doer, message: BusJobRequestMessage) -> None:
    raise ValueError("the safe is behind the picture")


@pytest.mark.parametrize("placement", NEAR_AND_FAR)
async def test_a_job_that_fails_is_shown_without_a_reason_that_is_not_ours(
    placement: Placement,
) -> None:
    async with desk(placement, Doer("one", refuse), Doer("two", fall_over)) as there:
        await there.ask("one", "two", "nobody")
        await there.watched.until(2, state="failed")
        await there.watched.until(1, state="error")
    jobs = there.watched.jobs()
    assert sorted(jobs[:3]) == [(name, "started", None) for name in ("nobody", "one", "two")]
    assert sorted(jobs[3:]) == [
        ("nobody", "failed", "the task cannot be reached"),
        ("one", "failed", None),
        ("two", "error", "the job failed"),
    ]


@pytest.mark.parametrize("placement", NEAR_AND_FAR)
async def test_a_job_that_takes_too_long_has_failed(placement: Placement) -> None:
    async with desk(placement, Doer("one", hold)) as there:
        await there.ask("one", timeout=0.05)
        (late,) = await there.watched.until(1, state="failed")
    assert late["text"] in ("timeout", "the deadline has passed")
    assert len(there.watched.of("job")) == 2


async def tell(doer: Doer, message: BusJobRequestMessage) -> None:
    job = message.job_id
    await doer.send_job_update(job, {"text": "I look", "safe": "behind the picture"})
    await doer.send_job_update(job, {"share": 0.5}, urgent=True)
    await doer.send_job_stream_start(job)
    await doer.send_job_stream_data(job, {"text": "It is "})
    await doer.send_job_stream_data(job, {"text": "there."})
    await doer.send_job_stream_end(job, {"text": "It is there."})


@pytest.mark.parametrize("placement", NEAR_AND_FAR)
async def test_what_a_worker_says_meanwhile_is_shown_and_nothing_else_of_it(
    placement: Placement,
) -> None:
    async with desk(placement, Doer("one", tell)) as there:
        await there.ask("one", name="look", payload={"safe": "behind the picture"})
        await there.watched.until(1, state="completed")
    jobs = there.watched.of("job")
    assert there.watched.jobs() == [
        ("one", "started", None),
        ("one", "update", "I look"),
        ("one", "update", None),
        ("one", "update", "It is "),
        ("one", "update", "there."),
        ("one", "completed", "It is there."),
    ]
    assert [job.get("piece") for job in jobs] == [None, None, None, True, True, None]
    assert {(job["asked_by"], job["name"]) for job in jobs} == {("desk", "look")}
    assert "picture" not in str(jobs)


async def talk_much(doer: Doer, message: BusJobRequestMessage) -> None:
    await doer.send_job_response(message.job_id, {"answer": "word " * 1000})


async def test_of_a_long_answer_the_beginning_is_shown() -> None:
    async with desk(Placement.TRUNK, Doer("one", talk_much)) as there:
        await there.ask("one")
        (answer,) = await there.watched.until(1, state="completed")
    assert len(answer["text"]) == MAX_TEXT
    assert answer["text"].endswith("…")


async def ask_on(doer: Doer, message: BusJobRequestMessage) -> None:
    async with doer.job("leaf") as asked:
        pass
    await doer.send_job_response(message.job_id, asked.response)


@pytest.mark.parametrize("placement", NEAR_AND_FAR)
async def test_what_a_hidden_task_asks_another_is_shown_too(placement: Placement) -> None:
    async with desk(placement, Doer("one", ask_on), Doer("leaf")) as there:
        await there.ask("one")
        await there.watched.until(2, state="completed")
    asked = [(job["asked_by"], job["task"]) for job in there.watched.of("job")]
    assert asked == [("desk", "one"), ("one", "leaf"), ("one", "leaf"), ("desk", "one")]


@pytest.mark.parametrize("placement", NEAR_AND_FAR)
async def test_a_recipe_may_keep_its_jobs_to_itself(placement: Placement) -> None:
    async with desk(placement, Doer("one"), shows_jobs=False) as there:
        await there.ask("one")
        show(there.asker, {"last": True})
        await there.watched.until(1, last=True)
    assert there.watched.news == [{"trunkline": "active", "task": "desk"}, {"last": True}]


async def test_a_cut_line_neither_repeats_nor_loses_what_is_shown() -> None:
    doers = [Doer(name, hold) for name in ("one", "two", "three")]
    asker = Asker("desk")
    async with (
        placed(Placement.TRUNK, recipe_of(asker, *doers)) as place,
        Relay.to(place.url("desk")).running() as relay,
    ):
        watched = Watched(RemoteAssistant(relay.url, token=TOKEN, has_screen=True))
        there = Desk(asker, watched)
        async with talking(watched, **SILENT):
            await watched.until(1, trunkline="active")
            asking = asyncio.create_task(there.ask("one", "two", "three"))
            await watched.until(3, state="started")
            for doer in doers[:2]:
                relay.refusing = True
                relay.cut()
                job_id = next(iter(doer.active_jobs))
                await doer.send_job_update(job_id, {"text": f"{doer.name} is nearly there"})
                doer.go.set()
                await within(doer.answered.wait())
                relay.refusing = False
                await watched.until(1, task=doer.name, state="completed")
            doers[2].go.set()
            await within(asking)
            await watched.until(3, state="completed")
    assert relay.cuts == 2
    assert sorted(watched.jobs()[:3]) == sorted((d.name, "started", None) for d in doers)
    assert watched.jobs()[3:] == [
        ("one", "update", "one is nearly there"),
        ("one", "completed", None),
        ("two", "update", "two is nearly there"),
        ("two", "completed", None),
        ("three", "completed", None),
    ]


class Clerk(Host):
    """Has a tool that waits for a job."""

    def __init__(self, llm: LLMService[Any]) -> None:
        super().__init__("desk", llm, greeting="Greet.")

    @tool
    async def look(self, params: FunctionCallParams) -> None:
        """Look it up."""
        with contextlib.suppress(JobError):
            async with self.job("one", params=JobParams(name="look")):
                pass
        await params.result_callback({"found": True})


def clerk_script(turn: Turn) -> Reply:
    if turn.last_role == "user" and "look" in turn.user_texts[-1]:
        return [Call("look")]
    return Say("As you like.") if turn.user_texts else Say("Hello.")


@pytest.mark.parametrize("placement", [Placement.HERE, Placement.TRUNK, Placement.BROKER])
async def test_a_job_that_an_interruption_cancels_is_shown_as_cancelled(
    placement: Placement,
) -> None:
    def build(session: SessionContext) -> Sequence[BaseWorker]:
        clerk = Clerk(session.services.llm("desk", instruction="Be brief."))
        return [clerk, Doer("one", hold)]

    recipe = Recipe("desk", exports=("desk",), build=build, scripts={"desk": clerk_script})
    async with placed(placement, recipe) as place:
        watched = Watched(place.side("desk", has_screen=True))
        async with talking(watched, may_interrupt=True) as talk:
            await talk.hear("Hello.\n")
            await talk.say("look it up")
            await watched.until(1, state="started", name="look")
            await talk.ask("never mind", "As you like.")
            await watched.until(1, state="cancelled")
    assert watched.jobs() == [("one", "started", None), ("one", "cancelled", None)]


class Plain(LLMWorker):
    """A task of nothing but Pipecat's."""


@pytest.mark.parametrize("placement", NEAR_AND_FAR)
async def test_tasks_of_stock_pipecat_are_shown_without_a_line_of_their_own(
    placement: Placement,
) -> None:
    plain: list[LLMWorker] = []

    def build(session: SessionContext) -> Sequence[BaseWorker]:
        llm = session.services.llm("desk", instruction="Be brief.")
        plain.append(Plain("desk", llm=llm, bridged=()))
        return [plain[0], Doer("one", tell)]

    recipe = Recipe("desk", exports=("desk",), build=build, scripts={"desk": clerk_script})
    async with placed(placement, recipe) as place:
        watched = Watched(place.side("desk", has_screen=True))
        async with talking(watched, **SILENT):
            await watched.until(1, trunkline="active", task="desk")
            async with plain[0].job("one", params=JobParams(timeout=30)):
                pass
            await watched.until(1, state="completed")
    assert watched.jobs()[0] == ("one", "started", None)


@pytest.mark.parametrize("news", [{"kind": "order", "items": 3}, ["paid"], "paid", 7, None])
@pytest.mark.parametrize("placement", NEAR_AND_FAR)
async def test_a_task_shows_what_it_likes(placement: Placement, news: Any) -> None:
    hidden = BaseWorker("hidden")
    async with desk(placement, hidden) as there:
        show(hidden, {"news": news})
        show(there.asker, {"news": news})
        show(there.asker, {"last": True})
        await there.watched.until(1, last=True)
    assert there.watched.news[1:3] == [{"news": news}] * 2


async def test_what_cannot_cross_is_dropped_and_the_line_goes_on() -> None:
    async with desk(Placement.TRUNK) as there:
        show(there.asker, {"news": object()})
        show(there.asker, {"last": True})
        await there.watched.until(1, last=True)
    assert {"last": True} in there.watched.news
    assert len(there.watched.news) == 2


async def test_showing_something_without_a_session_does_nothing() -> None:
    alone, on_a_stock_bus = BaseWorker("alone"), BaseWorker("stock")
    on_a_stock_bus._bus = AsyncQueueBus()
    for task in (alone, on_a_stock_bus):
        show(task, {"kind": "order"})


class Shown(DirectBus):
    """A bus that keeps what is shown, in place of a caller."""

    def __init__(self, viewer: str | None = "caller") -> None:
        super().__init__()
        self.viewer = viewer
        self.news: list[Any] = []
        self.full = False
        recipe, tasks = recipe_of(BaseWorker("desk")), [BaseWorker("desk")]
        self.display = CallerDisplay(self, recipe, tasks, lambda: self.viewer)

    def hand(self, message: BusMessage, *, skip: str | None = None) -> None:
        if not isinstance(message, BusFrameMessage):
            super().hand(message, skip=skip)
        elif self.full:
            raise BusOverflowError("the caller is far behind")
        else:
            assert isinstance(message.frame, RTVIServerMessageFrame)
            self.news.append(message.frame.data)

    def ask(self, job: str, source: str = "desk") -> None:
        # Nobody is there, so the bus itself answers that the job has failed.
        self.hand(BusJobRequestMessage(source=source, target="one", job_id=job))

    def states(self) -> list[str]:
        return [news["state"] for news in self.news]


def answer(job: str) -> BusJobResponseMessage:
    return BusJobResponseMessage(source="one", target="desk", job_id=job, status=JobStatus.FAILED)


def test_an_answer_is_shown_once() -> None:
    bus = Shown()
    bus.ask("1")
    bus.hand(answer("1"))
    bus.hand(BusJobUpdateMessage(source="one", target="desk", job_id="1", update={"text": "x"}))
    assert bus.states() == ["started", "failed"]


def test_what_is_asked_by_others_than_the_assistants_tasks_is_not_shown() -> None:
    bus = Shown()
    bus.ask("1", source="caller")
    assert bus.news == []


def test_who_looks_later_is_shown_what_begins_later() -> None:
    bus = Shown(viewer=None)
    bus.ask("1")
    bus.hand(BusActivateWorkerMessage(source="caller", target="desk"))
    bus.viewer = "caller"
    bus.ask("2")
    assert {news["id"] for news in bus.news} == {"2"}


async def test_no_more_jobs_are_followed_than_a_conversation_has() -> None:
    bus = Shown()
    await bus.subscribe(Listener("one"))
    for number in range(MAX_JOBS + 1):
        bus.ask(str(number))
    bus.ask("0")  # the same once more is the same job
    assert bus.states() == ["started"] * MAX_JOBS
    bus.hand(answer(str(MAX_JOBS)))
    bus.hand(BusJobStreamDataMessage(source="one", target="desk", job_id=str(MAX_JOBS)))
    assert len(bus.news) == MAX_JOBS


def test_a_caller_that_is_far_behind_disturbs_nobody() -> None:
    bus = Shown()
    bus.full = True
    bus.ask("1")
    bus.full = False
    bus.hand(BusActivateWorkerMessage(source="caller", target="desk"))
    assert bus.news == [{"trunkline": "active", "task": "desk"}]
