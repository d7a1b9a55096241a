"""The loop around a model of the cloud: parallel calls, refusals, rate limits, broken streams."""

import asyncio
from typing import Any

import pytest

from agents import Call, Reply, Say, Turn
from agents.code.driver import ModelError
from agents.code.model import ENOUGH, NO_ANSWER, TOO_LONG, LoopLimits
from tests.agents.code.conftest import emulated
from tests.proxy.conversation import within


def results(turn: Turn) -> list[str]:
    last = max(at for at, message in enumerate(turn.messages) if message["role"] == "user")
    return [str(m["content"]) for m in turn.messages[last:] if m["role"] == "tool"]


def two_at_once(turn: Turn) -> Reply:
    if turn.last_role == "tool":
        return Say(" | ".join(result.splitlines()[0] for result in results(turn)))
    return (Call("list"), Call("read", {"path": "LICENSE", "count": 1}), Call("glob"))


async def test_tools_that_are_called_together_are_answered_together() -> None:
    async with emulated(two_at_once) as (driver, vendor):
        answer = await driver.ask("What is here?")
        assert "LICENSE, lines 1 to 1 of 22" in answer
        assert "error: the argument 'pattern' is missing" in answer
        assert len(vendor.requests) == 2
        sent = vendor.requests[1]["messages"]
        calls = [call["id"] for call in sent[-4]["tool_calls"]]
        assert [message["tool_call_id"] for message in sent[-3:]] == calls
        names = [tool["function"]["name"] for tool in vendor.requests[0]["tools"]]
        assert names == ["list", "glob", "grep", "read"]


async def test_a_refusal_is_an_answer() -> None:
    async with emulated(two_at_once) as (driver, _):
        assert await driver.ask("[refuse]") == "I cannot help with that."


@pytest.mark.parametrize("trouble", ["[429]", "[500]", "[401]", "[break]", "[hang]", "[stall]"])
async def test_a_model_in_trouble_is_an_error_and_the_next_question_is_asked(trouble: str) -> None:
    def say(turn: Turn) -> Reply:
        return Say("one two three four")

    async with emulated(say, timeout_s=0.5) as (driver, vendor):
        with pytest.raises(ModelError, match=f"^{NO_ANSWER}$"):
            await within(driver.ask(f"What is {trouble}?"))
        vendor.release()
        assert await within(driver.ask("And now?")) == "one two three four"
        # What had no answer is not remembered.
        asked = [m["content"] for m in vendor.requests[-1]["messages"] if m["role"] == "user"]
        assert asked == ["And now?"]


async def test_a_model_that_never_stops_calling_is_stopped() -> None:
    async with emulated(lambda turn: (Call("list"),)) as (driver, vendor):
        with pytest.raises(ModelError, match=TOO_LONG):
            await within(driver.ask("Loop!"))
        assert len(vendor.requests) == LoopLimits().rounds


async def test_a_model_that_calls_a_hundred_tools_at_once_gets_a_few() -> None:
    def many(turn: Turn) -> Reply:
        if turn.last_role == "tool":
            told = results(turn)
            return Say(f"{len(told)} answers, {told.count(ENOUGH)} without")
        return tuple(Call("list") for _ in range(100))

    async with emulated(many) as (driver, _):
        assert await driver.ask("Everything!") == "100 answers, 92 without"


async def test_what_tools_tell_for_one_question_is_bounded() -> None:
    def greedy(turn: Turn) -> Reply:
        told = results(turn) if turn.last_role == "tool" else []
        if told and told[-1] == ENOUGH:
            return Say(f"{sum(len(result) for result in told)}")
        return (Call("read", {"path": "docs/wire.md", "count": 300}),)

    async with emulated(greedy, limits=LoopLimits(read_bytes=20_000)) as (driver, _):
        assert int(await driver.ask("All of it!")) <= 20_000 + len(ENOUGH)


async def test_an_answer_that_never_ends_is_cut_off() -> None:
    async with emulated(lambda turn: Say("word " * 50_000)) as (driver, _):
        with pytest.raises(ModelError, match=NO_ANSWER):
            await within(driver.ask("Talk!"))


async def test_an_empty_answer_is_none() -> None:
    async with emulated(lambda turn: Say("")) as (driver, _):
        with pytest.raises(ModelError, match=NO_ANSWER):
            await driver.ask("Anything?")


async def test_follow_up_questions_share_what_was_read_before() -> None:
    async with emulated(two_at_once) as (driver, vendor):
        await driver.ask("What is here?")
        await driver.ask("And the second one?")
        sent: list[Any] = vendor.requests[-1]["messages"]
        asked = [message["content"] for message in sent if message["role"] == "user"]
        assert asked == ["What is here?", "And the second one?"]
        assert sum(message["role"] == "tool" for message in sent) == 6


async def test_the_oldest_questions_are_forgotten_first() -> None:
    limits = LoopLimits(memory_bytes=2000)
    async with emulated(lambda turn: Say("word " * 100), limits=limits) as (driver, vendor):
        for number in range(6):
            await driver.ask(f"Question {number}")
        asked = [m["content"] for m in vendor.requests[-1]["messages"] if m["role"] == "user"]
        assert asked[-1] == "Question 5"
        assert "Question 0" not in asked


async def test_a_question_that_is_given_up_leaves_nothing_behind() -> None:
    async with emulated(two_at_once) as (driver, vendor):
        asking = asyncio.create_task(driver.ask("What about [hang]?"))
        await within(vendor.held_up.wait())
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(asking)
        vendor.release()
        await driver.ask("And now?")
        asked = [m["content"] for m in vendor.requests[-1]["messages"] if m["role"] == "user"]
        assert asked == ["And now?"]
        await driver.close()
