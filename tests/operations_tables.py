"""The generated part of docs/operations.md, read off the code.

Run `.venv/bin/python -m tests.operations_tables` to write it anew.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from app.server_settings import ServerSettings
from app.settings import Settings, variable_of

DOCUMENT = Path(__file__).parent.parent / "docs" / "operations.md"
HOW = "regenerate with: .venv/bin/python -m tests.operations_tables"

_SECTION = re.compile(
    r"(?<=<!-- generated: settings -->\n)(?P<body>.*?)(?=<!-- end -->)", re.DOTALL
)


def described() -> dict[str, str]:
    """Read what the docstrings say of each setting."""
    said: dict[str, str] = {}
    for cls in (Settings, ServerSettings):
        text = (cls.__doc__ or "").partition("Attributes:")[2]
        for name, words in re.findall(r"^ {8}(\w+): (.+(?:\n {12}.+)*)", text, re.MULTILINE):
            said[name] = " ".join(words.split())
    return said


def settings_table() -> Iterator[str]:
    yield "| setting | by default | |"
    yield "|---|---|---|"
    # In the order of the docstrings, where one explains the next.
    for name, said in described().items():
        default = Settings.model_fields[name].default
        text = "" if default is None or default == () else str(default).removesuffix(".0")
        yield f"| `{variable_of(name)}` | {text} | {said} |"


def generated() -> str:
    return "\n".join(settings_table()) + "\n"


def section_in(text: str) -> str:
    found = _SECTION.search(text)
    assert found is not None
    return found["body"]


if __name__ == "__main__":
    DOCUMENT.write_text(_SECTION.sub(lambda _: generated(), DOCUMENT.read_text()))
    sys.stdout.write(f"wrote {DOCUMENT.name}\n")
