"""Nothing outside of the project's directory is read, whatever is tried."""

import os
import socket
import stat
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.code.limits import Budget, Limits
from agents.code.project import Project, ProjectError
from agents.code.reading import find_files, list_directory, read_lines, search_text

SECRET = "swordfish"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "inner.txt").write_text(SECRET)
    (tmp_path / "project-two").mkdir()
    (tmp_path / "project-two" / "file.txt").write_text(SECRET)
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (root / "src" / "main.py").write_text('"""Says hello."""\n\nprint("hello")\n')
    (root / "README.md").write_text("# A project\n")
    return root


def read(root: Path, path: str) -> str:
    return read_lines(Project(root), Budget(Limits()), path)


def refused(root: Path, path: str) -> str:
    with pytest.raises(ProjectError) as raised:
        read(root, path)
    assert SECRET not in str(raised.value)
    assert str(root) not in str(raised.value)
    return str(raised.value)


def test_a_file_of_the_project_is_read(root: Path) -> None:
    assert read(root, "src/main.py") == (
        'src/main.py, lines 1 to 3 of 3\n1: """Says hello."""\n2: \n3: print("hello")'
    )
    assert read(root, "./src/./main.py").endswith('print("hello")')


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "src/../../secret.txt",
        "src/../README.md",
        "..",
        "../project-two/file.txt",
        "/etc/passwd",
        "//etc/passwd",
        "~/.ssh/id_rsa",
        "~root/.profile",
    ],
)
def test_a_path_that_leads_out_is_refused(root: Path, path: str) -> None:
    assert refused(root, path) == "only paths inside the project can be read"


def test_the_whole_path_of_a_file_is_refused_even_inside(root: Path) -> None:
    refused(root, str(root / "README.md"))


@pytest.mark.parametrize("path", ["a\0b", "src/main.py\n", "x" * 2000, "\x1b[2J"])
def test_what_is_no_path_is_refused(root: Path, path: str) -> None:
    assert refused(root, path) == "this is not a path"


@pytest.mark.parametrize(
    "path", ["%2e%2e/secret.txt", "src/main.py/x", "src\\main.py", "\uff0e\uff0e/x"]
)
def test_other_spellings_of_a_way_out_name_nothing(root: Path, path: str) -> None:
    assert refused(root, path) == "there is no such file or directory"


