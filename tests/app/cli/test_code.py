"""The code assistant, typed to by a user: in one process, and behind a URL."""

import re
from pathlib import Path

import pytest

from agents import discover
from app.server import running_server
from app.settings import Settings
from tests.app.cli.programs import run

ROOT = Path(__file__).parents[3]
TOKEN = "a-token-of-the-tests"
CONVERSATION = "what does the main module do?\nfind all todo comments\ntell me more\nthanks bye\n"


def held(out: str) -> bool:
    """Tell whether the conversation took place, in order, with facts of this repository."""
    places = [
        out.find(words)
        for words in (
            "I answer questions about a software project",
            "code calls ask_code",
            "The main module is app/cli/__init__.py",
            "with TODO or FIXME",
            "you: tell me more",
            "calls end_conversation",
            "Goodbye!",
        )
    ]
    return -1 not in places and places == sorted(places)


@pytest.mark.parametrize("placement", ["in process", "behind a url"])
async def test_a_typed_conversation_about_this_repository(
    tmp_path: Path, placement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    further = {"PROJECT_PATH": str(ROOT), "TRUNKLINE_TOKEN": TOKEN}
    if placement == "in process":
        finished = await run(
            "console", "--assistant", "code", home=tmp_path, further=further, typed=CONVERSATION
        )
    else:
        monkeypatch.setenv("PROJECT_PATH", str(ROOT))
        settings = Settings(port=0, host="127.0.0.1", tokens=TOKEN)  # type: ignore[arg-type]
        async with running_server(settings, discover()) as (address, _):
            options = ("console", "--remote-url", f"{address}/ws/code")
            finished = await run(*options, home=tmp_path, further=further, typed=CONVERSATION)
    assert finished.code == 0, finished.err
    assert held(finished.out), finished.out
    for path, number in re.findall(r"([\w/]+\.py):(\d+): ", finished.out):
        assert len((ROOT / path).read_text().splitlines()) >= int(number)
