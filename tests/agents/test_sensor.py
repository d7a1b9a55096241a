"""The voice asks the controller, and the controller reads and sets the thermometer."""

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pipecat.pipeline.job_context import JobParams, JobStatus
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from agents import Recipe, Reply, Say, SessionContext, Turn
from agents.sensor import VOICE, Voice, sensor, sensor_tasks
from agents.sensor import script as lines
from agents.sensor.controller import ASK, CONTROLLER
from agents.sensor.processors import slope_of
from agents.sensor.thermometer import MAX_TARGET_C, MIN_RESPONSE_PER_S, Thermometer
from proxy import DirectBus
from tests.agents.stepped_clock import SteppedClock
from tests.agents.talking import Placement, placed, talking
from tests.proxy.conversation import within


def with_clock(clock: SteppedClock, **scripts: Any) -> Recipe:
    return replace(
        sensor,
        build=lambda session: sensor_tasks(session, clock=clock, seed=7),
        scripts={**sensor.scripts, **scripts},
    )


@pytest.mark.parametrize("placement", Placement)
async def test_the_room_reaches_its_target(placement: Placement) -> None:
    clock = SteppedClock()
    async with (
        placed(placement, with_clock(clock)) as place,
        talking(place.side("sensor")) as talk,
    ):
        await talk.hear(lines.GREETING)
        await talk.ask("what is the temperature?", "the target is 21.0")
        await talk.ask("make it warmer", "The target is now 23.0 degrees.")
        await clock.advance(5)
        await talk.ask("is it stable yet?", "Not yet")
        await talk.ask("speed up the response", "10 percent of the way every second")
        await clock.advance(200)
        await talk.ask("is it stable yet?", "Yes, it is stable at 23.0 degrees.")
        await talk.ask("set it to twenty five degrees", "The target is now 25.0 degrees.")
        await clock.advance(200)
        await talk.ask("what was the highest reading?", "is 25.1 degrees.")
        await talk.ask("goodbye", lines.FAREWELL)
    assert talk.tools_called.count("ask_controller") == 7
    assert talk.problems == []


async def test_two_questions_in_one_breath_are_both_answered() -> None:
    clock = SteppedClock()
    async with (
        placed(Placement.TRUNK, with_clock(clock)) as place,
        talking(place.side("sensor")) as talk,
    ):
        await talk.hear(lines.GREETING)
        await talk.say("what was the highest reading and what is the target")
        await talk.hear("The highest reading of the last minute is")
        await talk.hear("the target is 21.0.")
    assert talk.tools_called == ["ask_controller", "ask_controller"]


