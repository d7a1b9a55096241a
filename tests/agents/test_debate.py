"""The moderator has topics debated by three who argue at the same time."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pipecat.bus.messages import BusJobRequestMessage
from pipecat.workers.base_worker import BaseWorker

from agents import Call, Recipe, Reply, Say, SessionContext, Turn
from agents.debate import INSTRUCTION, MODERATOR, ROLES, Moderator, debate
from agents.debate import script as lines
from agents.debate.debater import Debater
from tests.agents.talking import Placement, Talk, placed, talking

CATS = "debate whether cats are better than dogs"


class Kept:
    """Keeps the tasks of a recipe's sessions, each as often as it was built."""

    def __init__(self, recipe: Recipe) -> None:
        self.tasks: list[Any] = []
        self._build = recipe.build
        self.recipe = replace(recipe, build=self.build)

    def build(self, session: SessionContext) -> Sequence[BaseWorker]:
        tasks: Any = self._build(session)
        self.tasks += tasks
        return list(tasks)

    def conversation(self, name: str) -> Any:
        """Return the conversation that tasks of a name have had."""
        had = [task.context.messages for task in self.tasks if task.name == name]
        (conversation,) = filter(None, had)
        return conversation


@pytest.mark.parametrize("placement", Placement)
async def test_a_second_round_remembers_the_first(placement: Placement) -> None:
    kept = Kept(debate)
    async with placed(placement, kept.recipe) as place, talking(place.side("debate")) as talk:
        await talk.hear(lines.GREETING)
        await talk.say(CATS)
        await talk.hear("Round 1, cats are better than dogs.")
        await talk.hear("The advocate says: On cats are better than dogs: I am for it")
        await talk.hear("The critic says: On cats are better than dogs: I am against it")
        await talk.hear("The analyst says: On cats are better than dogs: it has 21 letters")
        await talk.ask("what about the cost", "Round 2, the cost.")
        for role in ROLES:
            await talk.hear(f"The {role} says: On the cost: ")
            await talk.hear("I have not forgotten what I said on cats are better than dogs.")
        await talk.ask("what did the critic say", "On the cost: I am against it")
        for role in ROLES:
            said = kept.conversation(role)
            assert [message["role"] for message in said] == ["user", "assistant"] * 2
            assert said[0]["content"] == "The topic: cats are better than dogs"
            assert said[2]["content"] == "The topic: the cost"
            assert role not in str(said)
        await talk.ask("goodbye", lines.FAREWELL)
    assert talk.tools_called == ["debate", "debate", "end_conversation"]
    assert talk.problems == []


def failing_script(turn: Turn) -> Reply:
    raise ValueError("a secret of the script")


@contextlib.asynccontextmanager
async def conversation(recipe: Recipe, **options: Any) -> AsyncIterator[Talk]:
    """Talk to a moderator behind a URL who has greeted."""
    async with (
        placed(Placement.TRUNK, recipe) as place,
        talking(place.side("debate"), **options) as talk,
    ):
        await talk.hear(lines.GREETING)
        yield talk


async def test_who_fails_is_said_to_be_absent_and_the_others_are_heard() -> None:
    recipe = replace(debate, scripts={**debate.scripts, "critic": failing_script})
    async with conversation(recipe) as talk:
        await talk.say(CATS)
        await talk.hear("The advocate says")
        await talk.hear("The analyst says")
        await talk.hear("The critic could not take part.")
        await talk.ask("goodbye", lines.FAREWELL)
    assert "secret" not in talk.said


class Thinker(BaseWorker):
    """Takes all the time in the world."""

    def __init__(self) -> None:
        super().__init__("critic")
        self.asked = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def on_job_request(self, message: BusJobRequestMessage) -> None:
        self.asked.set()
        await asyncio.Event().wait()

    async def on_job_cancelled(self, message: Any) -> None:
        self.cancelled.set()


def with_thinker(thinker: Thinker, round_timeout_s: float = 30.0) -> Recipe:
    def build(session: SessionContext) -> Sequence[BaseWorker]:
        llm = session.services.llm
        moderator = Moderator(
            llm(MODERATOR, instruction=INSTRUCTION), round_timeout_s=round_timeout_s
        )
        others = [Debater(role, llm(role, instruction=role)) for role in ("advocate", "analyst")]
        return [moderator, thinker, *others]

    return replace(debate, build=build)


async def test_who_is_interrupted_is_said_to_be_absent() -> None:
    thinker = Thinker()
    async with conversation(with_thinker(thinker)) as talk:
        await talk.say(CATS)
        await thinker.asked.wait()
        await thinker.stop()
        await talk.hear("The critic could not take part.")


async def test_who_does_not_answer_in_time_is_cancelled_and_left_out() -> None:
    thinker = Thinker()
    async with conversation(with_thinker(thinker, 1.0)) as talk:
        await talk.ask(CATS, "The advocate says")
        await talk.hear("The critic could not take part.")
        await thinker.cancelled.wait()


