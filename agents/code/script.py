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
    Match,
    count_in,
    defines,
    definitions_in,
    dependencies_in,
    files_in,
    matches_in,
    purpose_of,
    ranked,
    spoken,
    spoken_matches,
    text_of_lines,
    todos_in,
)
from agents.script import Call, Reply, Say, Turn, mentions, text_of

LOST = (
    "I am only a script. I can say what the main module does or what is in a file, find to-do "
    "comments, name the dependencies, describe the tests and the error handling, count files, or "
    "look for a word."
)
NOTHING = "I looked, and I found nothing about that in the project."

_TODO = "# TODO|# FIXME|#TODO|// TODO|// FIXME|//TODO|* TODO|-- TODO"
_DEFINITION = "class {0}|def {0}|function {0}|func {0}|fn {0}|struct {0}|interface {0}|const {0}"
_DEFINED = ("class ", "def ", "function ", "func ", "fn ", "struct ", "interface ")
PYTHON = "Python file"
_MANIFESTS = ("pyproject.toml", "package.json", "requirements.txt", "Cargo.toml", "go.mod")
_MAINS = ("__main__.py", "main.py", "app.py", "cli.py", "index.js", "main.go", "main.rs")

_COMMON = frozenset(
    [
        *("a", "about", "all", "an", "and", "any", "are", "at", "by", "can", "do", "does", "did"),
        *("explain", "find", "for", "from", "get", "has", "have", "how", "i", "in", "is", "it"),
        *("its", "look", "me", "of", "on", "or", "please", "project", "search", "show", "tell"),
        *("that", "the", "there", "these", "this", "to", "use", "used", "uses", "what", "when"),
        *("where", "which", "who", "why", "with", "you", "your", "file", "files", "code"),
        *("class", "function", "method", "defined", "definition", "declared", "implemented"),
        *("they", "them", "many", "then", "word", "say", "says", "works", "work"),
    ]
)


@dataclass(frozen=True)
class Found:
    """What one tool returned for this question."""

    tool: str
    arguments: dict[str, Any]
    result: str


_PATH = re.compile(r"[\w-]+(?:/[\w.-]+)*\.[a-z]{1,5}\b")

_FOLDER = re.compile(r"\bwhat(?:'s| is) in (?:the )?([\w/-]+)(?: folder| directory)?[?. ]*$")

Topic = Callable[[str, Sequence[Found]], Reply]


def reader_script(turn: Turn) -> Reply:
    """Answer a question about a project with the tools.

    Args:
        turn: The conversation so far.
    """
    questions = turn.user_texts
    if not questions:
        return Say(LOST)
    question = questions[-1]
    asked_at = max(at for at, each in enumerate(turn.messages) if each["role"] == "user")
    before, found = turn.messages[:asked_at], list(_all_found(turn.messages[asked_at:]))
    path = _path_in(question) or (_last_path(before) if _is_about_it(question) else "")
    if _wants_more(question):
        return _more(before, found)
    topic = _topic(question)
    return _file(path, found) if path and topic is _search else topic(question, found)


def _topic(question: str) -> Topic:
    for words, topic in (
        (("todo", "todos", "to do", "fixme"), _todos),
        (("dependencies", "dependency", "libraries", "packages", "depend", "depends"), _depends),
        (("test", "tests", "testing", "tested"), _tests),
        (("error", "errors", "exception", "exceptions"), _errors),
        (("how many files", "how many python files", "number of files", "count"), _count),
        (("main", "entry", "start", "starts"), _main),
        (("about", "readme", "purpose", "overview"), _about),
        (("what files", "which files", "directory", "folders", "structure", "layout"), _layout),
    ):
        if mentions(question, words):
            return topic
    return _layout if _FOLDER.search(question.lower()) else _search


def _todos(_: str, found: Sequence[Found]) -> Reply:
    if not found:
        return (Call("grep", {"text": _TODO}),)
    matches = _found_by(found[-1])
    if not matches:
        return Say("I looked for comments that begin with TODO or FIXME, and there is none.")
    return Say(f"{spoken(len(matches), 'comment')} with TODO or FIXME. {spoken_matches(matches)}")


def _count(question: str, found: Sequence[Found]) -> Reply:
    python = bool(mentions(question, ("python",)))
    if not found:
        return (Call("glob", {"pattern": "*.py" if python else "*"}),)
    return Say(f"There are {spoken(count_in(found[-1].result), 'file' if not python else PYTHON)}.")


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
    # A search counts more than it lists.
    total = sum(count_in(each.result) for each in found)
    return Say(f"{spoken(total, 'test file')} in {spoken(len(folders), 'folder')}: {places}.")


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