class Watched:
    """The controller's script, and an event for every time that it is asked."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def __call__(self, turn: Turn) -> Reply:
        self.asked.set()
        return lines.controller_script(turn)


@contextlib.asynccontextmanager
async def running(recipe: Recipe) -> AsyncIterator[BaseWorker]:
    """Run a session without a caller, and give somebody who asks its controller."""
    async with placed(Placement.HERE, recipe) as place:
        runner = WorkerRunner(bus=DirectBus(), handle_sigint=False)
        services = place.roles.for_assistant(recipe)
        asker = BaseWorker("asker")
        tasks = recipe.tasks(SessionContext("1", "test", services))
        await runner.add_workers(asker, *tasks)
        run = asyncio.create_task(runner.run(auto_end=False))
        try:
            yield asker
        finally:
            await runner.cancel()
            await within(run)


async def ask(asker: BaseWorker, question: str) -> str:
    params = JobParams(name=ASK, payload={"question": question}, timeout=30)
    async with asker.job(CONTROLLER, params=params) as job:
        pass
    return str(job.response["answer"])


async def test_questions_that_overlap_are_each_given_their_own_answer() -> None:
    async with running(with_clock(SteppedClock())) as asker:
        questions = ["set it to 20", "what is the target", "set it to 30", "what is the target"]
        answers = await within(asyncio.gather(*(ask(asker, each) for each in questions)), 60)
    assert answers[0] == "The target is now 20.0 degrees."
    assert "the target is 20.0." in answers[1]
    assert answers[2] == "The target is now 30.0 degrees."
    assert "the target is 30.0." in answers[3]


async def test_a_question_that_is_given_up_does_not_answer_the_next() -> None:
    watched = Watched()
    async with running(with_clock(SteppedClock(), controller=watched)) as asker:
        for _ in range(5):
            watched.asked.clear()
            given_up = asyncio.create_task(ask(asker, "what is the temperature"))
            waiting = asyncio.create_task(ask(asker, "what was the highest reading"))
            await within(watched.asked.wait())
            given_up.cancel()
            assert "highest" in await within(waiting)


def failing_script(turn: Turn) -> Reply:
    raise ValueError("a secret of the script")


async def test_a_controller_that_fails_is_answered_in_words() -> None:
    clock = SteppedClock()
    async with (
        placed(Placement.TRUNK, with_clock(clock, controller=failing_script)) as place,
        talking(place.side("sensor")) as talk,
    ):
        await talk.hear(lines.GREETING)
        await talk.ask("what is the temperature", "I am sorry")
        await talk.ask("thank you", lines.THANKS)


class Deaf(BaseWorker):
    """A controller that answers nothing, and is gone when it is asked."""

    def __init__(self) -> None:
        super().__init__(CONTROLLER)

    async def on_job_request(self, message: Any) -> None:
        await self.send_job_response(message.job_id, status=JobStatus.ERROR)


async def test_a_controller_that_is_gone_is_answered_in_words() -> None:
    def build(session: SessionContext) -> Sequence[BaseWorker]:
        llm = session.services.llm(VOICE, instruction="")
        return [Voice(VOICE, llm, greeting="Greet."), Deaf()]

    async with (
        placed(Placement.TRUNK, replace(sensor, build=build)) as place,
        talking(place.side("sensor")) as talk,
    ):
        await talk.hear(lines.GREETING)
        await talk.ask("what is the temperature", lines.PROBLEM)
        await talk.ask("goodbye", lines.FAREWELL)


def test_the_room_follows_its_target_with_a_lag() -> None:
    room = Thermometer(temperature_c=10, target_c=20, response_per_s=0.1, noise_c=0)
    assert room.after(10) == pytest.approx(20 - 10 * math.exp(-1))
    assert room.after(1000) == pytest.approx(20)
    assert room.set_target(100) == MAX_TARGET_C
    assert room.set_response(0) == MIN_RESPONSE_PER_S


def test_readings_scatter_around_the_temperature_the_same_way_every_time() -> None:
    def readings() -> list[float]:
        room = Thermometer(20, 20, noise_c=0.1, randomness=random.Random(1))
        return [room.after(1) for _ in range(1000)]

    assert readings() == readings()
    mean = sum(readings()) / 1000
    deviation = math.sqrt(sum((each - mean) ** 2 for each in readings()) / 1000)
    assert mean == pytest.approx(20, abs=0.02)
    assert deviation == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(
    ("values", "slope"), [([1.0], 0), ([1.0, 2.0, 3.0], 1), ([3.0, 3.0], 0), ([4.0, 2.0], -2)]
)
def test_a_trend_is_the_slope_of_the_best_line(values: list[float], slope: float) -> None:
    assert slope_of(values) == pytest.approx(slope)


TOOLS = frozenset({"ask_controller", "end_conversation"})


@pytest.mark.parametrize("phrase", lines.PHRASES)
def test_everything_that_a_recogniser_is_taught_is_understood(phrase: str) -> None:
    heard = Turn([{"role": "user", "content": phrase}], TOOLS)
    reply = lines.voice_script(heard)
    assert reply != Say(lines.LOST)
    if not isinstance(reply, Say) and reply[0].tool == "ask_controller":
        assert lines.controller_script(heard) != Say(lines.LOST_CONTROLLER)
