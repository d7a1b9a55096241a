"""docs/operations.md says what the code does: settings, refusals, requests and commands."""

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import typer
from fastapi.routing import APIRoute

from app import stopping
from app.cli import commands as _commands  # noqa: F401  # they add themselves
from app.cli.program import app as cli
from app.server import http_protocol, table, turns
from app.server.admin.routes import router
from app.server.bodies import BODY_TIMEOUT_S, MAX_BODY_BYTES
from app.server.identity import json_web_tokens, keys, tickets, token_file
from app.server.problems import FRAMEWORK_PROBLEMS
from app.settings import Settings, variable_of
from proxy.close_codes import CloseCode
from tests.operations_tables import DOCUMENT, HOW, described, generated, section_in

ROOT = Path(__file__).parent.parent
TEXT = DOCUMENT.read_text()
PROSE = " ".join(TEXT.split())


def test_the_table_of_settings_is_that_of_the_code() -> None:
    assert section_in(TEXT) == generated(), HOW
    assert described().keys() == Settings.model_fields.keys()


def test_every_variable_in_the_text_is_a_setting() -> None:
    known = {variable_of(name) for name in Settings.model_fields}
    assert set(re.findall(r"TRUNKLINE_[A-Z_]*[A-Z]", TEXT)) <= known


def refusals() -> Iterator[tuple[int, str]]:
    """Find every refusal that the source makes: its status and code."""
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Name(id="Refusal"),
                    args=[ast.Attribute(attr=status), ast.Constant(value=str(code)), *_],
                ):
                    yield HTTPStatus[status].value, code
    for known, (word, _) in FRAMEWORK_PROBLEMS.items():
        yield known.value, word


def test_the_table_of_refusals_is_that_of_the_code() -> None:
    told = re.findall(r"^\| (\d{3}) \| `(\w+)` \| \S", TEXT, re.MULTILINE)
    assert sorted((int(status), code) for status, code in told) == sorted(set(refusals()))


def test_close_codes_in_the_text_are_those_of_the_code() -> None:
    for number, name in re.findall(r"\b(\d{4}) `([A-Z_]+)`", TEXT):
        assert CloseCode[name] == int(number)
    for number in re.findall(r"\b(4\d{3})\b", PROSE):
        assert int(number) in set(CloseCode)


def test_of_every_close_code_it_says_what_to_do() -> None:
    rows = [row for row in TEXT.splitlines() if re.match(r"\| \d{4} `", row)]
    told = [int(number) for row in rows for number in re.findall(r"\b(\d{4}) `", row)]
    assert sorted(told) == sorted(CloseCode)


def test_every_request_of_the_administration_is_there() -> None:
    for route in router.routes:
        assert isinstance(route, APIRoute)
        path = route.path.replace("{session_id}", "{id}")
        for method in route.methods or ():
            assert f"`{method} {path}" in TEXT


def test_every_command_in_the_text_is_one() -> None:
    program: Any = typer.main.get_command(cli)
    known = {
        f"{group} {name}"
        for group in ("token", "sessions")
        for name in program.commands[group].commands
    }
    for command in re.findall(r"trunkline ((?:token|sessions) \w+)", TEXT):
        assert command in known


@pytest.mark.parametrize(
    "sentence",
    [
        f"within {tickets.LIFETIME_S:.0f} seconds",
        f"clocks may differ by {json_web_tokens.LEEWAY_S:.0f} s",
        f"a shared secret of at least {keys.MIN_SECRET_BYTES} bytes",
        f"that takes at most {keys.FETCH_TIMEOUT_S:.0f} s",
        f"again after {keys.FRESH_S / 60:.0f} minutes",
        f"a body has at most {MAX_BODY_BYTES // 1024} KiB",
        f"did not come within {BODY_TIMEOUT_S:.0f} s",
        f"at most {stopping.LEAVE_TIMEOUT_S:g} s after",
    ],
)
def test_a_number_in_the_text_is_the_one_in_the_code(sentence: str) -> None:
    assert sentence in PROSE


def test_what_the_text_gives_in_words_holds() -> None:
    settings = Settings()
    assert (settings.idle_timeout_s, settings.max_session_s) == (30 * 60, 4 * 3600)
    assert table.ANSWERS_SHARE == 3 / 4
    assert (turns.SETTLE_S, token_file.LOOK_EVERY_S) == (1.0, 1.0)
    assert (keys.KEEP_S, keys.UNKNOWN_KEY_EVERY_S) == (24 * 3600, 60)
    assert (tickets.MAX_TICKETS, tickets.MAX_PER_PRINCIPAL) == (10_000, 1_000)
    assert http_protocol.REQUEST_TIMEOUT_S == BODY_TIMEOUT_S


def test_every_link_in_the_document_leads_somewhere() -> None:
    titles = re.findall(r"^##+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    for page, anchor in re.findall(r"\]\(([\w.-]*)#?([\w-]*)\)", TEXT):
        if page:
            assert (DOCUMENT.parent / page).is_file()
        else:
            assert anchor in anchors
