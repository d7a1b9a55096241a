"""The embedded reader answers about this repository, and what it says is in the files."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agents import Call, Say, Turn
from agents.code.findings import dependencies_in, purpose_of
from agents.code.model import ModelDriver
from agents.code.script import LOST, NOTHING, reader_script
from agents.code.voice_script import FAREWELL, GREETING, PHRASES, SORRY, assistant_script
from tests.agents.code.conftest import ROOT, reading

TOOLS = frozenset({"ask_code", "end_conversation"})


def docstring(path: str) -> str:
    text = ast.get_docstring(ast.parse((ROOT / path).read_text()))
    assert text is not None
    return " ".join(text.partition("\n\n")[0].split())


async def test_it_says_what_the_main_module_does(scripted: ModelDriver) -> None:
    answer = await scripted.ask("What does the main module do?")
    assert "app/cli/__init__.py" in answer
    assert docstring("app/cli/__init__.py") in answer


async def test_it_finds_todo_comments_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('"""Finds all TODO comments."""\nx = 1  # TODO: mend x\n')
    (tmp_path / "b.js").write_text("// FIXME: and this\nconst todo = `write // TODO there`;\n")
    (tmp_path / "README.md").write_text("Ask it to find all TODO comments.\n")
    async with reading(tmp_path) as reader:
        answer = await reader.ask("Find all TODO comments in the project")
    assert answer == (
        "2 comments with TODO or FIXME. a.py:2: x = 1  # TODO: mend x; b.js:1: // FIXME: and this."
    )


async def test_it_says_first_where_something_is_defined(scripted: ModelDriver) -> None:
    answer = await scripted.ask("where is WebSocketProxyClientTask defined?")
    found = re.match(r"WebSocketProxyClientTask is defined in ([\w/]+\.py):(\d+): class", answer)
    assert found is not None, answer
    there = (ROOT / found[1]).read_text().splitlines()[int(found[2]) - 1]
    assert there.startswith("class WebSocketProxyClientTask(")
    answer = await scripted.ask("where is words_of defined")
    assert answer.startswith("words_of is defined in agents/script.py:")


async def test_it_counts_files(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number}.py").write_text("")
    (tmp_path / "README.md").write_text("")
    async with reading(tmp_path) as reader:
        assert await reader.ask("how many files are there") == "There are 301 files."
        assert await reader.ask("how many python files are there") == "There are 300 Python files."


async def test_a_question_about_it_is_about_the_last_file(scripted: ModelDriver) -> None:
    await scripted.ask("where is words_of defined")
    assert docstring("agents/script.py").split(".")[0] in await scripted.ask("and what does it do?")
    more = await scripted.ask("tell me more")
    assert re.match(r"In agents/script\.py: agents/script\.py:\d+: class Say:; ", more), more


async def test_it_names_the_dependencies_of_the_manifest(scripted: ModelDriver) -> None:
    answer = await scripted.ask("What dependencies does this project use?")
    manifest = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = [re.split(r"[\[<>=;~ ]", entry)[0] for entry in manifest["project"]["dependencies"]]
    assert answer == (f"pyproject.toml names {len(named)} dependencies: {', '.join(named)}.")


async def test_it_says_how_the_tests_are_organised(scripted: ModelDriver) -> None:
    answer = await scripted.ask("Explain the test structure")
    files = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "web" / "tests").rglob("*.test.*")]
    assert answer.startswith(f"{len(files)} test files in ")
    inside = len(list((ROOT / "tests" / "proxy").glob("test_*.py")))
    assert f"{inside} in tests/proxy" in answer


async def test_it_says_how_errors_are_handled(scripted: ModelDriver) -> None:
    answer = await scripted.ask("How is error handling implemented?")
    assert re.search(r"agents/errors\.py:\d+: class AgentsError\(Exception\):", answer)


async def test_a_follow_up_goes_on_where_the_last_answer_stopped(scripted: ModelDriver) -> None:
    first = await scripted.ask("How is error handling implemented?")
    second = await scripted.ask("tell me more")
    found = [set(re.findall(r"[\w/.]+:\d+", answer)) for answer in (first, second)]
    assert len(found[0]) == len(found[1]) == 3
    assert not found[0] & found[1]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("what is the project about", "Voice assistants behind a URL"),
        ("what files are there", "pyproject.toml"),
        ("what is in agents/jobs/deadline.py", "How long a job may take"),
        ("what is in proxy/none.py", "there is no such file or directory"),
        ("what is in agents/sensor", "agents/sensor/thermometer.py"),
        ("what is in the agents folder", "agents/code"),
        ("what is in nowhere", NOTHING),
        ("where is the telephone", "lines with telephone"),
        ("and you?", LOST),
        ("tell me more", LOST),
    ],
)
async def test_it_answers_other_questions(
    scripted: ModelDriver, question: str, expected: str
) -> None:
    assert expected in await scripted.ask(question)


async def test_it_cannot_be_talked_into_reading_what_is_outside(scripted: ModelDriver) -> None:
    answer = await scripted.ask("what is in ../../etc/passwd.txt")
    assert "root:" not in answer
    assert "passwd" in answer or "nothing" in answer


@pytest.mark.parametrize(
    ("manifest", "text", "names"),
    [
        ("package.json", '{"dependencies": {"@a/b": "1", "left-pad": "2"}}', ["@a/b", "left-pad"]),
        ("requirements.txt", "# x\nhttpx>=1\n-r other.txt\nrich\n", ["httpx", "rich"]),
        ("Cargo.toml", '[dependencies]\nserde = "1"\n', ["serde"]),
        ("go.mod", "require (\n\tgolang.org/x/net v0.1.0\n)\n", ["golang.org/x/net"]),
        ("pyproject.toml", "not toml", []),
    ],
)
def test_it_knows_manifests(manifest: str, text: str, names: list[str]) -> None:
    assert dependencies_in(manifest, text) == names


def test_it_finds_what_a_file_says_of_itself() -> None:
    assert purpose_of('# license\n"""Says\nhello."""\n') == "Says hello."
    assert purpose_of("# Title\n\nThis is a fine thing.\n") == "This is a fine thing."
    assert purpose_of("x = 1\n") == ""


def test_the_voice_passes_questions_on_and_says_what_comes_back() -> None:
    asked = [{"role": "user", "content": "what does the main module do"}]
    (call,) = assistant_script(Turn(asked, TOOLS))  # type: ignore[misc]
    assert call == Call("ask_code", {"question": "what does the main module do"})
    made = {"id": "c", "function": {"name": "ask_code", "arguments": "{}"}}
    for result, said in (('{"answer": "It runs."}', "It runs."), ('{"error": "?"}', SORRY)):
        messages: list[dict[str, Any]] = [
            *asked,
            {"role": "assistant", "tool_calls": [made]},
            {"role": "tool", "tool_call_id": "c", "content": result},
        ]
        assert assistant_script(Turn(messages, TOOLS)) == Say(said)


def test_the_voice_greets_thanks_and_says_goodbye() -> None:
    assert assistant_script(Turn([], TOOLS)) == Say(GREETING)
    bye = assistant_script(Turn([{"role": "user", "content": "goodbye"}], TOOLS))
    assert bye == (Call("end_conversation", {"reason": "The caller said goodbye."}),)
    assert assistant_script(Turn([{"role": "user", "content": "bye"}])) == Say(FAREWELL)


# What makes sense only after something else.
GOES_ON = ("tell me more", "show me more", "and what does it do")


def test_everything_that_a_recogniser_is_taught_is_understood() -> None:
    for phrase in PHRASES:
        reply = assistant_script(Turn([{"role": "user", "content": phrase}], TOOLS))
        if not isinstance(reply, Say) and reply[0].tool == "ask_code" and phrase not in GOES_ON:
            asked = Turn([{"role": "user", "content": phrase}])
            assert reader_script(asked) != Say(LOST), phrase
