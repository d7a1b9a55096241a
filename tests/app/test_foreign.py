"""Text of others on a terminal: shown, never obeyed."""

import io

import pytest
from rich.console import Console

from app.foreign import foreign, plain


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b]0;owned\x07\x1b[2Jhello", "]0;owned[2Jhello"),
        ("a\x9b31mb", "a31mb"),
        ("half \ud800 a pair", "half  a pair"),
        ("over\rwritten", "overwritten"),
        ("right \u202eto left", "right to left"),
        ("two\nlines\tand more", "two lines and more"),
        ("grüße, 你好, 👩‍💻", "grüße, 你好, 👩‍💻"),
    ],
)
def test_what_a_terminal_would_obey_is_left_out(given: str, shown: str) -> None:
    assert plain(given) == shown


def test_lines_stay_where_they_are_wanted() -> None:
    assert plain("one\n\ttwo\x1b", lines=True) == "one\n\ttwo"


@pytest.mark.parametrize(
    "text",
    ["[/boom]", "[bold]x[/]", "[link=http://evil]x", "trunkline[embedded]", "ends in \\", ":x:"],
)
def test_markup_is_printed_as_it_was_written(text: str) -> None:
    console = Console(file=io.StringIO(), emoji=False, highlight=False, width=80)
    console.print(f"[bold red]error:[/] {foreign(text)}[dim]![/]")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == f"error: {text}!\n"


def test_what_is_no_text_is_shown_as_one() -> None:
    assert foreign(ValueError("[x]")) == "\\[x]"
