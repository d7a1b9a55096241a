"""`trunkline new`: what it writes works as it is."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from app.cli.new import create_project
from app.errors import AppError
from tests.app.cli.programs import ended, environment, run

ROOT = Path(__file__).parents[3]


async def program(*arguments: str, cwd: Path, home: Path) -> tuple[int, str]:
    """Run a program of our environment to its end."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        cwd=cwd,
        env=environment(home),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with ended(process), asyncio.timeout(110):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_a_new_projects_own_test_passes_as_written(tmp_path: Path) -> None:
    finished = await run("new", "corner-shop", home=tmp_path)
    assert finished.code == 0, finished.err
    assert "cd corner-shop" in finished.out
    project = tmp_path / "corner-shop"
    assert sorted(path.name for path in project.iterdir()) == [
        ".env",
        ".env.example",
        ".gitignore",
        "README.md",
        "corner_shop.py",
        "pyproject.toml",
        "test_corner_shop.py",
    ]
    code, out = await program(sys.executable, "-m", "pytest", cwd=project, home=tmp_path)
    assert code == 0, out
    assert "3 passed" in out
    ruff = str(Path(sys.executable).with_name("ruff"))
    config = ("--config", str(ROOT / "pyproject.toml"))
    code, out = await program(ruff, "check", *config, ".", cwd=project, home=tmp_path)
    assert code == 0, out
    code, out = await program(ruff, "format", "--check", *config, ".", cwd=project, home=tmp_path)
    assert code == 0, out


@pytest.mark.parametrize("active", [True, False])
async def test_what_it_says_to_try_is_found_whether_or_not_the_environment_is_active(
    tmp_path: Path, active: bool
) -> None:
    here = str(Path(sys.executable).parent)
    others = [path for path in os.environ["PATH"].split(os.pathsep) if path != here]
    path = os.pathsep.join([here, *others] if active else others)
    finished = await run("new", "corner-shop", home=tmp_path, further={"PATH": path})
    assert finished.code == 0, finished.err
    before = "" if active else f"{here}/"
    lines = finished.out.splitlines()
    assert f"    {before}pytest" in lines
    assert f"    {before}trunkline console --assistant corner-shop" in lines


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Shop", "a name has"),
        ("1shop", "a name has"),
        ("../shop", "a name has"),
        ("", "a name has"),
        (".", "a name has"),
        ("acme", "there is an assistant 'acme' already"),
        ("json", "Python has a module 'json' already"),
        ("class", "Python has a module 'class' already"),
        ("there", "there is there already"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_and_nothing_written(
    tmp_path: Path, name: str, problem: str
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(AppError, match=problem):
        create_project(name, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AppError, match="shop cannot be written: No such file or directory"):
        create_project("shop", tmp_path / "none")
