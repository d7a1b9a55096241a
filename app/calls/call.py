"""One hosted call: a page's transport, the bot's main task, and the line to an assistant."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from loguru import logger
from pipecat.transports.base_transport import BaseTransport
from pipecat.workers.runner import WorkerRunner

from app.caller.assistants import AssistantSide
from app.caller.line_news import LineNews, LinePhase
from app.caller.main_task import MainTask, build_main_task, run_conversation
from app.caller.parts import parts_of
from app.calls.endings import FAILED, NO_PAGE, PAGE_GONE, SERVICE, Ending, ending_of
from app.calls.page_protocol import REPORTED, LastWord, PageProtocol, line_message
from app.calls.taking_apart import take_apart
from app.failures import failure_of
from app.server.turns import SessionBus, Turns
from app.services import Roles
from app.telemetry.tracing import traced_call

# From the moment that the call can hear until its page has said that it is ready. A connection
# takes a second or two; where WebRTC finds no way, it tries for longer than anybody waits.
PAGE_TIMEOUT_S = 30.0

# What an assistant said last is heard to its end, however long; this long at most.
LAST_WORDS_TIMEOUT_S = 60.0

# A pipeline that is told to cancel does so within a second, unless a service in it hangs.
CANCEL_TIMEOUT_S = 5.0
ABANDON_TIMEOUT_S = 1.5

MakeSide = Callable[[Callable[[LineNews], Awaitable[None]]], AssistantSide]


@dataclass(eq=False)
class HostedCall:
    """One call, from its transport to nothing.

    Attributes:
        id: Its id, unguessable.
        principal: The name of whoever calls; nobody else may touch it.
        roles: Makes the recogniser and the voice.
        phrases: What the recogniser should expect.
        make_side: Makes the assistant's side of it.
        ending: How it ends; None while it goes on.
    """

    id: str
    principal: str
    roles: Roles
    phrases: tuple[str, ...]
    make_side: MakeSide
    ending: Ending | None = field(default=None, init=False)
    _over: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _turns: Turns = field(default_factory=Turns, init=False)
    _started: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _ready: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _running: "asyncio.Task[None] | None" = field(default=None, init=False)
    _last_word: LastWord | None = field(default=None, init=False)
    _protocol: PageProtocol | None = field(default=None, init=False)
    _tail: asyncio.TimerHandle | None = field(default=None, init=False)

    async def run(self, transport: BaseTransport) -> None:
        """Hold the call, and leave nothing behind however it ends; never raises for what it does.

        Args:
            transport: What the page is connected to, or about to be.
        """
        with logger.contextualize(call=self.id[:8]), traced_call():
            logger.info("A call starts")
            runner = WorkerRunner(
                name=f"call-{self.id[:8]}", bus=SessionBus(self._turns), handle_sigint=False
            )
            try:
                await self._hold(runner, transport)
            except Exception as error:
                logger.error(f"The call failed: {failure_of(error)}")
                self._decide(FAILED)
            finally:
                finishing = asyncio.create_task(self._finish(runner))
                await asyncio.shield(finishing)
            self._decide(PAGE_GONE)
            assert self.ending is not None
            logger.info(f"The call has ended: {self.ending.end}")

    def end(self, ending: Ending) -> None:
        """Have the call end now, whatever is still to be heard.

        Args:
            ending: How; the first one counts.
        """
        self._decide(ending)
        self._over.set()

    async def leave(self, ending: Ending) -> None:
        """Have the call end as soon as no answer is under way in it.

        Args:
            ending: How.
        """
        if self._ready.is_set():
            quiet = asyncio.create_task(self._turns.quiet())
            try:
                await self._until_over(quiet)
            finally:
                quiet.cancel()
        self.end(ending)

    def _decide(self, ending: Ending) -> None:
        if self.ending is None:
            self.ending = ending
            if self._last_word is not None:
                self._last_word.ending = ending

    async def _hold(self, runner: WorkerRunner, transport: BaseTransport) -> None:
        side = self.make_side(self._on_news)
        main = await self._build(runner, transport, side)
        self._follow(main, transport)
        self._running = asyncio.create_task(run_conversation(runner, main), name=runner.name)
        beginning = asyncio.create_task(self._begin(side, main), name=f"begin-{self.id[:8]}")
        try:
            await self._until_over(self._running)
        finally:
            beginning.cancel()
        if main.problem is not None:
            self._decide(SERVICE)

    async def _build(
        self, runner: WorkerRunner, transport: BaseTransport, side: AssistantSide
    ) -> MainTask:
        protocol, last_word = PageProtocol(lambda: self.end(PAGE_GONE)), LastWord()
        self._protocol, self._last_word = protocol, last_word
        last_word.ending = self.ending
        parts = await parts_of(transport, side, self.roles, self.phrases)
        parts = replace(parts, rtvi=protocol, reported=REPORTED, last_word=last_word)
        # Loading the detectors takes a fifth of a second, which other conversations would hear.
        main = await asyncio.to_thread(build_main_task, runner.bus, parts, stays=side.stays)
        await side.join(runner, main.worker)
        await runner.add_workers(main.worker)
        return main

    def _follow(self, main: MainTask, transport: BaseTransport) -> None:
        """Take note of what the page and the pipeline do."""

        async def on_started(*_: object) -> None:
            self._started.set()

        async def on_client_ready(*_: object) -> None:
            self._ready.set()

        async def on_client_disconnected(*_: object) -> None:
            self.end(PAGE_GONE if self._ready.is_set() else NO_PAGE)

        main.worker.add_event_handler("on_pipeline_started", on_started)
        main.worker.rtvi.add_event_handler("on_client_ready", on_client_ready)
        transport.add_event_handler("on_client_disconnected", on_client_disconnected)

    async def _begin(self, side: AssistantSide, main: MainTask) -> None:
        """Dial as soon as the page is ready; it would miss what is said before."""
        await self._started.wait()
        try:
            async with asyncio.timeout(PAGE_TIMEOUT_S):
                await self._ready.wait()
        except TimeoutError:
            self.end(NO_PAGE)
            return
        await side.begin(main.worker)

    async def _on_news(self, news: LineNews) -> None:
        if news.phase is LinePhase.ENDED:
            self._decide(ending_of(news))
            if self._tail is None:
                loop = asyncio.get_running_loop()
                self._tail = loop.call_later(LAST_WORDS_TIMEOUT_S, self._over.set)
        elif self._protocol is not None:
            message = line_message(news.phase, code=news.code)
            await self._protocol.send_server_message(message)

    async def _until_over(self, running: "asyncio.Task[None]") -> None:
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({running, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()

    async def _finish(self, runner: WorkerRunner) -> None:
        """Cancel, then abandon; each step is bounded."""
        running, self._running = self._running, None
        if self._tail is not None:
            self._tail.cancel()
        if running is not None:
            await self._stop(runner, running)
        if running is None or running.done():
            try:
                await take_apart(runner)
            except Exception:
                logger.exception("The call could not be taken apart; its memory is freed later")
        self._protocol = self._last_word = None

    async def _stop(self, runner: WorkerRunner, running: "asyncio.Task[None]") -> None:
        if not running.done():
            await runner.cancel(reason="the call is over")
            await asyncio.wait({running}, timeout=CANCEL_TIMEOUT_S)
        if not running.done():
            logger.warning("The call's tasks did not end in time and are cancelled")
            running.cancel()
            await asyncio.wait({running}, timeout=ABANDON_TIMEOUT_S)
        if running.done() and not running.cancelled() and (error := running.exception()):
            logger.error(f"The call's runner failed: {failure_of(error)}")
            self._decide(FAILED)
