"""Reading what the tools returned, and saying it."""

import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# What a listener keeps in mind at a time.
AT_A_TIME = 3

_MATCH = re.compile(r"^(?P<place>[^\s:][^:]*:\d+): (?P<line>.*)$")
# A comment that begins with it, alone or behind code; not a word in a sentence or in a string.
_TODO = re.compile(r"(?:^|\s)(?:#+|//+|/?\*+|--|;+|<!--)\s*(?:TODO|FIXME)\b")
_DEFINES = (
    r"^(?:(?:export|default|public|private|static|abstract|async|pub) )*"
    r"(?:class|def|function|func|fn|struct|interface|enum|trait|type|const|let|var) {0}\b"
    r"|^{0}(?:: [^=]+)? = "
)
_PROSE = (".md", ".rst", ".txt", ".html")
_COUNT = re.compile(r"^(\d+) files")
_NUMBERED = re.compile(r"^\d+: ?")
_SIZE = re.compile(r" \(\d+ bytes\)$")
_NAME = re.compile(r"[@A-Za-z0-9][\w./@-]*")


@dataclass(frozen=True)
class Match:
    """One line that a search found.

    Attributes:
        place: The path and the line's number.
        line: The line.
    """

    place: str
    line: str


def matches_in(result: str) -> list[Match]:
    """Return what a search found."""
    found = (_MATCH.match(line) for line in result.splitlines())
    return [Match(match["place"], match["line"]) for match in found if match is not None]


def todos_in(matches: Iterable[Match]) -> list[Match]:
    """Return the matches that are to-do comments."""
    return [match for match in matches if _is_todo(match.line)]


def _is_todo(line: str) -> bool:
    found = _TODO.search(line)
    return found is not None and all(line[: found.start()].count(q) % 2 == 0 for q in "\"'`")


def defines(match: Match, word: str) -> bool:
    """Tell whether a line defines what is called by a word, in many languages."""
    return re.search(_DEFINES.format(re.escape(word)), match.line) is not None


def definitions_in(matches: Iterable[Match]) -> list[Match]:
    """Return the matches that define something."""
    return [match for match in matches if re.search(_DEFINES.format(r"\w+"), match.line)]


def ranked(matches: Iterable[Match], word: str) -> list[Match]:
    """Return matches once each: where a word is defined, then other code, then prose."""

    def rank(match: Match) -> int:
        path = match.place.rpartition(":")[0]
        return 0 if defines(match, word) else 2 if path.endswith(_PROSE) else 1

    return sorted(dict.fromkeys(matches), key=rank)


def count_in(result: str) -> int:
    """Return how many files a search for files has found, also of those that it does not list."""
    found = _COUNT.match(result)
    return int(found.group(1)) if found else 0


def files_in(result: str) -> list[str]:
    """Return the files of a listing."""
    lines = result.splitlines()
    names = [_SIZE.sub("", line) for line in lines if line and not line.endswith(("/", ":"))]
    return [name for name in names if " " not in name]


def text_of_lines(result: str) -> str:
    """Return the text of a file that was read with line numbers."""
    lines = [line for line in result.splitlines() if _NUMBERED.match(line)]
    return "\n".join(_NUMBERED.sub("", line) for line in lines)


def purpose_of(text: str) -> str:
    """Return what a file says of itself: the first sentences of its docstring or of its text."""
    docstring = re.match(r'\s*(?:#[^\n]*\n\s*)*"""(.*?)(?:"""|\n\n|$)', text, re.DOTALL)
    if docstring is not None:
        return " ".join(docstring.group(1).split())
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line.lstrip("#/* ").strip() for line in paragraph.splitlines()]
        words = [line for line in lines if line and not line.startswith(("[", "!", "<", "`"))]
        said = " ".join(" ".join(words).replace("*", "").replace("`", "").split())
        if len(said.split()) > 3:
            return said
    return ""


def dependencies_in(manifest: str, text: str) -> list[str]:
    """Return the names that a manifest depends on, without their versions."""
    if manifest == "requirements.txt":
        return _names(line for line in text.splitlines() if not line.startswith(("#", "-")))
    if manifest == "go.mod":
        return re.findall(r"^\s+(\S+) v\d", text, re.MULTILINE)
    try:
        known: Any = json.loads(text) if manifest.endswith(".json") else tomllib.loads(text)
    except ValueError:
        return []
    if manifest == "pyproject.toml":
        known = known.get("project", {})
    return _names(known.get("dependencies", ()))


def spoken(count: int, noun: str) -> str:
    """Say a number of things."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def spoken_matches(matches: list[Match]) -> str:
    """Say the first few matches, and how many are left."""
    said = "; ".join(f"{match.place}: {match.line[:120]}" for match in matches[:AT_A_TIME])
    left = len(matches) - AT_A_TIME
    are = "is" if left == 1 else "are"
    return f"{said}. There {are} {left} more." if left > 0 else f"{said}."


def _names(entries: Iterable[Any]) -> list[str]:
    found = (_NAME.match(str(entry).strip()) for entry in entries)
    return [match.group() for match in found if match is not None]