async def test_the_caller_may_speak_while_the_three_are_at_it() -> None:
    thinker = Thinker()
    async with conversation(with_thinker(thinker), may_interrupt=True) as talk:
        await talk.say(CATS)
        await thinker.asked.wait()
        await talk.ask("are you there", lines.STILL_DEBATED)
        await thinker.stop()
        await talk.hear("Round 1, cats are better than dogs.")
        await talk.hear("The critic could not take part.")


TOOLS = frozenset({"debate", "end_conversation"})


def answer(*said: str) -> Any:
    return lines.moderator_script(Turn([{"role": "user", "content": each} for each in said], TOOLS))


@pytest.mark.parametrize(
    ("said", "topic"),
    [
        (CATS, "cats are better than dogs"),
        ("Let us debate time travel.", "time travel"),
        ("what about the cost?", "the cost"),
        ("should we fly to the moon?", "should we fly to the moon"),
        ("can we talk about whether tea is better", "tea is better"),
    ],
)
def test_a_topic_is_found_in_what_callers_say(said: str, topic: str) -> None:
    assert answer(said) == (Call("debate", {"topic": topic}),)


def after_rounds(*topics: str) -> list[dict[str, Any]]:
    """Return the conversation so far, with a round on each topic that was summed up."""
    messages: list[dict[str, Any]] = []
    for place, topic in enumerate(topics, 1):
        said = {role: f"On {topic}, {role}." for role in ROLES}
        result = {"round": place, "topic": topic, "arguments": said, "absent": []}
        call = {"id": topic, "function": {"name": "debate", "arguments": "{}"}}
        messages += [
            {"role": "user", "content": f"debate {topic}"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": topic, "content": json.dumps(result)},
            {"role": "assistant", "content": f"Round {place}, {topic}."},
        ]
    return messages


@pytest.mark.parametrize(
    ("said", "expected", "unsaid"),
    [
        ("what did the analyst say in the first round", "On tea, analyst.", "rain"),
        ("what did the critic say in round two", "On rain, critic.", "tea"),
        ("what did the critic say in round 1", "On tea, critic.", "rain"),
        ("what did the advocate say in the last round", "On the cost, advocate.", "tea"),
        ("and the round before", "Round 2, rain.", "cost"),
        ("what did the critic say about tea", "On tea, critic.", "rain"),
        ("what did the critic say", "On the cost, critic.", "tea"),
        ("repeat the second round", "Round 2, rain.", "tea"),
        ("what did the critic say in the fifth round", "only 3 so far", "tea"),
        ("and in the second", "Round 2, rain.", "tea"),
        ("do you agree", lines.NO_WINNER, "tea"),
        ("who won", lines.NO_WINNER, "tea"),
        ("which topics did we have", "Round 1, tea. Round 2, rain. Round 3, the cost.", "says"),
        ("who are you", lines.GREETING, "tea"),
    ],
)
def test_rounds_are_told_apart(said: str, expected: str, unsaid: str) -> None:
    turn = Turn([*after_rounds("tea", "rain", "the cost"), {"role": "user", "content": said}])
    reply = lines.moderator_script(turn)
    assert isinstance(reply, Say)
    assert expected in reply.text
    assert unsaid not in reply.text


@pytest.mark.parametrize("said", ["summarize everything", "sum up the debate please"])
def test_a_summary_has_every_round(said: str) -> None:
    turn = Turn([*after_rounds("tea", "rain"), {"role": "user", "content": said}], TOOLS)
    summary = str(lines.moderator_script(turn))
    for topic in ("tea", "rain"):
        assert [role for role in ROLES if f"On {topic}, {role}." not in summary] == []


def test_a_topic_that_sounds_like_a_question_about_the_rounds_is_debated() -> None:
    said = {"role": "user", "content": "debate everything about the first round"}
    turn = Turn([*after_rounds("tea"), said], TOOLS)
    topic = {"topic": "everything about the first round"}
    assert lines.moderator_script(turn) == (Call("debate", topic),)


def test_whoever_asks_during_the_first_round_is_asked_to_wait() -> None:
    begun = [each for each in after_rounds("tea") if each["role"] != "tool"][:2]
    asked = {"role": "user", "content": "summarize everything"}
    assert lines.moderator_script(Turn([*begun, asked])) == Say(lines.STILL_DEBATED)


def test_everything_that_a_recogniser_is_taught_is_understood() -> None:
    assert [phrase for phrase in lines.PHRASES if answer(phrase) == Say(lines.LOST)] == []


def test_before_the_first_round_nobody_has_said_anything() -> None:
    assert answer("what did the critic say") == Say(lines.NOTHING_YET)
    assert answer("can you say that again") == Say(lines.GREETING)
    assert answer("blah") == Say(lines.LOST)
    assert lines.moderator_script(Turn([{"role": "user", "content": "bye"}])) == Say(lines.FAREWELL)


def test_when_nobody_could_take_part_the_moderator_is_sorry() -> None:
    result = '{"round": 1, "topic": "tea", "arguments": {}, "absent": ["critic"]}'
    call = {"id": "c", "function": {"name": "debate", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "debate tea"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": result},
    ]
    assert lines.NOBODY in str(lines.moderator_script(Turn(messages, TOOLS)))
