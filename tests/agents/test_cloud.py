"""The assistants on a hosted model: what a model may do wrong, and what the caller hears then."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agents import Call, Recipe, Reply, Script, Turn
from agents.acme import INSTRUCTION as ACME_INSTRUCTION
from agents.acme import acme
from agents.acme import script as acme_lines
from agents.code import INSTRUCTION as CODE_INSTRUCTION
from agents.code import code
from agents.code import voice_script as code_lines
from agents.code.driver import INSTRUCTION as READER_INSTRUCTION
from agents.code.script import reader_script
from agents.debate import INSTRUCTION as MODERATOR_INSTRUCTION
from agents.debate import ROLE_INSTRUCTION, ROLES, debate
from agents.debate import script as debate_lines
from agents.handoff import GREETER_INSTRUCTION, SUPPORT_INSTRUCTION, handoff
from agents.handoff import script as handoff_lines
from agents.handoff_voices import handoff_voices
from agents.script import text_of
from agents.sensor import CONTROLLER_INSTRUCTION, VOICE_INSTRUCTION, sensor
from agents.sensor import script as sensor_lines
from app.loopback import serve_on_loopback
from app.services.language_models import APOLOGY
from app.settings import Settings
from tests.agents.talking import Placement, Talk, placed, talking
from tests.emulators import openai
from tests.emulators.openai import OpenAIEmulator

ROOT = Path(__file__).parents[2]

CAST: dict[str, Script] = {
    ACME_INSTRUCTION: acme_lines.assistant_script,
    CODE_INSTRUCTION: code_lines.assistant_script,
    READER_INSTRUCTION: reader_script,
    GREETER_INSTRUCTION: handoff_lines.greeter_script,
    SUPPORT_INSTRUCTION: handoff_lines.support_script,
    MODERATOR_INSTRUCTION: debate_lines.moderator_script,
    VOICE_INSTRUCTION: sensor_lines.voice_script,
    CONTROLLER_INSTRUCTION: sensor_lines.controller_script,
    **{
        ROLE_INSTRUCTION.format(role=role, task=task): debate.scripts[role]
        for role, task in ROLES.items()
    },
}


@pytest.fixture(autouse=True)
def this_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the code assistant reads."""
    monkeypatch.setenv("PROJECT_PATH", str(ROOT))
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)


class Cast:
    """One model that plays every part, by its instruction, and makes extraordinary calls."""

    def __init__(self, calls: Mapping[str, Sequence[Call]] | None = None) -> None:
        self._calls = calls or {}

    def __call__(self, turn: Turn) -> Reply:
        if turn.last_role == "user" and turn.last_text in self._calls:
            return self._calls[turn.last_text]
        instruction = text_of(turn.messages[0])
        script = next(script for key, script in CAST.items() if instruction.startswith(key))
        return script(Turn(turn.messages[1:], turn.tools))


@contextlib.asynccontextmanager
async def talking_to(
    recipe: Recipe, calls: Mapping[str, Sequence[Call]] | None = None, **options: Any
) -> AsyncIterator[tuple[Talk, OpenAIEmulator]]:
    """Talk to an assistant behind a URL, on a hosted model."""
    model = OpenAIEmulator(Cast(calls))
    async with serve_on_loopback(model.app) as url:
        settings = Settings(
            openai_api_key=openai.KEY,  # type: ignore[arg-type]
            openai_base_url=f"{url}/v1",
            llm_timeout_s=2.0,
        )
        async with (
            placed(Placement.TRUNK, recipe, settings=settings) as place,
            talking(place.side(recipe.name), **options) as talk,
        ):
            yield talk, model
        model.release()


ORDINARY = {
    "acme": (acme, "how much is the tornado kit", "costs $199"),
    "code": (code, "what does the main module do", "The main module is app/cli/__init__.py"),
    "handoff": (handoff, "how much is the tornado kit", "costs $199"),
    "handoff-voices": (handoff_voices, "how much is the tornado kit", "costs $199"),
    "debate": (debate, "debate whether tea is better", "The analyst says: On tea is better"),
    "sensor": (sensor, "what is the target", "the target is 21.0"),
}


@pytest.mark.parametrize("name", ORDINARY)
async def test_whatever_the_model_does_the_caller_hears_something_and_goes_on(name: str) -> None:
    recipe, question, answer = ORDINARY[name]
    async with talking_to(recipe) as (talk, _):
        await talk.ask("hello", "script")
        await talk.ask("[429]", APOLOGY)
        await talk.ask("[refuse]", "I cannot help with that.")
        await talk.ask("[break]", APOLOGY)
        await talk.ask("[hang]", APOLOGY)
        await talk.ask(question, answer)
        await talk.ask("goodbye", "Goodbye!")
    assert len(talk.problems) == 3
    assert talk.result is not None
    assert talk.result.ended_by_assistant


async def test_the_conversation_is_handed_over_and_back_on_a_hosted_model() -> None:
    async with talking_to(handoff) as (talk, model):
        await talk.hear("this is the greeter")
        await talk.ask("my rocket boots do not start", handoff_lines.TRANSFER_TO_SUPPORT)
        await talk.hear("there is no fuel in them")
        heard = model.requests[-1]["messages"]
        assert heard[0]["content"].startswith(SUPPORT_INSTRUCTION)
        assert "my rocket boots do not start" in [message.get("content") for message in heard]
        await talk.ask("back to the greeter please", handoff_lines.WELCOME_BACK)
    assert model.requests[-1]["messages"][0]["content"].startswith(GREETER_INSTRUCTION)


