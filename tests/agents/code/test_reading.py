"""What the tools return, and how little they cost whatever they are pointed at."""

import threading
from pathlib import Path

import pytest

from agents.code import tools
from agents.code.limits import Budget, Limits, SpentError
from agents.code.project import Project, ProjectError
from agents.code.reading import find_files, list_directory, read_lines, search_text
from agents.code.tools import TOO_MUCH, WRONG, Toolbox


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "src" / "deep").mkdir(parents=True)
    (tmp_path / "src" / "one.py").write_text("# TODO: one\nvalue = 1\n")
    (tmp_path / "src" / "deep" / "two.py").write_text("value = 2\n# fixme two\n")
    (tmp_path / "notes.md").write_text("Nothing TODO here.\n")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "theirs.py").write_text("# TODO: theirs\n")
    return Project(tmp_path)


def budget(**limits: float) -> Budget:
    return Budget(Limits(**limits))  # type: ignore[arg-type]


def test_a_directory_is_listed_without_what_is_not_the_projects_own(project: Project) -> None:
    assert list_directory(project, budget()) == "notes.md (19 bytes)\nsrc/"
    assert list_directory(project, budget(), "src") == "src/deep/\nsrc/one.py (22 bytes)"
    (project.root / "empty").mkdir()
    assert list_directory(project, budget(), "empty") == "(empty)"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.py", ["src/one.py", "src/deep/two.py"]),
        ("src/*.py", ["src/one.py"]),
        ("**/*.py", ["src/one.py", "src/deep/two.py"]),
        ("src/**/two.py", ["src/deep/two.py"]),
        ("src/**/deep/*", ["src/deep/two.py"]),
        ("**", ["notes.md", "src/one.py", "src/deep/two.py"]),
        ("./src/on?.py", ["src/one.py"]),
        ("*.rs", []),
    ],
)
def test_files_are_found_by_pattern(project: Project, pattern: str, expected: list[str]) -> None:
    head, *found = find_files(project, budget(), pattern).splitlines()
    assert head == f"{len(expected)} files"
    assert found == expected


def test_text_is_found_with_its_place_in_any_case(project: Project) -> None:
    assert search_text(project, budget(), "todo|fixme").splitlines() == [
        "3 lines",
        "notes.md:1: Nothing TODO here.",
        "src/one.py:1: # TODO: one",
        "src/deep/two.py:2: # fixme two",
    ]
    assert search_text(project, budget(), "TODO", files="*.py").startswith("1 lines")
    assert search_text(project, budget(), "value", path="src/deep").startswith("1 lines")
    assert search_text(project, budget(), "value", path="src/one.py").startswith("1 lines")
    assert search_text(project, budget(), ".*").startswith("0 lines")


def test_lines_are_read_with_their_numbers(project: Project) -> None:
    read = read_lines(project, budget(), "src/one.py", 2, 5)
    assert read == "src/one.py, lines 2 to 2 of 2\n2: value = 1"
    with pytest.raises(ProjectError, match="only 2 lines"):
        read_lines(project, budget(), "src/one.py", 3)
    (project.root / "none.txt").write_text("")
    assert read_lines(project, budget(), "none.txt").startswith("none.txt, lines 1 to 0 of 0")


def test_a_binary_file_is_not_read(project: Project) -> None:
    (project.root / "image.png").write_bytes(b"\x89PNG\0\0TODO\n")
    with pytest.raises(ProjectError, match="binary"):
        read_lines(project, budget(), "image.png")
    assert "image" not in search_text(project, budget(), "TODO")


def test_what_is_not_text_is_shown_harmlessly(project: Project) -> None:
    (project.root / "odd.txt").write_bytes(b"\xff\xfe \x1b[2J bell\x07\n")
    assert "\x1b" not in read_lines(project, budget(), "odd.txt")


def test_of_a_huge_file_a_part_is_read(project: Project) -> None:
    with (project.root / "huge.log").open("wb") as file:
        file.write(b"first line\n")
        file.seek(8 * 1024**3)  # a hole costs no space
        file.write(b"last line\n")
    small = {"file_bytes": 64 * 1024}
    with pytest.raises(ProjectError, match="binary"):
        read_lines(project, budget(**small), "huge.log")
    (project.root / "huge.txt").write_text("x" * 60 + "\n" + "line\n" * 100_000)
    read = read_lines(project, budget(**small), "huge.txt", 1, 3)
    assert "or more (there was too much to look at all of it)" in read
    assert len(read_lines(project, budget(), "huge.txt", 1, 100_000).encode()) <= 17 * 1024


