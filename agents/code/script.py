"""What the embedded model does as the reader of a project: it really uses the tools.

A script of steps for each kind of question: what to look at next, given what was found so far, and
what to say of it. What is said is quoted from what the tools returned.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agents.code.findings import (
    dependencies_in,
    files_in,
    matches_in,
    purpose_of,
    spoken,
    spoken_matches,
    text_of_lines,
)
from agents.script import Call, Reply, Say, Turn, mentions, text_of, words_of

LOST = (
    "I am only a script. I can say what the main module does, find to-do comments, name the "
    "dependencies, describe the tests and the error handling, or look for a word."
)
NOTHING = "I looked, and I found nothing about that in the project."

_TODO = "TODO|FIXME"
_MANIFESTS = ("pyproject.toml", "package.json", "requirements.txt", "Cargo.toml", "go.mod")
_MAINS = ("__main__.py", "main.py", "app.py", "cli.py", "index.js", "main.go", "main.rs")

_COMMON = frozenset(
    [
        *("a", "about", "all", "an", "and", "any", "are", "at", "by", "can", "do", "does", "did"),
        *("explain", "find", "for", "from", "get", "has", "have", "how", "i", "in", "is", "it"),
        *("its", "look", "me", "of", "on", "or", "please", "project", "search", "show", "tell"),
        *("that", "the", "there", "these", "this", "to", "use", "used", "uses", "what", "when"),
        *("where", "which", "who", "why", "with", "you", "your", "file", "files", "code"),
    ]
)


@dataclass(frozen=True)
class Found:
    """What one tool returned for this question."""

    tool: str
    arguments: dict[str, Any]
    result: str


Topic = Callable[[str, Sequence[Found]], Reply]


def reader_script(turn: Turn) -> Reply:
    """Answer a question about a project with the tools.

    Args:
        turn: The conversation so far.
    """
    questions = turn.user_texts
    if not questions:
        return Say(LOST)
    found = list(_found_since_the_question(turn.messages))
    if _wants_more(questions[-1]):
        return Say(_more(turn.messages))
    return _topic(questions[-1])(questions[-1], found)


def _topic(question: str) -> Topic:
    for words, topic in (
        (("todo", "todos", "to do", "fixme"), _todos),
        (("dependencies", "dependency", "libraries", "packages", "depend", "depends"), _depends),
        (("test", "tests", "testing", "tested"), _tests),
        (("error", "errors", "exception", "exceptions"), _errors),
        (("main", "entry", "start", "starts"), _main),
        (("about", "readme", "purpose", "overview"), _about),
        (("what files", "which files", "directory", "folders", "structure", "layout"), _layout),
    ):
        if mentions(question, words):
            return topic
    return _search


def _todos(_: str, found: Sequence[Found]) -> Reply:
    if not found:
        return (Call("grep", {"text": _TODO}),)
    matches = matches_in(found[-1].result)
    if not matches:
        return Say("I searched every file for TODO and FIXME, and there is none.")
    return Say(f"{spoken(len(matches), 'line')} with TODO or FIXME. {spoken_matches(matches)}")


def _depends(_: str, found: Sequence[Found]) -> Reply:
    if not found:
        return (Call("list"),)
    manifest = found[-1].arguments.get("path")
    if manifest in _MANIFESTS:
        names = dependencies_in(str(manifest), text_of_lines(found[-1].result))
        if not names:
            return Say(f"{manifest} names no dependencies.")
        return Say(f"{manifest} names {spoken(len(names), 'dependency')}: {', '.join(names)}.")
    there = files_in(found[0].result)
    manifest = next((name for name in _MANIFESTS if name in there), None)
    if manifest is None:
        return Say("There is no manifest here that I know, so I cannot say what it depends on.")
    return (Call("read", {"path": manifest, "count": 300}),)


def _tests(_: str, found: Sequence[Found]) -> Reply:
    if not found:
        # Two at once, as models do.
        return (Call("glob", {"pattern": "test_*.py"}), Call("glob", {"pattern": "*.test.*"}))
    files = [path for each in found for path in files_in(each.result)]
    if not files:
        return Say("I found no tests.")
    folders: dict[str, int] = {}
    for path in files:
        folder = path.rpartition("/")[0] or "."
        folders[folder] = folders.get(folder, 0) + 1
    largest = sorted(folders, key=lambda folder: (-folders[folder], folder))[:4]
    places = ", ".join(f"{folders[folder]} in {folder}" for folder in largest)
    return Say(f"{spoken(len(files), 'test file')} in {spoken(len(folders), 'folder')}: {places}.")


def _errors(_: str, found: Sequence[Found]) -> Reply:
    if not found:
        return (Call("grep", {"text": "Error(Exception)|extends Error", "files": "*"}),)
    matches = matches_in(found[-1].result)
    if not matches:
        return Say("I found no exceptions of the project's own.")
    return Say(
        f"{spoken(len(matches), 'base error')} of the project's own. {spoken_matches(matches)}"
    )


def _main(_: str, found: Sequence[Found]) -> Reply:
    if not found:
        return tuple(Call("glob", {"pattern": name}) for name in _MAINS)
    if found[-1].tool == "read":
        path = found[-1].arguments["path"]
        purpose = purpose_of(text_of_lines(found[-1].result))
        return Say(f"The main module is {path}. It says: {purpose}" if purpose else NOTHING)
    mains = [path for each in found for path in files_in(each.result) if "test" not in path]
    if not mains:
        return Say("I found no main module.")
    # The package around it says more than a file of one call.
    main = min(mains, key=lambda path: (path.count("/"), mains.index(path)))
    folder = main.rpartition("/")[0]
    package = f"{folder}/__init__.py" if main.endswith("__main__.py") and folder else main
    return (Call("read", {"path": package, "count": 40}),)


def _about(_: str, found: Sequence[Found]) -> Reply:
    if not found:
        return (Call("read", {"path": "README.md", "count": 40}),)
    purpose = purpose_of(text_of_lines(found[-1].result))
    return Say(f"The README says: {purpose}") if purpose else Say(NOTHING)


def _layout(_: str, found: Sequence[Found]) -> Reply:
    if not found:
        return (Call("list"),)
    folders = [line[:-1] for line in found[-1].result.splitlines() if line.endswith("/")]
    files = files_in(found[-1].result)
    return Say(
        f"{spoken(len(folders), 'folder')}: {', '.join(folders[:12]) or 'none'}; and "
        f"{spoken(len(files), 'file')}: {', '.join(files[:8])}."
    )


def _search(question: str, found: Sequence[Found]) -> Reply:
    path = re.search(r"[\w-]+(?:/[\w.-]+)*\.[a-z]{1,5}\b", question)
    if path is not None:
        return _file(path.group(), found)
    words = [word for word in words_of(question) if word not in _COMMON]
    if not words:
        return Say(LOST)
    if not found:
        return (Call("grep", {"text": max(words, key=len)}),)
    matches = matches_in(found[-1].result)
    if not matches:
        return Say(NOTHING)
    word = found[-1].arguments["text"]
    return Say(f"{spoken(len(matches), 'line')} with {word}. {spoken_matches(matches)}")


def _file(path: str, found: Sequence[Found]) -> Reply:
    if not found:
        return (Call("read", {"path": path, "count": 40}),)
    if found[-1].result.startswith("error:"):
        return Say(f"I cannot read {path}: {found[-1].result.removeprefix('error: ')}.")
    purpose = purpose_of(text_of_lines(found[-1].result))
    return Say(f"{path} says: {purpose}" if purpose else f"{path} does not say what it is for.")


def _wants_more(question: str) -> bool:
    return bool(mentions(question, ("more", "the rest", "next ones", "others")))


def _more(messages: Sequence[Any]) -> str:
    """Go on with the last search; how far it came is in the answers since."""
    searches = [each for each in _all_found(messages) if matches_in(each.result)]
    if not searches:
        return LOST
    matches = matches_in(searches[-1].result)
    said = " ".join(text_of(message) for message in messages if message["role"] == "assistant")
    rest = [match for match in matches if match.place not in said]
    return spoken_matches(rest) if rest else "That was all of it."


def _found_since_the_question(messages: Sequence[Any]) -> Iterator[Found]:
    last = max(place for place, message in enumerate(messages) if message["role"] == "user")
    return _all_found(messages[last:])


def _all_found(messages: Sequence[Any]) -> Iterator[Found]:
    calls: dict[str, tuple[str, dict[str, Any]]] = {}
    for message in messages:
        for call in message.get("tool_calls") or ():
            function = call["function"]
            calls[call["id"]] = function["name"], json.loads(function["arguments"] or "{}")
        if message.get("role") == "tool" and message.get("tool_call_id") in calls:
            name, arguments = calls[message["tool_call_id"]]
            yield Found(name, arguments, text_of(message))