def _layout(question: str, found: Sequence[Found]) -> Reply:
    if not found:
        named = _FOLDER.search(question.lower())
        return (Call("list", {"path": named.group(1)} if named else {}),)
    if found[-1].result.startswith("error:"):
        return Say(NOTHING)
    folders = [line[:-1] for line in found[-1].result.splitlines() if line.endswith("/")]
    files = files_in(found[-1].result)
    return Say(
        f"{spoken(len(folders), 'folder')}: {', '.join(folders[:12]) or 'none'}; and "
        f"{spoken(len(files), 'file')}: {', '.join(files[:8])}."
    )


def _search(question: str, found: Sequence[Found]) -> Reply:
    words = [word for word in re.findall(r"\w+", question) if word.lower() not in _COMMON]
    if not words:
        return Say(LOST)
    word = max(words, key=len)
    if not found:
        # A word that is everywhere may be defined behind all that a search returns.
        definition = Call("grep", {"text": _DEFINITION.format(word)})
        return (definition, Call("grep", {"text": word}))
    matches = ranked([match for each in found for match in _found_by(each)], word)
    if not matches:
        return Say(NOTHING)
    if defines(matches[0], word):
        return Say(f"{word} is defined in {spoken_matches(matches)}")
    return Say(f"{spoken(len(matches), 'line')} with {word}. {spoken_matches(matches)}")


def _found_by(search: Found) -> list[Match]:
    """Return what a search found that answers its question."""
    text, matches = str(search.arguments.get("text", "")), matches_in(search.result)
    if text == _TODO:
        return todos_in(matches)
    if text == _DEFINITION.format(text.partition("|")[0].removeprefix("class ")):
        return [match for match in matches if defines(match, text.partition("|")[0][6:])]
    return ranked(matches, text)


def _file(path: str, found: Sequence[Found]) -> Reply:
    if not found:
        return (Call("read", {"path": path, "count": 40}),)
    if found[-1].result.startswith("error:"):
        return Say(f"I cannot read {path}: {found[-1].result.removeprefix('error: ')}.")
    purpose = purpose_of(text_of_lines(found[-1].result))
    return Say(f"{path} says: {purpose}" if purpose else f"{path} does not say what it is for.")


def _wants_more(question: str) -> bool:
    return bool(mentions(question, ("more", "the rest", "next ones", "others")))


def _more(before: Sequence[Any], found: Sequence[Found]) -> Reply:
    """Go on with what was said last: more of a search, or what is in a file."""
    if found:
        matches = definitions_in(matches_in(found[-1].result))
        path = found[-1].arguments["path"]
        return Say(f"In {path}: {spoken_matches(matches)}" if matches else "That was all of it.")
    earlier = list(_all_found(before))
    if not earlier:
        return Say(LOST)
    if earlier[-1].tool == "read":
        path = str(earlier[-1].arguments["path"])
        return (Call("grep", {"text": "|".join(_DEFINED), "path": path}),)
    said = " ".join(text_of(message) for message in before if message["role"] == "assistant")
    rest = [match for match in _found_by(earlier[-1]) if match.place not in said]
    return Say(spoken_matches(rest) if rest else "That was all of it.")


def _path_in(text: str) -> str:
    """Return the path that a text names, or ""."""
    named = _PATH.search(text)
    return named.group() if named else ""


def _is_about_it(question: str) -> bool:
    """Tell whether a question is about what was named before."""
    words = re.findall(r"\w+", question.lower())
    return not set(words) - _COMMON and bool({"it", "that", "this", "they", "them"} & set(words))


def _last_path(before: Sequence[Any]) -> str:
    """Return the first path of the last answer that has one: who asks about "it" means that."""
    answers = (text_of(each) for each in reversed(before) if each["role"] == "assistant")
    return next(filter(None, map(_path_in, answers)), "")


def _all_found(messages: Sequence[Any]) -> Iterator[Found]:
    calls: dict[str, tuple[str, dict[str, Any]]] = {}
    for message in messages:
        for call in message.get("tool_calls") or ():
            function = call["function"]
            calls[call["id"]] = function["name"], json.loads(function["arguments"] or "{}")
        if message.get("role") == "tool" and message.get("tool_call_id") in calls:
            name, arguments = calls[message["tool_call_id"]]
            yield Found(name, arguments, text_of(message))