def test_of_an_endless_line_a_part_is_shown(project: Project) -> None:
    (project.root / "min.js").write_text("TODO" + "x" * 1_500_000)
    found = search_text(project, budget(), "TODO", files="*.js")
    assert len(found) < 1000
    assert len(read_lines(project, budget(), "min.js")) < 1000


def test_what_is_read_of_all_files_together_is_bounded(project: Project) -> None:
    for number in range(20):
        (project.root / f"{number}.txt").write_text("text\n" * 2000)
    spending = budget(total_bytes=50_000)
    found = search_text(project, spending, "nowhere")
    assert found == "0 lines (there was too much to look at all of it)"
    assert spending.spent


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("crowded")
    for number in range(100_000):
        (root / f"file{number:06}.txt").touch()
    return root


def test_a_directory_of_a_hundred_thousand_files_is_bounded_in_entries_and_bytes(
    crowded: Path,
) -> None:
    limits = Limits(entries=20_000, call_s=3600)
    for result in (
        list_directory(Project(crowded), Budget(limits)),
        find_files(Project(crowded), Budget(limits), "*.txt"),
    ):
        assert len(result.encode()) <= limits.result_bytes + 100
        assert "more than fits here" in result or "too much" in result
    assert find_files(Project(crowded), Budget(limits), "*.rs").startswith("0 files (there was")
    spending = Budget(limits)
    search_text(Project(crowded), spending, "word")
    assert spending.entries == -1


def test_a_directory_of_a_hundred_thousand_files_is_bounded_in_time(
    crowded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 0.001
        return now[0]

    monkeypatch.setattr("agents.code.limits.time.monotonic", clock)
    spending = Budget(Limits(call_s=1.0, entries=10**9))
    search_text(Project(crowded), spending, "word")
    assert 10**9 - spending.entries <= 1001


def test_a_call_that_nobody_waits_for_stops(project: Project) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(SpentError):
        read_lines(project, Budget(Limits(), cancelled), "notes.md")


def test_directories_inside_of_directories_have_an_end(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*("d" for _ in range(40)))
    deep.mkdir(parents=True)
    (deep / "file.txt").write_text("deep\n")
    assert find_files(Project(tmp_path), budget(), "file.txt") == "0 files"


@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*a*a*a*a*b", "**/" * 15 + "x", "[" * 100])
def test_no_pattern_takes_for_ever(tmp_path: Path, pattern: str) -> None:
    (tmp_path / ("a" * 200)).write_text("a" * 100_000)
    assert find_files(Project(tmp_path), budget(), pattern).startswith("0 files")
    assert search_text(Project(tmp_path), budget(), "(a+)+$").startswith("0 lines")


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("delete", {}, "error: there is no such tool; there are list, glob, grep, read"),
        ("read", {}, "error: the argument 'path' is missing"),
        ("read", None, "error: the argument 'path' is missing"),
        ("read", {"path": 7}, "error: the argument 'path' is not of type string"),
        ("read", {"path": "notes.md", "first": True}, "error: the argument 'first' is not of"),
        ("read", {"path": "../x"}, "error: only paths inside the project can be read"),
        ("glob", {"pattern": ""}, "error: the pattern is empty or too long"),
        ("glob", {"pattern": "**/" * 60}, "error: the pattern has too many parts"),
        ("grep", {"text": "x" * 1000}, "error: the text is empty or too long"),
        ("read", {"path": "notes.md", "other": object()}, "notes.md, lines 1 to 1 of 1"),
        ("list", {"path": "none"}, "error: there is no such file or directory"),
    ],
)
async def test_whatever_a_model_asks_for_is_answered(
    project: Project, name: str, arguments: object, answer: str
) -> None:
    assert (await Toolbox(project).call(name, arguments)).startswith(answer)


async def test_a_tool_that_may_read_nothing_says_so(project: Project) -> None:
    tools = Toolbox(project, Limits(total_bytes=0))
    assert await tools.call("read", {"path": "notes.md"}) == f"error: {TOO_MUCH}"


async def test_a_tool_that_fails_says_no_more_than_that(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("swordfish")

    monkeypatch.setattr(Project, "entries", fail)
    assert await Toolbox(project).call("list", {}) == f"error: {WRONG}"


async def test_tools_leave_the_loops_own_threads_alone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def whose(project: Project, budget: Budget) -> str:
        return threading.current_thread().name

    monkeypatch.setattr(tools, "TOOLS", (tools.ReadingTool("whose", "", {}, (), whose),))
    assert (await Toolbox(project).call("whose", {})).startswith("code-reader")