@pytest.mark.parametrize("target", ["../secret.txt", "/etc/passwd", "../outside/inner.txt"])
def test_a_link_that_leads_out_is_refused(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    refused(root, "link")


def test_a_linked_directory_that_leads_out_is_refused_and_not_entered(root: Path) -> None:
    (root / "dir").symlink_to("../outside")
    refused(root, "dir/inner.txt")
    with pytest.raises(ProjectError):
        list_directory(Project(root), Budget(Limits()), "dir")
    assert "inner" not in find_files(Project(root), Budget(Limits()), "**/*")
    assert search_text(Project(root), Budget(Limits()), SECRET).startswith("0 lines")


def test_a_chain_and_a_loop_of_links_are_refused(root: Path) -> None:
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("../secret.txt")
    (root / "loop").symlink_to("loop")
    refused(root, "one")
    refused(root, "loop")
    (root / "src" / "up").symlink_to("..")
    assert find_files(Project(root), Budget(Limits()), "**/main.py") == "1 files\nsrc/main.py"


def test_a_link_that_stays_inside_is_followed(root: Path) -> None:
    (root / "entry.py").symlink_to("src/main.py")
    assert "Says hello" in read(root, "entry.py")


@pytest.mark.parametrize(
    "name",
    [".env", ".git/config", ".ssh/id_rsa", "src/.netrc", "tls.pem", "server.KEY", "id_ed25519"],
)
def test_what_holds_secrets_is_neither_read_nor_listed(root: Path, name: str) -> None:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(SECRET)
    (root / "alias.txt").symlink_to(name)
    assert refused(root, name) == "this file is hidden and not read to anybody"
    assert refused(root, "alias.txt") == "this file is hidden and not read to anybody"
    project = Project(root)
    assert search_text(project, Budget(Limits()), SECRET).startswith("0 lines")
    assert Path(name).name not in find_files(project, Budget(Limits()), "**/*")


class Swapping(Project):
    """Swaps something for a link after the path was resolved, as somebody else might."""

    def __init__(self, root: Path, victim: str, target: Path) -> None:
        super().__init__(root)
        self.victim = root / victim
        self.target = target

    def _parts(self, path: str) -> tuple[str, ...]:
        parts = super()._parts(path)
        self.victim.rename(self.victim.with_name("away"))
        self.victim.symlink_to(self.target)
        return parts


@pytest.mark.parametrize(
    ("victim", "target", "path"),
    [("README.md", "secret.txt", "README.md"), ("src", "outside", "src/inner.txt")],
)
def test_a_link_that_is_swapped_in_after_the_check_is_refused(
    root: Path, victim: str, target: str, path: str
) -> None:
    (root / "src" / "inner.txt").write_text("harmless")
    project = Swapping(root, victim, root.parent / target)
    with pytest.raises(ProjectError, match=r"not a regular file|no such file"):
        read_lines(project, Budget(Limits()), path)


def test_a_link_that_is_swapped_in_between_look_and_opening_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.open

    def swapped(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if path == "README.md":
            (root / "README.md").unlink()
            (root / "README.md").symlink_to("../secret.txt")
        return plain(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", swapped)
    assert refused(root, "README.md") == "this cannot be read"


def test_a_link_that_is_swapped_in_and_out_all_the_time_never_gives_the_secret(
    root: Path,
) -> None:
    victim, good, bad = root / "README.md", root / "good", root / "bad"
    enough = threading.Event()

    def swap() -> None:
        while not enough.is_set():
            good.write_text("# A project\n")
            good.replace(victim)
            bad.symlink_to("../secret.txt")
            bad.replace(victim)

    swapper = threading.Thread(target=swap)
    swapper.start()
    results = []
    try:
        for _ in range(2000):
            try:
                results.append(read(root, "README.md"))
            except ProjectError as error:
                results.append(str(error))
    finally:
        enough.set()
        swapper.join(10)
    assert not [result for result in results if SECRET in result]
    assert len(set(results)) > 1


def test_a_pipe_is_refused_and_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert refused(root, "pipe") == "this is not a regular file"
    assert search_text(Project(root), Budget(Limits()), "x").startswith("0 lines")


def test_a_pipe_that_takes_a_files_place_is_refused_and_not_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.open

    def swapped(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if path == "README.md":
            (root / "README.md").unlink()
            os.mkfifo(root / "README.md")
        return plain(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", swapped)
    assert refused(root, "README.md") == "this is not a regular file"


def test_a_socket_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        assert refused(root, "s") == "this is not a regular file"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_refused_and_not_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        os.mknod(root / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this system lets nobody make devices")
    opened: list[object] = []
    plain = os.open

    def watched(path: Any, *args: Any, **options: Any) -> int:
        opened.append(path)
        return plain(path, *args, **options)

    monkeypatch.setattr(os, "open", watched)
    assert refused(root, "zero") == "this is not a regular file"
    assert "zero" not in opened


def test_a_directory_is_no_file_and_a_file_no_directory(root: Path) -> None:
    assert refused(root, "src") == "this is a directory, not a file"
    assert refused(root, ".") == "this is a directory, not a file"
    with pytest.raises(ProjectError, match="no such"):
        list_directory(Project(root), Budget(Limits()), "README.md")


def test_a_project_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "none"):
        with pytest.raises(ProjectError, match="not a directory"):
            Project(path)


def test_no_descriptor_is_left_open(root: Path) -> None:
    (root / "link").symlink_to("../secret.txt")
    os.mkfifo(root / "pipe")

    def descriptors() -> Sequence[str]:
        return os.listdir("/proc/self/fd")

    before = len(descriptors())
    for _ in range(50):
        for path in ("link", "pipe", "src", "none", "src/none/x", "../x"):
            refused(root, path)
        read(root, "README.md")
        find_files(Project(root), Budget(Limits()), "**/*")
    assert len(descriptors()) == before
