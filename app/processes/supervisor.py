"""The parent of several processes: it starts, replaces and ends them, and hands out connections.

| what happens | what it does |
|---|---|
| a process ends that was not told to | starts another, after a pause that grows if that fails |
| a process is silent for `SILENT_TIMEOUT_S` | kills it; another takes its place |
| a process has had as many sessions as it may | starts a fresh one, and then drains the old one |
| SIGHUP | the same with every process, one after the other |
| SIGTERM, SIGINT, or an administrator's drain | drains all of them, and ends with 0 |
| the second of these signals | has them end at once |
"""

import asyncio
import contextlib
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from loguru import logger

from app.errors import AppError
from app.processes.acceptor import Acceptor
from app.processes.child import Child, Phase
from app.processes.condition import Conditions
from app.processes.ledger import Ledger, LedgerError
from app.processes.listening import address_of, listen
from app.processes.places import MAX_PLACES, check, passing_path, socket_path
from app.settings import Settings
from app.stopping import HURRY_TIMEOUT_S, LEAVE_TIMEOUT_S

# Starting takes seconds. One that has not come so far by then never will.
START_TIMEOUT_S = 120.0

# How often the parent looks how the processes are.
LOOK_EVERY_S = 0.25

# Every caller of a process that stands still for so long has given it up.
SILENT_TIMEOUT_S = 60.0

# Between attempts to replace a process; it doubles as long as they fail.
MIN_PAUSE_S = 0.2
MAX_PAUSE_S = 10.0

# A process that has lived for so long did not fail for want of something that it needs.
LONG_LIFE_S = 30.0

# What a process may take beyond its own bound, in which it ends by itself.
KILL_AFTER_S = 1.0


