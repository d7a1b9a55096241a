"""`trunkline new`: a small project with an assistant, a job worker and a test to start from."""

import importlib.util
import keyword
import re
import shlex
import shutil
import sys
from importlib import resources
from pathlib import Path
from string import Template

from agents import discover
from app.errors import AppError

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")

# What each template becomes; `$module` and `$name` as inside of them.
_FILES = {
    "module.py.tmpl": "$module.py",
    "test_module.py.tmpl": "test_$module.py",
    "README.md.tmpl": "README.md",
    "pyproject.toml.tmpl": "pyproject.toml",
    "gitignore.tmpl": ".gitignore",
    "env.tmpl": ".env",
}

# The same as `.env`, to be kept with the project where `.env` is not.
_EXAMPLE = ".env.example"


def create_project(name: str, parent: Path) -> Path:
    """Write a new project.

    Args:
        name: The assistant's name, and the directory's.
        parent: Where the directory is to be.

    Returns:
        The directory.

    Raises:
        AppError: If the name cannot be used, or the directory is there already.
    """
    _check_name(name)
    directory = parent / name
    if directory.exists():
        raise AppError(f"{name} is there already")
    module = _module_of(name)
    words = {"name": name, "module": module, "title": name.replace("-", " ").capitalize()}
    try:
        directory.mkdir()
        for template, target in _FILES.items():
            path = directory / Template(target).substitute(words)
            path.write_text(_filled(template, words))
        (directory / _EXAMPLE).write_text(_filled("env.tmpl", words))
    except OSError as error:
        raise AppError(f"{name} cannot be written: {error.strerror}") from None
    return directory


def shown_program(name: str) -> str:
    """Return how a person starts a program that is installed beside this one.

    Args:
        name: The program, for example `pytest`.

    Returns:
        Its name where the shell finds it or it is not installed, else its path.
    """
    beside = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    if not beside.exists() or (found is not None and Path(found) == beside):
        return name
    return shlex.quote(str(beside))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise AppError(
            f"an assistant cannot be called {name!r}: a name has 1 to 63 of a-z, 0-9 and '-', and "
            "starts with a letter"
        )


def _module_of(name: str) -> str:
    module = name.replace("-", "_")
    if name in discover():
        raise AppError(f"there is an assistant {name!r} already; choose another name")
    if keyword.iskeyword(module) or importlib.util.find_spec(module) is not None:
        raise AppError(f"Python has a module {module!r} already; choose another name")
    return module


def _filled(template: str, words: dict[str, str]) -> str:
    text = (resources.files("app.cli") / "new_project" / template).read_text()
    return Template(text).substitute(words)