TWO_TRANSFERS = [Call(handoff_lines.TO_SUPPORT, {"reason": reason}) for reason in ("One.", "Two.")]


@pytest.mark.parametrize("recipe", [handoff, handoff_voices], ids=["handoff", "with voices"])
async def test_two_transfers_at_once_are_one(recipe: Recipe) -> None:
    async with talking_to(recipe, {"twice": TWO_TRANSFERS}) as (talk, _):
        await talk.hear("this is the greeter")
        await talk.ask("twice", handoff_lines.TRANSFER_TO_SUPPORT)
        await talk.hear(handoff_lines.SUPPORT_HERE)
        await talk.ask("how long is the warranty", handoff_lines.WARRANTY)
        await talk.ask("goodbye", handoff_lines.FAREWELL)


async def test_two_goodbyes_at_once_are_one() -> None:
    bye = Call("end_conversation", {"reason": "The caller said goodbye."})
    async with talking_to(acme, {"thanks for everything": [bye, bye]}) as (talk, _):
        await talk.hear("welcome to Acme")
        await talk.ask("thanks for everything", acme_lines.FAREWELL)
    assert talk.tools_called == ["end_conversation"] * 2
    assert talk.said.count(acme_lines.FAREWELL) == 1
    assert talk.result is not None
    assert talk.result.ended_by_assistant


@pytest.mark.parametrize("recipe", [handoff, handoff_voices], ids=["handoff", "with voices"])
async def test_a_model_that_fails_to_announce_a_transfer_is_apologised_for_and_transfers(
    recipe: Recipe,
) -> None:
    calls = {"[429] support": [Call(handoff_lines.TO_SUPPORT, {"reason": "Fire."})]}
    async with talking_to(recipe, calls) as (talk, model):
        await talk.hear("this is the greeter")
        model.spare = 1
        await talk.ask("[429] support", APOLOGY)
        await talk.ask("how long is the warranty", handoff_lines.WARRANTY)
        assert model.requests[-1]["messages"][0]["content"].startswith(SUPPORT_INSTRUCTION)


async def test_two_debates_at_once_are_both_held() -> None:
    calls = {"both": [Call("debate", {"topic": topic}) for topic in ("tea", "coffee")]}
    async with talking_to(debate, calls) as (talk, _):
        await talk.hear(debate_lines.GREETING)
        await talk.say("both")
        await talk.hear("Round 1, tea.")
        await talk.hear("The critic says: On tea")
        await talk.hear("Round 2, coffee.")
        await talk.hear("The critic says: On coffee")


@pytest.mark.parametrize("trouble", ["[429]", "[500]", "[hang]"])
async def test_debaters_whose_model_fails_are_said_to_be_absent(trouble: str) -> None:
    calls = {"now": [Call("debate", {"topic": f"{trouble} tea"})]}
    async with talking_to(debate, calls) as (talk, _):
        await talk.hear(debate_lines.GREETING)
        await talk.ask("now", debate_lines.NOBODY)
        await talk.ask("debate whether tea is better", "The critic says: On tea is better")


async def test_two_questions_at_once_are_both_answered() -> None:
    async with talking_to(sensor) as (talk, _):
        await talk.hear(sensor_lines.GREETING)
        await talk.say("what was the highest reading and what is the target")
        await talk.hear("The highest reading")
        await talk.hear("the target is 21.0")
    assert talk.tools_called == ["ask_controller", "ask_controller"]


@pytest.mark.parametrize("trouble", ["[429]", "[break]", "[hang]"])
async def test_a_controller_whose_model_fails_is_heard_to_apologise(trouble: str) -> None:
    calls = {"now": [Call("ask_controller", {"question": f"{trouble} what is the target"})]}
    async with talking_to(sensor, calls) as (talk, _):
        await talk.hear(sensor_lines.GREETING)
        await talk.ask("now", APOLOGY)
        await talk.ask("what is the target", "the target is 21.0")


TWO_QUESTIONS = [
    Call("ask_code", {"question": question})
    for question in ("what does the main module do", "what dependencies are there")
]


async def test_two_questions_about_a_project_at_once_are_both_answered() -> None:
    async with talking_to(code, {"both": TWO_QUESTIONS}) as (talk, _):
        await talk.hear(code_lines.GREETING)
        await talk.say("both")
        await talk.hear("The main module is app/cli/__init__.py")
        await talk.hear("pyproject.toml names")
    assert talk.tools_called == ["ask_code"] * 2


@pytest.mark.parametrize(
    ("trouble", "heard"),
    [
        ("[429]", code_lines.SORRY),
        ("[500]", code_lines.SORRY),
        ("[break]", code_lines.SORRY),
        ("[hang]", code_lines.SORRY),
        ("[refuse]", "I cannot help with that."),
    ],
)
async def test_a_reader_whose_model_fails_is_heard_to_be_sorry(trouble: str, heard: str) -> None:
    calls = {"now": [Call("ask_code", {"question": f"{trouble} what dependencies are there"})]}
    async with talking_to(code, calls) as (talk, _):
        await talk.hear(code_lines.GREETING)
        await talk.ask("now", heard)
        await talk.ask("what dependencies are there", "pyproject.toml names")
    assert talk.problems == []
