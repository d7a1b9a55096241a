"""Tokens of a file: what they open, and how they are replaced while the server runs."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from agents import Assistants
from app.errors import SettingsError
from app.server.identity import tokens
from app.server.identity.token_file import TokenFile, add_to_file, as_toml, read_tokens
from app.server.identity.tokens import TokenTable, new_token
from app.server.identity.wrong import WrongCredentialError
from tests.app.server.identity.asking import asking, bearer

SOON = datetime.now(UTC) + timedelta(days=1)


def added(path: Path, name: str, **rights: Any) -> str:
    token, entry = new_token(name, **rights)
    add_to_file(path, entry)
    return token


def refused(table: TokenTable, token: str) -> str:
    with pytest.raises(WrongCredentialError) as wrong:
        table.find(token)
    return wrong.value.refusal.code


def test_an_entry_read_from_the_file_is_the_one_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "principals.toml"
    token = added(path, "kiosk", assistants=["acme", "x y"], max_sessions=3, expires=SOON)
    found = read_tokens(path).find(token)
    assert (found.name, found.assistants) == ("kiosk", frozenset({"acme", "x y"}))
    assert (found.max_sessions, found.admin) == (3, False)
    assert found.expires_at == int(SOON.timestamp())
    boss = added(path, "boss", admin=True)
    assert read_tokens(path).find(boss).admin
    assert path.stat().st_mode & 0o077 == 0


def test_the_file_holds_no_token(tmp_path: Path) -> None:
    path = tmp_path / "principals.toml"
    token = added(path, "kiosk")
    secret = token.partition("_")[2].partition("_")[2]
    assert secret not in path.read_text()
    assert token not in repr(read_tokens(path))
    assert new_token("kiosk")[0] != new_token("kiosk")[0]


def test_two_tokens_of_one_principal_are_both_valid() -> None:
    one, first = new_token("kiosk", assistants=["acme"])
    two, second = new_token("kiosk", assistants=["*"])
    table = TokenTable([first, second])
    assert table.find(one).assistants == frozenset({"acme"})
    assert table.find(two).assistants is None
    assert table.find(two).may_open("anything")


def test_a_token_ends_when_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    token, entry = new_token("kiosk", expires=SOON)
    table = TokenTable([entry])
    table.find(token)
    late = SOON.timestamp()
    monkeypatch.setattr("app.server.identity.principals.time.time", lambda: late)
    assert refused(table, token) == "expired_token"


def test_wrong_tokens_are_compared_as_right_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    token, entry = new_token("kiosk")
    table = TokenTable([entry])
    compared = []

    def comparing(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("app.server.identity.tokens.hmac.compare_digest", comparing)
    table.find(token)
    nobody, _ = new_token("nobody")
    for wrong in (nobody, token[:-1] + "!", token + "x", "tl_", "tl_ffff_", "", "a.b.c", "ü"):
        assert refused(table, wrong) == "wrong_token"
    assert set(compared) == {(64, 64)}
    assert len(compared) == 9


def test_the_entry_that_stands_for_nobody_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    token, entry = new_token("nobody")
    monkeypatch.setattr(tokens, "_NOBODY", entry)
    assert refused(TokenTable(), token) == "wrong_token"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": "token-1"}, "those of the settings"),
        ({"name": "a b"}, "string_pattern|should match"),
        ({"name": ""}, "should match"),
        ({"salt": "ab"}, "at least 32"),
        ({"hash": "ab"}, "at least 64"),
        ({"max_sessions": 0}, "greater than or equal to 1"),
        ({"may": "everything"}, "Extra inputs"),
        ({"assistants": "acme"}, "valid tuple"),
    ],
)
def test_an_entry_that_is_wrong_is_named_without_its_value(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "principals.toml"
    _, entry = new_token("kiosk")
    lines = as_toml(entry).splitlines()
    for key, value in change.items():
        lines = [line for line in lines if not line.startswith(f"{key} =")]
        lines.append(f"{key} = {value!r}")
    path.write_text("\n".join(lines))
    with pytest.raises(SettingsError, match=problem) as wrong:
        read_tokens(path)
    assert entry.hash not in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"[[token]]\nid = x", "not TOML: at line 2"),
        (b"\xff", "not UTF-8"),
        (b"[[principal]]", "Extra inputs"),
        (b"#" * (4 * 1024 * 1024 + 1), "larger than"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, text: bytes, problem: str) -> None:
    path = tmp_path / "principals.toml"
    path.write_bytes(text)
    with pytest.raises(SettingsError, match=problem):
        read_tokens(path)


def test_an_id_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "principals.toml"
    token, entry = new_token("kiosk")
    path.write_text(as_toml(entry) * 2)
    with pytest.raises(SettingsError, match="two tokens have the id") as wrong:
        read_tokens(path)
    assert token not in str(wrong.value)


def test_nothing_is_added_to_a_file_that_is_something_else(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\n")
    with pytest.raises(SettingsError):
        add_to_file(path, new_token("kiosk")[1])
    with pytest.raises(SettingsError, match="No such file"):
        add_to_file(tmp_path / "no" / "such.toml", new_token("kiosk")[1])
    assert path.read_text() == "[project]\n"


class Clock:
    """Stands until it is told to go on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def touched(path: Path) -> None:
    """Give a file a time that it did not have."""
    stamp = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(stamp, stamp))


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "principals.toml"
    clock = Clock()
    old = added(path, "kiosk")
    file = TokenFile(path, clock)
    new = added(path, "kiosk")
    touched(path)
    assert refused(file.tokens(), new) == "wrong_token", "it looked again at once"
    clock.now += 1.0
    file.tokens().find(new)
    file.tokens().find(old)
    path.write_text("\n[[token]]" + path.read_text().split("[[token]]")[2])
    clock.now += 1.0
    file.tokens().find(new)
    assert refused(file.tokens(), old) == "wrong_token"


