"""The image, as far as it can be checked without an engine: its Dockerfile, and its steps."""

import asyncio
import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.app.cli.programs import ended, environment, read_until

ROOT = Path(__file__).parent.parent
DOCKERFILE = ROOT / "Dockerfile"

# What makes the result; the test takes the same steps.
RUN = 'RUN scripts/web && scripts/install-into /opt/trunkline "$EXTRAS"'


def test_the_dockerfile_has_no_lint() -> None:
    linted = subprocess.run(
        [ROOT / ".venv/bin/hadolint", DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout


def test_what_the_image_is_built_from_reaches_the_engine() -> None:
    allowed = {line[1:] for line in _lines(ROOT / ".dockerignore") if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    assert {name for names in copied for name in names.split()} == allowed
    for name in allowed:
        assert (ROOT / name).exists(), name


def test_the_image_does_not_run_as_root_and_stops_on_sigterm() -> None:
    lines = _lines(DOCKERFILE)
    assert "USER 10001" in lines
    assert "STOPSIGNAL SIGTERM" in lines
    assert lines.index("USER 10001") < lines.index('CMD ["trunkline", "serve"]')


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.mark.timeout(300)
async def test_its_steps_make_a_server_that_is_healthy(tmp_path: Path) -> None:
    context, target, home = tmp_path / "src", tmp_path / "opt", tmp_path / "home"
    home.mkdir()
    for line in _lines(ROOT / ".dockerignore"):
        if line.startswith("!"):
            _copy(ROOT / line[1:], context / line[1:])
    assert RUN in _lines(DOCKERFILE)
    for step in (["scripts/web"], ["scripts/install-into", target, "openai"]):
        built = await asyncio.create_subprocess_exec(*step, cwd=context)
        async with asyncio.timeout(280):
            assert await built.wait() == 0
    assert list(target.glob("lib/*/site-packages/app/page/static/index.html")), "no page"
    assert not list(target.glob("lib/*/site-packages/pocketsphinx")), "no audio was asked for"

    server = await asyncio.create_subprocess_exec(
        target / "bin/trunkline",
        "serve",
        "--port",
        "0",
        cwd=home,
        env=environment(home),
        stderr=asyncio.subprocess.PIPE,
    )
    assert server.stderr is not None
    async with ended(server):
        line = await read_until(server.stderr, "listens on")
        port = line.split("/ws")[0].rsplit(":", 1)[1]
        (command,) = re.findall(r"^ +CMD (\[.*\])$", DOCKERFILE.read_text(), re.MULTILINE)
        _, *arguments = json.loads(command)
        healthy = await asyncio.create_subprocess_exec(
            target / "bin/python", *arguments, env={**os.environ, "TRUNKLINE_PORT": port}
        )
        async with asyncio.timeout(20):
            assert await healthy.wait() == 0
        server.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await server.wait() == 0


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=_kept_out)
    else:
        shutil.copy2(source, target)


def _kept_out(folder: str, names: list[str]) -> set[str]:
    """Tell what the engine does not get of a folder."""
    lines = _lines(ROOT / ".dockerignore")
    patterns = [line for line in lines if line[:1] not in {"#", "!"} and line != "*"]
    return {
        name
        for name in names
        for pattern in patterns
        if fnmatch.fnmatch(str((Path(folder) / name).relative_to(ROOT)), pattern)
    }
