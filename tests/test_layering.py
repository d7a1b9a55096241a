"""Imports go one way: app, then agents, then proxy."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "proxy": {"proxy"},
    "agents": {"agents", "proxy"},
    "app": {"app", "agents", "proxy"},
}

# Modules of proxy that decide without input and output: no event loop, no web framework.
CORE = (
    "proxy/backoff.py",
    "proxy/carrier.py",
    "proxy/close_codes.py",
    "proxy/codec",
    "proxy/crossing.py",
    "proxy/dialect.py",
    "proxy/filter.py",
    "proxy/flush.py",
    "proxy/handshake.py",
    "proxy/jobs.py",
    "proxy/outbox.py",
    "proxy/outflow.py",
    "proxy/protocol.py",
    "proxy/pulse.py",
    "proxy/redact.py",
    "proxy/resume.py",
    "proxy/sequence.py",
    "proxy/stock_line.py",
    "proxy/tap.py",
    "proxy/wire.py",
)
NOT_IN_CORE = {"asyncio", "fastapi", "starlette", "uvicorn", "websockets", "anyio"}


def imported_by(path: Path) -> set[str]:
    """Top-level packages that a module imports when it runs, with their submodules' names."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    for block in ast.walk(tree):
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test):
            block.body = [ast.Pass()]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module)
    return found


def modules_in(folder: str) -> list[Path]:
    path = ROOT / folder
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_is_below_it(package: str) -> None:
    for path in modules_in(package):
        ours = {name.split(".")[0] for name in imported_by(path)} & MAY_IMPORT.keys()
        assert ours <= MAY_IMPORT[package], path


@pytest.mark.parametrize("part", CORE)
def test_the_core_of_proxy_knows_neither_loop_nor_web(part: str) -> None:
    for path in modules_in(part):
        tops = {name.split(".")[0] for name in imported_by(path)}
        assert not tops & NOT_IN_CORE, path


def test_agents_use_only_the_public_names_of_proxy() -> None:
    for path in modules_in("agents"):
        inner = {name for name in imported_by(path) if name.startswith("proxy.")}
        assert not inner, path


def test_no_file_is_longer_than_the_style_allows() -> None:
    for package in [*MAY_IMPORT, "tests"]:
        for path in modules_in(package):
            assert len(path.read_text().splitlines()) <= 400, path


def test_tests_mirror_the_source() -> None:
    for package in MAY_IMPORT:
        assert (ROOT / "tests" / package).is_dir()