def test_a_file_that_went_bad_or_away_leaves_the_tokens_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "principals.toml"
    clock = Clock()
    token = added(path, "kiosk")
    file = TokenFile(path, clock)
    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {message}")
    good = path.read_text()
    path.write_text("rubbish")
    for _ in range(5):
        clock.now += 1.0
        file.tokens().find(token)
    path.unlink()
    clock.now += 1.0
    file.tokens().find(token)
    path.write_text(good.replace("[[token]]", "# back\n[[token]]"))
    clock.now += 1.0
    file.tokens().find(token)
    logger.remove(sink)
    assert [line.split(" ")[0] for line in lines] == ["ERROR", "ERROR", "INFO"]
    assert token not in "".join(lines)


async def test_rights_are_those_of_the_token(assistants: Assistants, tmp_path: Path) -> None:
    path = tmp_path / "principals.toml"
    kiosk = added(path, "kiosk", assistants=["parrot"])
    every = added(path, "every", assistants=["*"])
    boss = added(path, "boss", admin=True)
    async with asking(assistants, principals_file=path) as server:
        assert await server.enters(kiosk) == "kiosk"
        assert await server.listed(kiosk) == {"parrot"}
        for assistant in ("acme", "no-such-assistant"):
            assert await server.code(kiosk, assistant) == "403 not_allowed"
        assert await server.enters(every) == "every"
        assert await server.code(every, "no-such-assistant") == "404 no_assistant"
        assert await server.code(boss) == "403 not_allowed"
        assert await server.listed(boss) == set()
        assert await server.code(new_token("kiosk")[0]) == "403 wrong_token"
        assert await server.code(None) == "401 no_token"


async def test_tokens_are_replaced_while_the_server_runs(
    assistants: Assistants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "principals.toml"
    old = added(path, "kiosk", assistants=["*"])
    monkeypatch.setattr("app.server.identity.token_file.LOOK_EVERY_S", 0.0)
    async with asking(assistants, principals_file=path) as server:
        new = added(path, "kiosk", assistants=["*"])
        assert [await server.enters(token) for token in (old, new)] == ["kiosk", "kiosk"]
        path.write_text("\n[[token]]" + path.read_text().split("[[token]]")[2])
        assert await server.code(old) == "403 wrong_token"
        assert await server.enters(new) == "kiosk"


async def test_the_tokens_of_the_settings_go_on_beside_a_file(
    assistants: Assistants, tmp_path: Path
) -> None:
    path = tmp_path / "principals.toml"
    token = added(path, "kiosk", assistants=["*"])
    plain, admin = "a-token-of-the-tests", "an-admin-of-the-tests"
    async with asking(assistants, principals_file=path, tokens=plain, admin_tokens=admin) as server:
        assert await server.enters(token) == "kiosk"
        assert await server.enters(plain) == "token-1"
        assert await server.code(admin) == "403 not_allowed"
        answer = await server.client.get("/v1/assistants", headers=bearer(admin))
        assert answer.json() == []


async def test_a_server_with_a_file_that_is_wrong_does_not_start(
    assistants: Assistants, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        async with asking(assistants, principals_file=tmp_path / "none.toml"):
            pass
