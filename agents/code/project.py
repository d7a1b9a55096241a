"""A directory, and nothing outside of it.

A path is resolved first, and refused if it leads out. It is then opened part by part from the
directory's own descriptor, and no part may be a symbolic link: whoever puts one there in between
gets a refusal, not a file.

Source: openat(2), and Python's `os.open(dir_fd=...)`.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agents.code.limits import Budget, SpentError

# Longer than any path that a person says.
MAX_PATH_LENGTH = 1024

# What is generated or brought in, and not the project's own.
_NOT_OURS = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})

# What holds secrets by custom. Hidden names are kept out as a whole: .env, .git, .ssh, .netrc.
_SECRET_ENDINGS = (".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx")
_SECRET_NAMES = frozenset({"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "credentials.json"})

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO or a device would be waited for without O_NONBLOCK.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class ProjectError(Exception):
    """A path is refused, or there is nothing to read; the text is for the model, and fixed."""


@dataclass(frozen=True)
class Entry:
    """Something in a directory.

    Attributes:
        path: Its path inside the project.
        is_directory: Whether it is one.
        size_bytes: Its size.
    """

    path: str
    is_directory: bool
    size_bytes: int


class Project:
    """Reads what is in one directory."""

    def __init__(self, root: Path) -> None:
        """Bind a directory.

        Args:
            root: The directory.

        Raises:
            ProjectError: If it is none.
        """
        self.root = Path(os.path.realpath(root))
        if not self.root.is_dir():
            raise ProjectError("the project's path is not a directory")

    @contextlib.contextmanager
    def file(self, path: str) -> Iterator[int]:
        """Open a regular file for reading.

        Args:
            path: Its path inside the project.

        Yields:
            Its descriptor.

        Raises:
            ProjectError: If the path leads out, or to anything but a regular file.
        """
        *parents, name = self._parts(path) or ("",)
        if not name:
            raise ProjectError("this is a directory, not a file")
        with self._directory(parents) as directory, self._regular(name, directory) as file:
            yield file

    @contextlib.contextmanager
    def _regular(self, name: str, directory: int) -> Iterator[int]:
        with _refusals():
            # A device may act on being opened; a look first, and a second one at what was opened.
            _check_regular(os.stat(name, dir_fd=directory, follow_symlinks=False))
            file = os.open(name, _FILE, dir_fd=directory)
        try:
            _check_regular(os.fstat(file))
            yield file
        finally:
            os.close(file)

    def entries(self, path: str, budget: Budget) -> list[Entry]:
        """List a directory, without what is hidden or not the project's own.

        Args:
            path: Its path inside the project; "." for the project.
            budget: What the call may use.

        Returns:
            What is there; a part of it if the budget says that it was spent.

        Raises:
            ProjectError: If the path leads out, or to no directory.
        """
        parts = self._parts(path)
        found = []
        with (
            self._directory(parts) as directory,
            _refusals(),
            os.scandir(directory) as scan,
            contextlib.suppress(SpentError),
        ):
            for entry in scan:
                budget.spend(entries=1)
                if not _is_shown(entry.name) or entry.is_symlink():
                    continue
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
                        is_directory = stat.S_ISDIR(status.st_mode)
                        where = "/".join((*parts, entry.name))
                        found.append(Entry(where, is_directory, status.st_size))
        return sorted(found, key=lambda entry: entry.path)

    def walk(self, path: str, budget: Budget) -> Iterator[Entry]:
        """Go through the files below a directory, those nearest to it first.

        Args:
            path: Its path inside the project.
            budget: What the call may use.

        Yields:
            The files.

        Raises:
            ProjectError: If the path leads out, or to no directory.
            SpentError: If there is too much.
        """
        level = self.entries(path, budget)
        for _ in range(budget.limits.depth):
            yield from (entry for entry in level if not entry.is_directory)
            below = []
            for directory in (entry for entry in level if entry.is_directory):
                with contextlib.suppress(ProjectError):
                    below += self.entries(directory.path, budget)
            if budget.spent:
                raise SpentError
            level = below

    def _parts(self, path: str) -> tuple[str, ...]:
        """Resolve a path.

        Returns:
            The names that lead to it from the project's directory, none of them a link a moment
            ago.

        Raises:
            ProjectError: If it leads out or is not shown.
        """
        if len(path) > MAX_PATH_LENGTH or not path.isprintable():
            raise ProjectError("this is not a path")
        given = PurePosixPath(path)
        if given.is_absolute() or ".." in given.parts or path.startswith("~"):
            raise ProjectError("only paths inside the project can be read")
        try:
            real = Path(os.path.realpath(self.root / given))
        except (OSError, ValueError):
            raise ProjectError("this is not a path") from None
        if not real.is_relative_to(self.root):
            raise ProjectError("only paths inside the project can be read")
        parts = real.relative_to(self.root).parts
        if not all(map(_is_shown, (*given.parts, *parts))):
            raise ProjectError("this file is hidden and not read to anybody")
        return parts

    @contextlib.contextmanager
    def _directory(self, parts: tuple[str, ...] | list[str]) -> Iterator[int]:
        """Open a directory part by part."""
        with _refusals():
            directory = os.open(self.root, _DIRECTORY)
        try:
            for part in parts:
                with _refusals():
                    below = os.open(part, _DIRECTORY, dir_fd=directory)
                os.close(directory)
                directory = below
            yield directory
        finally:
            os.close(directory)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Say in our words what the system refused."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise ProjectError("there is no such file or directory") from None
    except OSError:
        raise ProjectError("this cannot be read") from None


def _check_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ProjectError("this is a directory, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ProjectError("this is not a regular file")


def _is_shown(name: str) -> bool:
    lower = name.lower()
    hidden = name.startswith(".") or lower in _NOT_OURS
    return not (hidden or lower in _SECRET_NAMES or lower.endswith(_SECRET_ENDINGS))
