"""What the tools do: list, find, search and read, each within a budget, each for a model to read.

All of it blocks, and belongs into a thread.
"""

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from agents.code.limits import Budget, SpentError
from agents.code.project import Project, ProjectError

# Where a NUL byte tells a binary file, as in git.
_HEAD_BYTES = 8000
_CHUNK_BYTES = 64 * 1024
_MAX_LINE = 300
_MAX_PATTERN = 200
_MAX_PARTS = 16
_MAX_WORDS = 8

# A search holds up every other thread while it goes through a line.
_MAX_SEARCHED = 10_000

_NOT_ALL = "(there was too much to look at all of it)"


def list_directory(project: Project, budget: Budget, path: str = ".") -> str:
    """List what is in a directory."""
    lines = [
        f"{entry.path}/" if entry.is_directory else f"{entry.path} ({entry.size_bytes} bytes)"
        for entry in project.entries(path, budget)
    ]
    return _joined([*lines, _NOT_ALL if budget.spent else ""], budget) if lines else "(empty)"


def find_files(project: Project, budget: Budget, pattern: str, path: str = ".") -> str:
    """Find files by a pattern such as `src/**/test_*.py`."""
    if not 0 < len(pattern) <= _MAX_PATTERN:
        raise ProjectError("the pattern is empty or too long")
    wanted = tuple(part for part in pattern.split("/") if part not in ("", "."))
    if len(wanted) > _MAX_PARTS:
        raise ProjectError("the pattern has too many parts")
    if len(wanted) == 1:
        wanted = ("**", *wanted)
    found: list[str] = []
    note = ""
    try:
        for entry in project.walk(path, budget):
            budget.spend()
            if _matches(tuple(entry.path.split("/")), wanted):
                found.append(entry.path)
    except SpentError:
        note = _NOT_ALL
    shown = found[: budget.limits.matches]
    head = f"{len(found)} files" if len(shown) == len(found) else f"{len(found)} files, of them:"
    return _joined([head, *shown, note], budget) if found else f"0 files {note}".strip()


def search_text(
    project: Project, budget: Budget, text: str, path: str = ".", files: str = "*"
) -> str:
    """Search files for words, as they are; `one|other` for either of them."""
    if not 0 < len(text) <= _MAX_PATTERN or len(files) > _MAX_PATTERN:
        raise ProjectError("the text is empty or too long")
    # Never an expression of somebody else's: a wicked one takes for ever and lets nobody else run.
    words = [re.escape(word) for word in text.split("|")[:_MAX_WORDS] if word]
    wanted = re.compile("|".join(words or [re.escape(text)]), re.IGNORECASE)
    found: list[str] = []
    note = ""
    try:
        for place in _places(project, budget, path, files):
            found += _matching_lines(project, budget, place, wanted)
            if len(found) >= budget.limits.matches:
                note = _NOT_ALL
                break
    except SpentError:
        note = _NOT_ALL
    found = found[: budget.limits.matches]
    return _joined([f"{len(found)} lines", *found, note], budget) if found else f"0 lines {note}"


def read_lines(
    project: Project, budget: Budget, path: str, first: int = 1, count: int = 100
) -> str:
    """Read lines of a text file, with their numbers."""
    first, count = max(1, first), max(1, min(count, budget.limits.lines))
    content, whole = _content(project, budget, path)
    lines = content.splitlines()
    if first > max(1, len(lines)):
        raise ProjectError(f"the file has only {len(lines)} lines")
    shown = [
        f"{number}: {_cut(line)}"
        for number, line in enumerate(lines[first - 1 : first - 1 + count], start=first)
    ]
    last = first - 1 + len(shown)
    head = f"{path}, lines {first} to {last} of {len(lines)}"
    return _joined([head if whole else f"{head} or more {_NOT_ALL}", *shown], budget)


def _places(project: Project, budget: Budget, path: str, files: str) -> Iterator[str]:
    try:
        entries = project.walk(path, budget)
        for entry in entries:
            if fnmatchcase(entry.path.rpartition("/")[2], files):
                yield entry.path
    except ProjectError:
        # A file, or nothing; opening it will tell.
        yield path


def _matching_lines(
    project: Project, budget: Budget, path: str, wanted: re.Pattern[str]
) -> Iterator[str]:
    try:
        content, _ = _content(project, budget, path)
    except ProjectError:
        return
    for number, line in enumerate(content.splitlines(), start=1):
        if number % 256 == 0:
            budget.spend()
        match = wanted.search(line[:_MAX_SEARCHED])
        if match is not None:
            begin = max(0, match.start() - _MAX_LINE // 2)
            yield f"{path}:{number}: {_cut(line[begin:]).strip()}"


def _content(project: Project, budget: Budget, path: str) -> tuple[str, bool]:
    """Return a file's text, as much as may be read, and whether that is all."""
    chunks: list[bytes] = []
    size = 0
    with project.file(path) as file:
        while size < budget.limits.file_bytes:
            try:
                chunk = os.read(file, min(_CHUNK_BYTES, budget.limits.file_bytes - size))
            except OSError:
                raise ProjectError("this cannot be read") from None
            if not chunk:
                return _text(chunks), True
            budget.spend(size_bytes=len(chunk))
            if size < _HEAD_BYTES and b"\0" in chunk[: _HEAD_BYTES - size]:
                raise ProjectError("this is a binary file")
            chunks.append(chunk)
            size += len(chunk)
        return _text(chunks), not os.read(file, 1)


def _text(chunks: list[bytes]) -> str:
    return b"".join(chunks).decode(errors="replace")


def _cut(line: str) -> str:
    shown = "".join(c if c.isprintable() or c == "\t" else "?" for c in line[:_MAX_LINE])
    return shown if len(line) <= _MAX_LINE else f"{shown}..."


def _joined(lines: list[str], budget: Budget) -> str:
    """Join lines, as many as fit."""
    size = 0
    kept: list[str] = []
    for line in filter(None, lines):
        size += len(line.encode()) + 1
        if size > budget.limits.result_bytes:
            return "\n".join([*kept, "(and more than fits here)"])
        kept.append(line)
    return "\n".join(kept)


def _matches(names: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Tell whether a path matches a pattern; `**` stands for any directories, also none.

    A row of the table at a time, so that no pattern takes longer than its length times the path's.
    """
    row = [True, *(False for _ in names)]
    for part in wanted:
        if part == "**":
            reached = False
            row = [reached := reached or before for before in row]
        else:
            row = [False, *(row[i] and fnmatchcase(name, part) for i, name in enumerate(names))]
    return row[-1]
