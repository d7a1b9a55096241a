"""What is installed is named by the lock files, and where it comes from is not."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PYTHON = ("requirements.lock", "scripts/node.txt", "scripts/pgmq-sql.txt")
NPM = ROOT / "web/package-lock.json"


def packages() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(NPM.read_text())["packages"]
    return {name: package for name, package in found.items() if name}


@pytest.mark.parametrize("name", PYTHON)
def test_no_lock_file_of_python_names_a_host(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()


def test_the_lock_file_of_the_page_names_no_registry() -> None:
    assert [name for name, package in packages().items() if "resolved" in package] == []


def test_every_package_of_the_page_is_locked_by_its_hash() -> None:
    assert len(packages()) > 100
    bundled = {name for name, package in packages().items() if package.get("inBundle")}
    without = {name for name, package in packages().items() if "integrity" not in package}
    assert without <= bundled


def test_every_lock_file_is_one_that_is_looked_at_here() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.lock", "*-lock.json", "scripts/*.txt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(listed.stdout.split()) == {*PYTHON, str(NPM.relative_to(ROOT))}
