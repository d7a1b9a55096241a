"""`trunkline token new`."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.cli.token import _moment
from app.errors import AppError
from app.server.identity.token_file import read_tokens
from app.settings import PREFIX
from tests.app.cli.programs import run


async def test_a_token_is_printed_alone_and_its_hash_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "principals.toml"
    made = await run(
        *("token", "new", "--name", "kiosk", "--assistants", "acme, debate"),
        *("--max-sessions", "3", "--expires", "90d"),
        home=tmp_path,
        further={f"{PREFIX}PRINCIPALS_FILE": str(path)},
    )
    assert made.code == 0, made.err
    token = made.out.strip()
    assert token not in made.err
    found = read_tokens(path).find(token)
    assert (found.name, found.max_sessions, found.admin) == ("kiosk", 3, False)
    assert found.assistants == frozenset({"acme", "debate"})
    left = datetime.fromtimestamp(found.expires_at or 0, UTC) - datetime.now(UTC)
    assert left.days in (89, 90)


async def test_without_a_file_the_entry_is_printed_beside_it(tmp_path: Path) -> None:
    made = await run("token", "new", "--name", "boss", "--admin", "--metrics", home=tmp_path)
    path = tmp_path / "written-by-hand.toml"
    path.write_text(made.err)
    found = read_tokens(path).find(made.out.strip())
    assert (found.name, found.admin, found.assistants) == ("boss", True, frozenset())
    assert found.metrics


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--name", "kiosk"], "opens nothing"),
        (["--name", "bo ss", "--admin"], "a name has"),
        (["--name", "token-1", "--admin"], "does not begin with token-"),
        (["--name", "boss", "--admin", "--expires", "2001-01-01"], "is over"),
        (["--name", "boss", "--admin", "--expires", "0d"], "is over at once"),
        (["--name", "boss", "--admin", "--file", "no/such.toml"], "No such file"),
    ],
)
async def test_what_is_wrong_is_said_in_a_line(
    tmp_path: Path, arguments: list[str], problem: str
) -> None:
    made = await run("token", "new", *arguments, home=tmp_path)
    assert made.code == 2
    assert made.out == ""
    assert problem in made.err


async def test_check_finds_a_file_of_principals_that_is_wrong(tmp_path: Path) -> None:
    further = {f"{PREFIX}PRINCIPALS_FILE": str(tmp_path / "none.toml")}
    checked = await run("check", home=tmp_path, further=further)
    assert checked.code == 1
    assert "none.toml: No such file" in checked.err.replace("\n", " ")


def test_an_end_is_a_date_or_a_number_of_days() -> None:
    assert _moment("2999-12-31") == datetime(2999, 12, 31, tzinfo=UTC)
    assert _moment("2999-12-31T10:00:00+02:00").utcoffset() is not None
    for wrong in ("soon", "90", "d", "-1d"):
        with pytest.raises(AppError, match="neither a date"):
            _moment(wrong)
