"""The assistant's side as a caller sees it: behind a URL, or in this process."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from loguru import logger
from pipecat.frames.frames import Frame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

from app.addresses import shown_url
from app.caller.directory import look_up
from app.caller.going_on import GoingOn, is_lost
from app.caller.line_news import LineNews, LinePhase
from app.caller.main_task import MAIN_NAME
from app.caller.redialling import NEW_SESSION_TIMEOUT_S, PatientDialler
from app.telemetry.tracing import current_traceparent
from proxy import CloseCode, ConnectError, LinkClosedError, WebSocketProxyClientTask
from proxy.close_codes import MEANINGS
from proxy.codec.rules import SHOWN
from proxy.dial import Dialler, DialOptions, WebSocketDialler
from proxy.handshake import TrunkOptions
from proxy.wire import SUBPROTOCOL

LINE_NAME = "line"

# The handshake may take ten seconds, and our servers give an assistant twenty to be built.
START_TIMEOUT_S = 35.0


async def tell_nobody(news: LineNews) -> None:
    """Do nothing with what becomes of a line."""


class AssistantSide(Protocol):
    """Where the assistant is."""

    error: str | None

    def stays(self, frame: type[Frame]) -> bool:
        """Tell whether the assistant does not want frames of this type.

        Args:
            frame: A class of frames.
        """

    async def speaks(self) -> bool:
        """Tell whether the assistant sends sound, so that the caller needs no voice."""

    async def join(self, runner: WorkerRunner, main: PipelineWorker) -> None:
        """Add to the runner what joins its main task to the assistant.

        Args:
            runner: The caller's runner, not running yet.
            main: The caller's main task.
        """

    async def begin(self, main: PipelineWorker) -> None:
        """Start the conversation; the assistant speaks first.

        Args:
            main: The caller's main task, running.
        """


class RemoteAssistant:
    """An assistant behind a URL.

    When its server goes away, the conversation goes on with a new session of the same assistant.

    Attributes:
        error: Why the conversation could not be held, in words for the caller; None if it could.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        start_timeout_s: float = START_TIMEOUT_S,
        new_session_timeout_s: float = NEW_SESSION_TIMEOUT_S,
        has_screen: bool = False,
        dialler: Dialler | None = None,
        speaks: bool | None = None,
        on_news: Callable[[LineNews], Awaitable[None]] = tell_nobody,
    ) -> None:
        """Prepare; nothing is dialled yet.

        Args:
            url: The server's WebSocket URL.
            token: The bearer token, or None.
            start_timeout_s: How long the assistant may take to be ready.
            new_session_timeout_s: How long to dial for a new session when a server goes away.
            has_screen: Whether the caller wants what is for a screen: who talks, and the jobs.
            dialler: Makes the connections, where it takes more than the URL and a token.
            speaks: Whether the assistant sends sound; None to ask the server.
            on_news: Called with what becomes of the line.
        """
        self.error: str | None = None
        self._url = url
        self._token = token
        self._start_timeout_s = start_timeout_s
        self._speaks = speaks
        self._on_news = on_news
        self._new_session_timeout_s = new_session_timeout_s
        self._traceparent: str | None = None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._dialler: Dialler = dialler or WebSocketDialler(
            url, DialOptions(headers=headers, subprotocols=(SUBPROTOCOL,))
        )
        self._options = TrunkOptions(
            traceparent=lambda: self._traceparent,
            allowed_frames=tuple(SHOWN) if has_screen else (),
        )
        self._going_on = GoingOn()
        # Why the last line was lost, in words; "" before one was.
        self._lost = ""
        self._lines = 0
        self._line = self._make_line(self._dialler, active=False)
        self._runner: WorkerRunner | None = None
        self._main: PipelineWorker | None = None
        # The assistant is ready, or will never be.
        self._decided = asyncio.Event()

    def stays(self, frame: type[Frame]) -> bool:
        """Tell whether the assistant does not want such frames; see `AssistantSide.stays`."""
        return self._line.stays(frame)

    async def speaks(self) -> bool:
        """Ask the server; one that does not tell, as Pipecat's own, hosts none that do."""
        if self._speaks is not None:
            return self._speaks
        entry = await look_up(self._url, self._token)
        return entry is not None and entry.speaks

    async def join(self, runner: WorkerRunner, main: PipelineWorker) -> None:
        """Add the line; see `AssistantSide.join`."""
        self._runner, self._main = runner, main
        self._traceparent = current_traceparent()
        await self._going_on.join(runner, main)
        await runner.add_workers(self._line)

    async def begin(self, main: PipelineWorker) -> None:
        """Dial, and wait until the assistant was activated or will never be."""
        await self._on_news(LineNews(LinePhase.CONNECTING))
        await main.activate_worker(LINE_NAME)
        await self._ready_within(self._start_timeout_s)

    def _make_line(self, dialler: Dialler, *, active: bool) -> WebSocketProxyClientTask:
        self._lines += 1
        line = WebSocketProxyClientTask(
            LINE_NAME if self._lines == 1 else f"{LINE_NAME}-{self._lines}",
            dialler=dialler,
            local_task_name=MAIN_NAME,
            active=active,
            options=self._options,
        )
        line.add_event_handler("on_remote_ready", self._on_remote_ready)
        line.add_event_handler("on_connected", self._on_up)
        line.add_event_handler("on_line_interrupted", self._on_interrupted)
        line.add_event_handler("on_line_resumed", self._on_resumed)
        line.add_event_handler("on_resume_gap", self._on_gap)
        line.add_event_handler("on_connect_failed", self._on_connect_failed)
        line.add_event_handler("on_disconnected", self._on_disconnected)
        return line

    async def _ready_within(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._decided.wait()
        except TimeoutError:
            where = shown_url(self._url)
            self._fail(
                f"{where} was reached, but its assistant was not ready within {timeout_s:g} s"
            )
            await self._on_news(LineNews(LinePhase.ENDED, CloseCode.START_TIMED_OUT))
            await self._cancel("the assistant is not ready")

    async def _on_up(self, *_: object) -> None:
        if self._lines == 1:
            await self._on_news(LineNews(LinePhase.UP))
            return
        # In a new session; what was under way is lost.
        await self._on_news(LineNews(LinePhase.GAP))
        await self._on_news(LineNews(LinePhase.RESUMED))

    async def _on_interrupted(self, _: object, error: LinkClosedError) -> None:
        await self._on_news(LineNews(LinePhase.INTERRUPTED, error.code))

    async def _on_resumed(self, *_: object) -> None:
        await self._on_news(LineNews(LinePhase.RESUMED))

    async def _on_gap(self, *_: object) -> None:
        await self._on_news(LineNews(LinePhase.GAP))

    async def _on_remote_ready(
        self, line: WebSocketProxyClientTask, names: tuple[str, ...]
    ) -> None:
        if line is not self._line or self._decided.is_set():
            return
        floor = self._going_on.floor
        task = floor.holder if floor.holder in line.remote else line.remote[0]
        if task in names:
            self._decided.set()
            arguments = self._going_on.first_words()
            floor.watch(line.remote)
            assert self._main is not None
            await self._main.activate_worker(task, args=arguments)

    async def _on_connect_failed(self, _: WebSocketProxyClientTask, error: ConnectError) -> None:
        self._fail(str(error))
        await self._on_news(LineNews(LinePhase.ENDED, refusal=error))
        await self._cancel("the assistant cannot be reached")

    async def _on_disconnected(
        self, line: WebSocketProxyClientTask, error: LinkClosedError
    ) -> None:
        if line is not self._line:
            return
        if is_lost(line, error) and not self._going_on.finished:
            logger.warning(f"The line is lost, and another is dialled: {why(error)}")
            self._lost = why(error)
            await self._on_news(LineNews(LinePhase.INTERRUPTED, error.code))
            self._going_on.replace(self._begin_again(line))
            return
        if error.code != CloseCode.ENDED:
            self.error = f"the line was lost: {why(error)}"
        logger.info(f"The line is gone ({error.code}); the conversation ends")
        await self._on_news(LineNews(LinePhase.ENDED, error.code))
        self._decided.set()
        assert self._runner is not None
        await self._runner.end(reason="the line is gone")

    async def _begin_again(self, lost: WebSocketProxyClientTask) -> None:
        """Go on with a new session."""
        if not await self._going_on.break_off(lost.remote):
            self._fail("it keeps breaking off")
            await self._on_news(LineNews(LinePhase.ENDED, CloseCode.ABNORMAL))
            await self._cancel("the assistant cannot be reached")
            return
        waits_already = not self._decided.is_set()
        self._decided.clear()
        dialler = PatientDialler(self._dialler, timeout_s=self._new_session_timeout_s)
        self._line = self._make_line(dialler, active=True)
        assert self._runner is not None
        await self._runner.add_workers(self._line)
        if not waits_already:
            await self._ready_within(self._new_session_timeout_s + self._start_timeout_s)

    def _fail(self, reason: str) -> None:
        self.error = f"the line was lost: {self._lost}; {reason}" if self._lost else reason

    async def _cancel(self, reason: str) -> None:
        self._decided.set()
        assert self._runner is not None
        await self._runner.cancel(reason=reason)


def why(error: LinkClosedError) -> str:
    """Say why a line ended, in our words where we have any.

    Args:
        error: What the line said.
    """
    if error.code in MEANINGS:
        return MEANINGS[CloseCode(error.code)].reason
    return f"it was closed with {error.code}" + (f" ({error.reason})" if error.reason else "")
