"""What the caller's screen shows of an assistant, wherever the assistant is."""

from dataclasses import replace

import pytest

from agents.debate import ROLES, debate
from agents.debate import script as debating
from agents.handoff import handoff
from agents.handoff import script as handing_over
from agents.sensor import script as sensing
from agents.sensor import sensor
from tests.agents.stepped_clock import SteppedClock
from tests.agents.talking import Placement, placed, talking
from tests.agents.test_debate import CATS, failing_script
from tests.agents.test_sensor import with_clock
from tests.agents.watching import Watched


@pytest.mark.parametrize("placement", Placement)
async def test_who_talks_is_shown_there_and_back(placement: Placement) -> None:
    async with placed(placement, handoff) as place:
        watched = Watched(place.side("handoff", has_screen=True))
        async with talking(watched) as talk:
            await talk.hear(handing_over.GREETING)
            await watched.until(1, task="greeter")
            await talk.say("my rocket boots do not start")
            await talk.hear("This is support")
            await watched.until(1, task="support")
            await talk.say("back to the greeter please")
            await talk.hear(handing_over.WELCOME_BACK)
            await watched.until(2, task="greeter")
    assert watched.active() == ["greeter", "support", "greeter"]
    assert watched.of("job") == []


@pytest.mark.parametrize("placement", Placement)
async def test_three_who_debate_are_shown_side_by_side(placement: Placement) -> None:
    recipe = replace(debate, scripts={**debate.scripts, "critic": failing_script})
    async with placed(placement, recipe) as place:
        watched = Watched(place.side("debate", has_screen=True))
        async with talking(watched) as talk:
            await talk.hear(debating.GREETING)
            await talk.say(CATS)
            await talk.hear("The critic could not take part.")
            await watched.until(2, state="completed")
            await watched.until(1, task="critic", state="error", text="the job failed")
    jobs = watched.of("job")
    assert [(job["task"], job["state"]) for job in jobs[:3]] == [
        (role, "started") for role in ROLES
    ]
    assert len(jobs) == 6
    assert len({job["id"] for job in jobs}) == 1
    assert {(job["asked_by"], job["name"]) for job in jobs} == {("moderator", "argue")}
    said = {job["task"]: job["text"] for job in jobs if job["state"] == "completed"}
    assert said.keys() == {"advocate", "analyst"}
    assert "I am for it" in said["advocate"]
    assert "secret" not in str(jobs)
    assert talk.jobs == [{"trunkline": "job", **job} for job in jobs]


@pytest.mark.parametrize("placement", [Placement.HERE, Placement.TRUNK, Placement.BROKER])
async def test_a_reading_a_second_is_shown(placement: Placement) -> None:
    clock = SteppedClock()
    async with placed(placement, with_clock(clock)) as place:
        watched = Watched(place.side("sensor", has_screen=True))
        async with talking(watched) as talk:
            await talk.hear(sensing.GREETING)
            before = len(watched.of("reading"))
            await clock.advance(5)
            await watched.until(before + 5, trunkline="reading", target_c=21.0)
            assert len(watched.of("reading")) == before + 5
            await talk.ask("make it warmer", "The target is now 23.0 degrees.")
            await clock.advance(60)
            await watched.until(60, trunkline="reading", target_c=23.0)
            readings = watched.of("reading")
    assert {reading["task"] for reading in readings} == {"controller"}
    assert readings[-1]["temperature_c"] == pytest.approx(23.0, abs=0.5)
    assert [news["state"] for news in watched.of("job")] == ["started", "completed"]


@pytest.mark.parametrize("placement", Placement)
async def test_nothing_is_shown_to_who_does_not_look(placement: Placement) -> None:
    async with placed(placement, sensor) as place:
        watched = Watched(place.side("sensor"))
        async with talking(watched) as talk:
            await talk.hear(sensing.GREETING)
            await talk.ask("make it warmer", "The target is now 23.0 degrees.")
    assert watched.news == []
    assert talk.jobs == []
