"""Running our programs as a user does: in processes of their own, with only their options."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.settings import Settings, variable_of

# Makes every attempt to leave this machine an error, in every Python process of a program.
OFFLINE = """
import socket

LOCAL = ("127.", "localhost", "::1", "0.0.0.0")

def _guard(name, address_of):
    plain = getattr(socket.socket, name)
    def guarded(self, *args):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address_of(args)[0])
            if not host.startswith(LOCAL):
                raise OSError(f"this program may not leave the machine, and asked for {host}")
        return plain(self, *args)
    setattr(socket.socket, name, guarded)

for name in ("connect", "connect_ex"):
    _guard(name, lambda args: args[0])

_look_up = socket.getaddrinfo
def _guarded_look_up(host, *args, **options):
    if host is not None and not str(host).startswith(LOCAL):
        raise OSError(f"this program may not leave the machine, and asked for {host}")
    return _look_up(host, *args, **options)
socket.getaddrinfo = _guarded_look_up
"""


@dataclass
class Finished:
    """How a program ended."""

    code: int
    out: str
    err: str


def environment(home: Path, further: Mapping[str, str] | None = None) -> dict[str, str]:
    """Build an environment without settings of ours, offline, with a home of its own."""
    (home / "sitecustomize.py").write_text(OFFLINE)
    ours = {variable_of(field) for field in Settings.model_fields}
    kept = {key: value for key, value in os.environ.items() if key not in ours}
    # A terminal of fixed width, so that tables and sentences break in the same places everywhere.
    fixed = {"HOME": str(home), "PYTHONPATH": str(home), "COLUMNS": "200", "NO_COLOR": "1"}
    return {**kept, **fixed, **(further or {})}


async def start(
    *arguments: str, home: Path, further: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    """Start `trunkline` with arguments, at the head of a process group as a shell does."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.cli",
        *arguments,
        env=environment(home, further),
        cwd=home,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def press_ctrl_c(process: asyncio.subprocess.Process) -> None:
    """Interrupt a program and everything in its process group, as a terminal does."""
    os.killpg(process.pid, signal.SIGINT)


def descendants(pid: int) -> set[int]:
    """Return the processes that a process started, and those that they started."""
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                child = int(path.parent.name)
                found |= {child, *descendants(child)}
    return found


async def run(
    *arguments: str,
    home: Path,
    further: Mapping[str, str] | None = None,
    typed: str = "",
    timeout_s: float = 100.0,
) -> Finished:
    """Run `trunkline` to its end."""
    process = await start(*arguments, home=home, further=further)
    async with ended(process):
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(typed.encode())
        return Finished(process.returncode or 0, out.decode(), err.decode())


@contextlib.asynccontextmanager
async def ended(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Let no program outlive its test."""
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def read_until(stream: asyncio.StreamReader, words: str, timeout_s: float = 60.0) -> str:
    """Read lines until one holds certain words, and return that line."""
    async with asyncio.timeout(timeout_s):
        while line := (await stream.readline()).decode():
            if words in line:
                return line
    raise AssertionError(f"the program ended without saying {words!r}")