class Supervisor:
    """Keeps as many processes as there are to be."""

    def __init__(self, settings: Settings, listener: socket.socket, directory: Path) -> None:
        """Prepare; `run` starts them.

        Args:
            settings: The settings.
            listener: The port, which was bound.
            directory: For the ledger and for sockets; readable by this user alone.

        Raises:
            LedgerError: If nothing can be written there.
        """
        self._settings = settings
        self._directory = directory
        self._ledger = Ledger.make(directory)
        self._conditions = Conditions(self._ledger, settings.stall_timeout_s)
        self._children: dict[int, Child] = {}
        self._minding: set[asyncio.Task[None]] = set()
        self._acceptor = Acceptor(listener, self._children.values)
        self._starting = asyncio.Lock()
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._renewing: asyncio.Task[bool] | None = None
        self._renew_wanted = False
        self._pause_s = 0.0
        self._environment = {
            "TRUNKLINE_HOST": settings.listen_host,
            "TRUNKLINE_PORT": str(listener.getsockname()[1]),
            "TRUNKLINE_PROCESSES": str(settings.processes),
        }

    async def run(self, on_listening: Callable[[], None]) -> None:
        """Serve until told to stop.

        Args:
            on_listening: Called once callers are taken.

        Raises:
            AppError: If the processes cannot be started at first.
        """
        working: list[asyncio.Task[None]] = []
        try:
            with self._signals():
                await self._begin()
                if not self._stopping.is_set():
                    self._acceptor.start()
                    on_listening()
                    working = [
                        asyncio.create_task(self._look(), name="look"),
                        asyncio.create_task(self._keep(), name="keep"),
                    ]
                stopping = asyncio.create_task(self._stopping.wait())
                await asyncio.wait({stopping, *working}, return_when=asyncio.FIRST_COMPLETED)
                failed = [task for task in working if task.done()]
                for task in (stopping, *working):
                    task.cancel()
                await self._drain()
                for task in failed:
                    task.result()  # a defect; without it nobody would be replaced any more
        finally:
            await self._end(working)

    def stop(self) -> None:
        """Drain every process, and end; may be called again."""
        if self._stopping.is_set():
            return
        with contextlib.suppress(LedgerError):
            self._ledger.drain()
        self._stopping.set()

    def renew(self) -> None:
        """Replace every process by a fresh one, one after the other, as soon as can be."""
        self._renew_wanted = True

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        signalled = False

        def on_stop() -> None:
            nonlocal signalled
            if signalled:
                self._hurrying.set()
            signalled = True
            self.stop()

        handlers = {signal.SIGTERM: on_stop, signal.SIGINT: on_stop, signal.SIGHUP: self.renew}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    async def _begin(self) -> None:
        try:
            first = [await self._start() for _ in range(self._settings.processes)]
        except OSError as error:
            raise AppError(f"no process can be started: {error.strerror}") from None
        settled = [asyncio.create_task(self._settled(child)) for child in first]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            waiting = {*settled}
            while waiting and not stopping.done():
                done, _ = await asyncio.wait(
                    {*waiting, stopping}, return_when=asyncio.FIRST_COMPLETED
                )
                waiting -= done
                if any(not task.result() for task in done if task is not stopping):
                    break
            failed = any(task.done() and not task.result() for task in settled)
        finally:
            for task in (*settled, stopping):
                task.cancel()
        if failed and not self._stopping.is_set():
            raise AppError("a process of the server did not start; its message is above")

    async def _start(self) -> Child:
        async with self._starting:
            place = next(n for n in range(MAX_PLACES) if n not in self._children)
            child = await Child.start(place, self._directory, self._environment)
            child.on_news(self._on_news, self.stop)
            self._children[place] = child
            logger.info(f"Process {place} starts, with the id {child.pid}")
        minding = asyncio.create_task(self._mind(child), name=f"mind-{place}")
        self._minding.add(minding)
        minding.add_done_callback(self._minding.discard)
        return child

    async def _settled(self, child: Child) -> bool:
        """Wait until a process takes callers, or has failed to; tells which."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                return await child.settled()
        except TimeoutError:
            logger.error(f"Process {child.place} did not start in {START_TIMEOUT_S:g} s")
            child.kill()
            return False

    async def _mind(self, child: Child) -> None:
        """Clear up behind a process."""
        code = await child.gone()
        expected = self._stopping.is_set() or child.told or code == 0
        self._ledger.forget(child.place)
        for path in (socket_path, passing_path):
            path(self._directory, child.place).unlink(missing_ok=True)
        del self._children[child.place]
        if not expected:
            logger.error(f"Process {child.place} ended {_how(code)}")
            long = child.lived_s >= LONG_LIFE_S
            self._wait_longer(long_life=long)
        self._on_news()

    def _wait_longer(self, *, long_life: bool = False) -> None:
        """Make the pause before the next process longer, or short again."""
        doubled = MIN_PAUSE_S if long_life else max(MIN_PAUSE_S, 2 * self._pause_s)
        self._pause_s = min(MAX_PAUSE_S, doubled)

    def _on_news(self) -> None:
        self._changed.set()
        self._acceptor.resume()

    async def _keep(self) -> None:
        """Start processes as long as there are too few."""
        while True:
            self._changed.clear()
            if len(self._current()) < self._settings.processes:
                await asyncio.sleep(self._pause_s)
                try:
                    child = await self._start()
                except OSError as error:
                    logger.error(f"No process can be started: {error.strerror}")
                    self._wait_longer()
                    continue
                if await self._settled(child):
                    logger.info(f"Process {child.place} takes callers")
                    self._pause_s = 0.0
                continue
            await self._changed.wait()

    def _current(self) -> list[Child]:
        """List the processes that take callers, or are about to."""
        return [child for child in self._children.values() if child.phase is not Phase.GOING]

    async def _look(self) -> None:
        """See how the processes are, and end or replace those that are worn out."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                conditions = self._conditions.of_all()
            except LedgerError as error:
                logger.warning(f"How the processes are cannot be told: {error}")
                continue
            for child in list(self._children.values()):
                condition = conditions.get(child.place)
                if condition is None or child.phase is not Phase.READY:
                    continue
                child.measured(condition)
                if condition.silent_s >= SILENT_TIMEOUT_S:
                    logger.error(f"Process {child.place} stands still and is killed")
                    child.kill()
                if 0 < self._settings.recycle_sessions <= condition.work.started:
                    self._begin_replacing(self._replace(child))
            if self._renew_wanted and self._begin_replacing(self._renew()):
                self._renew_wanted = False

    def _begin_replacing(self, replacing: Coroutine[Any, Any, bool]) -> bool:
        """Replace processes, unless some are being replaced; tells whether it does so."""
        if self._renewing is not None and not self._renewing.done():
            replacing.close()
            return False
        self._renewing = asyncio.create_task(replacing, name="replace")
        return True

    async def _renew(self) -> bool:
        """Replace every process; tells whether that was possible."""
        logger.info("Every process is replaced, one after the other")
        replaced = 0
        for child in self._current():
            # One that is about to take callers may have read the settings as they were.
            await self._settled(child)
            if child.phase is Phase.READY:
                if not await self._replace(child):
                    return False
                replaced += 1
        if not replaced:
            logger.error("No process was replaced, as none takes callers; see the lines above")
            return False
        # One that has ended meanwhile has another in its place, as fresh as the others.
        logger.info("Every process was replaced")
        return True

    async def _replace(self, old: Child) -> bool:
        """Start a process, and drain another when the new one takes callers."""
        try:
            fresh = await self._start()
            ready = await self._settled(fresh)
        except OSError as error:
            logger.error(f"No process can be started: {error.strerror}")
            ready = False
        if not ready:
            logger.error(f"Process {old.place} stays: the one that was to replace it did not start")
            self._wait_longer()
            await asyncio.sleep(self._pause_s)
            return False
        logger.info(f"Process {fresh.place} takes callers in place of {old.place}")
        if not self._stopping.is_set():
            old.drain()
            await self._all_gone([old], self._drain_bound_s)
        return True

    @property
    def _drain_bound_s(self) -> float:
        return self._settings.drain_timeout_s + LEAVE_TIMEOUT_S + KILL_AFTER_S

    async def _drain(self) -> None:
        """Drain every process; new callers are told so as long as one of them is there."""
        logger.info(f"Draining {len(self._children)} processes")
        for child in list(self._children.values()):
            child.drain()
        everybody = asyncio.create_task(
            self._all_gone(list(self._children.values()), self._drain_bound_s)
        )
        hurried = asyncio.create_task(self._hurrying.wait())
        try:
            await asyncio.wait({everybody, hurried}, return_when=asyncio.FIRST_COMPLETED)
            if not everybody.done():
                for child in list(self._children.values()):
                    child.hurry()
                await asyncio.wait({everybody}, timeout=HURRY_TIMEOUT_S + KILL_AFTER_S)
        finally:
            hurried.cancel()
            everybody.cancel()

    async def _all_gone(self, children: list[Child], timeout_s: float) -> None:
        """Wait until processes have ended that were told to, and kill those that do not."""
        gone = [asyncio.create_task(child.gone()) for child in children]
        if not gone:
            return
        try:
            await asyncio.wait(gone, timeout=timeout_s)
        finally:
            for child, task in zip(children, gone, strict=True):
                if not task.done():
                    logger.warning(f"Process {child.place} did not end in time and is killed")
                    child.kill()
                    task.cancel()

    async def _end(self, working: list[asyncio.Task[None]]) -> None:
        """Leave nothing behind: no process, no task, no file."""
        self._acceptor.stop()
        self._stopping.set()
        tasks = [*working, *([self._renewing] if self._renewing is not None else [])]
        for task in tasks:
            task.cancel()
        for child in list(self._children.values()):
            child.kill()
        waiting = {*tasks, *self._minding}
        if waiting:
            await asyncio.wait(waiting, timeout=KILL_AFTER_S)
        self._ledger.close()


def _how(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"with {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"


async def supervise(settings: Settings, *, on_listening: Callable[[str], None]) -> None:
    """Serve with several processes until told to stop by SIGINT, SIGTERM or an administrator.

    Args:
        settings: The settings.
        on_listening: Called with the address of the server once it takes callers.

    Raises:
        AppError: If the port cannot be had, or the processes do not start.
    """
    listener = listen(settings)
    try:
        directory = Path(tempfile.mkdtemp(prefix="trunkline-"))
    except OSError as error:
        listener.close()
        raise AppError(f"the processes need a directory ({error.strerror}): set TMPDIR") from None
    try:
        check(directory)
        try:
            supervisor = Supervisor(settings, listener, directory)
        except LedgerError as error:
            raise AppError(f"{directory} cannot be used: {error}") from None
        await supervisor.run(lambda: on_listening(address_of(listener, settings)))
    finally:
        listener.close()
        shutil.rmtree(directory, ignore_errors=True)
