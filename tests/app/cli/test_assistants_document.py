"""`docs/assistants.md` shows what `trunkline new` writes, piece by piece."""

import re
from pathlib import Path

import pytest

from agents import SessionContext, code, debate, discover, sensor
from agents.code.limits import Limits
from agents.code.model import LoopLimits
from agents.host import Host
from agents.jobs import DEFAULT_TIMEOUT_S, LONGEST_S, REMAINING_S
from agents.jobs.serving import FAILED
from agents.sensor.processors import PERIOD_S, WINDOW
from agents.sensor.thermometer import (
    MAX_RESPONSE_PER_S,
    MAX_TARGET_C,
    MIN_RESPONSE_PER_S,
    MIN_TARGET_C,
    Thermometer,
)
from app.cli.new import create_project
from app.services import Roles
from app.settings import Settings

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "assistants.md").read_text()
README = (ROOT / "README.md").read_text()


def squeezed(text: str) -> str:
    """Leave out blank lines."""
    return "\n".join(line for line in text.splitlines() if line.strip())


def test_the_pieces_are_the_module_and_its_test(tmp_path: Path) -> None:
    directory = create_project("shop", tmp_path)
    own = DOCUMENT.partition("## Write your own")[2]
    *pieces, test = re.findall(r"```python\n(.*?)\n```", own, re.DOTALL)
    module = (directory / "shop.py").read_text()
    assert squeezed("\n".join(pieces)) == squeezed(module)
    assert squeezed(test) == squeezed((directory / "test_shop.py").read_text())


def test_every_assistant_has_its_place() -> None:
    for name in discover():
        assert f"\n### {name}\n" in DOCUMENT


def section(name: str) -> str:
    return re.split(r"\n##+ ", DOCUMENT.partition(f"\n### {name}\n")[2])[0]


@pytest.mark.parametrize("name", discover())
async def test_the_diagram_shows_every_task_and_its_tools(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJECT_PATH", str(ROOT))
    recipe = discover()[name]
    (diagram,) = re.findall(r"```text\n(.*?)```", section(name), re.DOTALL)
    shown = set(re.findall(r"══ ([\w]+\*?)", diagram))
    async with Roles.open(Settings(), discover()) as roles:
        session = SessionContext("1", "test", roles.for_assistant(recipe))
        tasks = recipe.tasks(session)
    exported = {f"{task}*" for task in recipe.exports}
    hidden = {task.name for task in tasks} - set(recipe.exports)
    assert shown - {"bus"} == exported | hidden
    hosts = [task for task in tasks if isinstance(task, Host)]
    tools = {tool.__name__ for host in hosts for tool in host.build_tools()}
    # The one with voices shows what is other than in the one without.
    where = section("handoff") if name == "handoff-voices" else diagram
    assert all(tool in where for tool in tools)


@pytest.mark.parametrize("name", discover())
def test_the_readme_lists_every_assistant(name: str) -> None:
    row = f"| [`{name}`](docs/assistants.md#{name}) | {discover()[name].description} |"
    assert row in README


@pytest.mark.parametrize("name", discover())
def test_the_examples_are_what_a_recogniser_is_taught(name: str) -> None:
    (said,) = re.findall(r"\*([^*]+\?[^*]*)\*", section(name).partition("```")[0]) or [""]
    phrases = {"".join(re.findall(r"[a-z ]", phrase)) for phrase in discover()[name].phrases}
    for example in re.split(r"(?<=[.?])\s+", said.strip()):
        plain = " ".join(re.sub(r"[^a-z ]", " ", example.lower()).split())
        assert not plain or plain in phrases, plain


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"`job_timeout_s`, {DEFAULT_TIMEOUT_S:g} s" in DOCUMENT
    assert LONGEST_S == 3600
    assert f"`{REMAINING_S}`" in DOCUMENT
    assert f'`{{"error": "{FAILED}"}}`' in DOCUMENT
    assert f'"ask" {{"question": ...}}, {code.ASK_TIMEOUT_S:g} s' in section("code")
    assert f'"ask" {{"question": ...}}, {sensor.ASK_TIMEOUT_S:g} s' in section("sensor")
    assert f'"argue" {{"topic": ...}}, {debate.ROUND_TIMEOUT_S:g} s' in section("debate")
    room = Thermometer()
    of_room = " ".join(section("sensor").split())
    assert f"from {room.temperature_c} degrees to {room.target_c};" in of_room
    assert f"some {100 * room.response_per_s:g} percent of what is missing" in of_room
    assert f"standard deviation of {room.noise_c} degrees" in of_room
    assert f"within {MIN_TARGET_C:g} and {MAX_TARGET_C:g} degrees" in of_room
    assert f"within {MIN_RESPONSE_PER_S} and {MAX_RESPONSE_PER_S:g}." in of_room
    assert (PERIOD_S, WINDOW) == (1.0, 60)
    limits, loop = Limits(), LoopLimits()
    assert f"{loop.rounds} rounds of at most {loop.calls} tool calls" in DOCUMENT
    assert f"{loop.read_bytes // 1024} KiB of what tools return" in DOCUMENT
    assert f"{limits.entries:,} entries, {limits.file_bytes // 2**20} MiB of one" in DOCUMENT
    assert f"{limits.total_bytes // 2**20} MiB of all and {limits.call_s:g} s" in DOCUMENT
    assert f"returns {limits.result_bytes // 1024} KiB" in DOCUMENT
