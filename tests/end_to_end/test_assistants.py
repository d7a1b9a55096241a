"""Every assistant in every placement, typed to and called, from greeting to goodbye.

No key and no network: scripts answer, and the embedded voices speak.
"""

import ast
import asyncio
import re
import tomllib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agents import Recipe, discover
from agents.acme import acme
from agents.acme import script as acme_lines
from agents.code import code
from agents.code import voice_script as code_lines
from agents.debate import ROLES, debate
from agents.debate import script as debate_lines
from agents.handoff import handoff
from agents.handoff import script as handoff_lines
from agents.handoff_voices import handoff_voices
from agents.sensor import script as sensor_lines
from agents.sensor import sensor, sensor_tasks
from app.caller.call import Call
from app.caller.transcript import Line, Speaker
from tests.agents.hearing import likeness, recording
from tests.agents.stepped_clock import SteppedClock
from tests.agents.talking import Placement, placed, talking
from tests.proxy.conversation import within

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def this_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the code assistant reads."""
    monkeypatch.setenv("PROJECT_PATH", str(ROOT))
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)


def main_module() -> str:
    """What the main module of this repository says of itself."""
    text = ast.get_docstring(ast.parse((ROOT / "app/cli/__init__.py").read_text())) or ""
    return " ".join(text.partition("\n\n")[0].split())


def dependencies() -> list[str]:
    """What the manifest of this repository names."""
    manifest = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [re.split(r"[\[<>=;~ ]", entry)[0] for entry in manifest["project"]["dependencies"]]


def files_of_tests() -> int:
    """How many files of tests this repository has."""
    of_page = (ROOT / "web" / "tests").rglob("*.test.*")
    return len([*(ROOT / "tests").rglob("test_*.py"), *of_page])


@dataclass(frozen=True)
class Turn:
    """One thing that the caller says.

    Attributes:
        said: What the caller says; nothing for what the assistant says first.
        heard: What is answered, in order.
        before: What happens before the caller speaks.
    """

    said: str | None
    heard: Sequence[str]
    before: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True)
class Conversation:
    """An assistant, and a conversation that it holds from greeting to goodbye.

    Attributes:
        recipe: The assistant.
        turns: The conversation.
        tools: The tools that it calls.
    """

    recipe: Recipe
    turns: Sequence[Turn]
    tools: Sequence[str] = field(default_factory=tuple)


def of_acme() -> Conversation:
    turns = [
        Turn(None, [acme_lines.GREETING]),
        Turn("how much are the rocket boots?", ["cost $299"]),
        Turn("and the paint?", ["$49 per can"]),
        Turn("thank you goodbye", [acme_lines.FAREWELL]),
    ]
    return Conversation(acme, turns, ["end_conversation"])


def of_handoff(recipe: Recipe) -> Conversation:
    turns = [
        Turn(None, ["this is the greeter of Acme."]),
        Turn("how much is the tornado kit", ["costs $199"]),
        Turn(
            "my rocket boots do not start",
            [handoff_lines.TRANSFER_TO_SUPPORT, handoff_lines.SUPPORT_HERE, "Rocket Boots", "fuel"],
        ),
        Turn("how long is the warranty", [handoff_lines.WARRANTY]),
        Turn(
            "back to the greeter please",
            [handoff_lines.TRANSFER_TO_GREETER, handoff_lines.WELCOME_BACK],
        ),
        Turn("what do you sell", ["the Rocket Boots for $299"]),
        Turn("thank you goodbye", ["Thank you for calling Acme."]),
    ]
    tools = ["transfer_to_support", "transfer_to_greeter", "end_conversation"]
    return Conversation(recipe, turns, tools)


def of_debate() -> Conversation:
    first = "cats are better than dogs"
    turns = [
        Turn(None, [debate_lines.GREETING]),
        Turn(f"debate whether {first}", [f"The {role} says: On {first}" for role in ROLES]),
        Turn(
            "what about the cost",
            [
                words
                for role in ROLES
                for words in (f"The {role} says: On the cost", f"what I said on {first}")
            ],
        ),
        Turn("what did the analyst say", ["letters"]),
        Turn("goodbye", [debate_lines.FAREWELL]),
    ]
    return Conversation(debate, turns, ["debate", "debate", "end_conversation"])


def of_sensor() -> Conversation:
    clock = SteppedClock()
    recipe = replace(sensor, build=lambda session: sensor_tasks(session, clock=clock, seed=1))
    turns = [
        Turn(None, [sensor_lines.GREETING]),
        Turn("what is the temperature", ["the target is 21.0"]),
        Turn("set it to twenty five degrees", ["The target is now 25.0 degrees."]),
        Turn("is it stable yet", ["Not yet"]),
        Turn("is it stable yet", ["Yes, it is stable at 25.0"], lambda: clock.advance(300)),
        Turn("thank you goodbye", [sensor_lines.FAREWELL]),
    ]
    return Conversation(recipe, turns, [*["ask_controller"] * 4, "end_conversation"])


def of_code() -> Conversation:
    turns = [
        Turn(None, [code_lines.GREETING]),
        Turn(
            "what does the main module do?",
            ["The main module is app/cli/__init__.py.", main_module()],
        ),
        Turn("what dependencies does this project use", [", ".join(dependencies())]),
        Turn("explain the test structure", [f"{files_of_tests()} test files in "]),
        Turn("how is error handling implemented", ["class AgentsError(Exception)"]),
        # It remembers what it has read out.
        Turn("tell me more", ["class "]),
        Turn("thank you goodbye", [code_lines.FAREWELL]),
    ]
    return Conversation(code, turns, [*["ask_code"] * 5, "end_conversation"])


TYPED: dict[str, Callable[[], Conversation]] = {
    "acme": of_acme,
    "handoff": lambda: of_handoff(handoff),
    "handoff-voices": lambda: of_handoff(handoff_voices),
    "debate": of_debate,
    "sensor": of_sensor,
    "code": of_code,
}


@pytest.mark.parametrize("placement", Placement)
@pytest.mark.parametrize("name", TYPED)
async def test_a_typed_conversation(name: str, placement: Placement) -> None:
    conversation = TYPED[name]()
    async with (
        placed(placement, conversation.recipe) as place,
        talking(place.side(name)) as talk,
    ):
        for turn in conversation.turns:
            if turn.before is not None:
                await turn.before()
            if turn.said is not None:
                await talk.say(turn.said)
            for words in turn.heard:
                await talk.hear(words)
    assert talk.tools_called == conversation.tools
    assert talk.problems == []
    assert talk.result is not None
    assert talk.result.error is None
    assert talk.result.ended_by_assistant


@dataclass(frozen=True)
class SpokenCall:
    """A call with recordings.

    Attributes:
        recipe: The assistant.
        said: What the caller says.
        answered: What is among the answers, in order.
        voices: Sentences, each with the number of the voice that says it.
        on_answer: Called with everything that the assistant has said.
    """

    recipe: Recipe
    said: Sequence[str]
    answered: Sequence[str]
    voices: Sequence[tuple[str, int]] = ()
    on_answer: Callable[[str], None] = lambda text: None


def call_to_acme() -> SpokenCall:
    return SpokenCall(
        acme,
        ("how much are the rocket boots", "thank you goodbye"),
        ("$299", "Goodbye"),
        [("The Acme Rocket Boots cost $299.", 0)],
    )


def call_to_handoff() -> SpokenCall:
    return SpokenCall(
        handoff,
        ("my rocket boots are broken", "back to reception please", "thank you goodbye"),
        (handoff_lines.TRANSFER_TO_SUPPORT, handoff_lines.TRANSFER_TO_GREETER, "Goodbye"),
    )


def call_to_handoff_voices() -> SpokenCall:
    return SpokenCall(
        handoff_voices,
        ("my rocket boots are broken", "how long is the warranty", "thank you goodbye"),
        (handoff_lines.TRANSFER_TO_SUPPORT, handoff_lines.WARRANTY, "Goodbye"),
        [(handoff_lines.TRANSFER_TO_SUPPORT, 0), (handoff_lines.WARRANTY, 1)],
    )


def call_to_debate() -> SpokenCall:
    topic = "cats are better than dogs"
    first = [f"The {role} says: On {topic}" for role in ROLES]
    second = [
        words
        for role in ROLES
        for words in (f"The {role} says: On the cost", f"what I said on {topic}")
    ]
    said = (f"debate whether {topic}", "what about the cost", "thank you goodbye")
    return SpokenCall(debate, said, (*first, *second, "Goodbye"))


def call_to_sensor() -> SpokenCall:
    clock = SteppedClock()
    hurrying: list[asyncio.Task[None]] = []

    def hurry(text: str) -> None:
        """Let five minutes pass while the caller thinks."""
        if "The target is now" in text:
            hurrying.append(asyncio.create_task(clock.advance(300)))

    return SpokenCall(
        replace(sensor, build=lambda session: sensor_tasks(session, clock=clock, seed=1)),
        ("set it to twenty five degrees", "is it stable yet", "thank you goodbye"),
        ("The target is now 25.0 degrees.", "Yes, it is stable at 25.0", "Goodbye"),
        on_answer=hurry,
    )


def call_to_code() -> SpokenCall:
    return SpokenCall(
        code,
        ("what does the main module do", "explain the test structure", "thank you goodbye"),
        ("The main module is app/cli", main_module(), f"{files_of_tests()} test files"),
    )


CALLED: dict[str, Callable[[], SpokenCall]] = {
    "acme": call_to_acme,
    "handoff": call_to_handoff,
    "handoff-voices": call_to_handoff_voices,
    "debate": call_to_debate,
    "sensor": call_to_sensor,
    "code": call_to_code,
}


def test_every_assistant_is_typed_to_and_called() -> None:
    assert set(TYPED) == set(CALLED) == set(discover())


# What is spoken takes its time. On a broker, the one whose voices cross as well.
CALLS = [(name, place) for name in CALLED for place in (Placement.HERE, Placement.TRUNK)]
CALLS.append(("handoff-voices", Placement.SPREAD))


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "placement"), CALLS)
async def test_a_recorded_call(name: str, placement: Placement) -> None:
    wanted = CALLED[name]()
    recordings = [await recording(text) for text in wanted.said]

    def on_line(line: Line) -> None:
        if line.speaker is Speaker.ASSISTANT:
            wanted.on_answer(line.text)

    async with placed(placement, wanted.recipe) as place:
        call = Call(place.side(name), recordings, on_line)
        result = await within(call.hold(place.roles, wanted.recipe.phrases), 250)
    assert result.error is None, result.transcript.lines
    assert result.ended_by_assistant
    assert result.transcript.said_by(Speaker.CALLER) == list(wanted.said)
    answers = "\n".join(result.transcript.said_by(Speaker.ASSISTANT))
    start = 0
    for words in wanted.answered:
        found = answers.find(words, start)
        assert found >= 0, f"{words!r} is not in {answers[start:]!r}"
        start = found + len(words)
    for text, voice in wanted.voices:
        own = await likeness(result.speaker.heard, text, voice)
        assert own > 0.8 > await likeness(result.speaker.heard, text, 1 - voice), text
