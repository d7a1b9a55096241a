"""Starting a benchmark's child processes and asking them; see `app.bench.control`."""

import asyncio
import contextlib
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any

from app.bench.report import Peer
from app.errors import AppError

# Pipecat and its services take a few seconds to import, more on a machine that is busy.
START_TIMEOUT_S = 60.0

# Longer than any single step of a benchmark takes, the ten seconds of a stock flush included.
ANSWER_TIMEOUT_S = 300.0

# A child that has heard the end of its input has nothing left to save.
STOP_TIMEOUT_S = 2.0

# How much of a child's log is shown when it dies.
_LOG_LINES = 20


class Child:
    """One child process.

    Attributes:
        hello: What it said when it was ready.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Hold a process; see `running`."""
        self.hello: dict[str, Any] = {}
        self._process = process
        self._asking = asyncio.Lock()
        self._log: deque[str] = deque(maxlen=_LOG_LINES)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """Ask the child to do something and wait for its answer.

        Args:
            do: The question.
            **what: Its arguments.

        Raises:
            AppError: If the child is gone, does not answer, or could not do it.
        """
        assert self._process.stdin is not None
        async with self._asking:
            self._process.stdin.write(json.dumps({"do": do, **what}).encode() + b"\n")
            return await self.hear(ANSWER_TIMEOUT_S)

    async def hear(self, timeout_s: float) -> dict[str, Any]:
        """Wait for the child's next object.

        Raises:
            AppError: If the child is gone, is silent, or tells of an error.
        """
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise AppError(f"a child process was silent for {timeout_s:g} s") from None
        if not line:
            raise AppError("\n".join(["a child process died; its last words:", *self._log]))
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise AppError(f"a child process failed: {answer['error']}")
        return answer

    async def keep_log(self) -> None:
        """Read the child's standard error until it ends."""
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._log.append(line.decode(errors="replace").rstrip())


@contextlib.asynccontextmanager
async def running(module: str, *arguments: str) -> AsyncIterator[Child]:
    """Run `python -m module` while the block runs.

    Args:
        module: A module that answers over `Control`.
        *arguments: Its arguments.

    Yields:
        The child, ready.

    Raises:
        AppError: If it does not start.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdin=pipe, stdout=pipe, stderr=pipe
    )
    child = Child(process)
    log = asyncio.create_task(child.keep_log())
    try:
        child.hello = await child.hear(START_TIMEOUT_S)
        yield child
    finally:
        await asyncio.shield(_stop(process))
        log.cancel()


@contextlib.asynccontextmanager
async def servers(peers: Iterable[Peer], scene: str) -> AsyncIterator[dict[Peer, Child]]:
    """Run a server of each peer while the block runs.

    Args:
        peers: The peers.
        scene: What a session holds; see `app.bench.names.Scene`.

    Yields:
        The servers, which listen at the `url` of their hello.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def start(peer: Peer) -> tuple[Peer, Child]:
            child = running("app.bench.server", peer, scene)
            return peer, await stack.enter_async_context(child)

        yield dict(await asyncio.gather(*map(start, peers)))


@contextlib.asynccontextmanager
async def server_and_load(peer: Peer, scene: str) -> AsyncIterator[tuple[Child, Child]]:
    """Run a server of a peer, and callers for it, while the block runs.

    Args:
        peer: The peer.
        scene: What a session holds; see `app.bench.names.Scene`.

    Yields:
        The server and the callers, none of which has called yet.
    """
    async with contextlib.AsyncExitStack() as stack:
        starting = (
            stack.enter_async_context(running("app.bench.server", peer, scene)),
            stack.enter_async_context(running("app.bench.load", peer)),
        )
        server, load = await asyncio.gather(*starting)
        await load.ask("dial", url=server.hello["url"])
        yield server, load


async def _stop(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
