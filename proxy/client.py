"""The caller's end of a line: a bus worker that dials a server."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from loguru import logger
from pipecat.registry.types import WorkerReadyData

from proxy.backoff import delays_s
from proxy.dial import DialledLink, Dialler, DialOptions, WebSocketDialler
from proxy.dialect import LineState, Opened, Role
from proxy.errors import ConnectError, LinkClosedError
from proxy.filter import FROM_ASSISTANT, Filter
from proxy.handshake import TrunkOptions
from proxy.line_task import LineTask
from proxy.outage import BusLineResumedMessage
from proxy.protocol import TrunkLine
from proxy.stock_line import StockLine
from proxy.wire import SUBPROTOCOL


class WebSocketProxyClientTask(LineTask):
    """Joins this bus to the assistants behind a URL, or behind a broker.

    Only messages addressed to the remote task cross; only messages addressed to the local task are
    taken from the line. Frames that the local task's bridge sends cross without an address. Where
    several local tasks are named, the assistants can ask each of them, for example one with a tool
    that must run next to the caller.
    Broadcasts never cross. When the assistant ends the conversation, this side's runner ends.

    Attributes:
        dialler: Makes its connections.

    Event handlers available:

    - on_connected: The line is up; gets the `Link`. Once.
    - on_disconnected: The line is gone for good; gets the `LinkClosedError` that says why. Once.
    - on_connect_failed: Dialling failed; gets the `ConnectError`. Once.
    - on_line_interrupted: A connection was lost, and the task dials again; gets the
      `LinkClosedError`.
    - on_line_resumed: The session goes on, nothing was lost; gets the new `Link`.
    - on_resume_gap: Frames are missing; gets the `ResumeGap`.
    - on_waiting: The server has no session to spare yet, and the headers asked to wait for one
      (`Trunkline-Wait: 1`); gets how many are served before this caller, and itself.

    Example::

        proxy = WebSocketProxyClientTask(
            "proxy",
            url="wss://server-host:8765/ws",
            remote_task_name="assistant",
            local_task_name="acme",
            headers={"Authorization": "Bearer <token>"},
        )
        await runner.add_workers(proxy)
        await worker.activate_worker("proxy")  # dials
    """

    connected_event = "on_connected"
    disconnected_event = "on_disconnected"

    def __init__(
        self,
        name: str,
        *,
        url: str | None = None,
        dialler: Dialler | None = None,
        remote_task_name: str | Sequence[str] | None = None,
        local_task_name: str | Sequence[str],
        headers: Mapping[str, str] | None = None,
        active: bool = False,
        options: TrunkOptions | None = None,
        family: Iterable[str] = (),
    ) -> None:
        """Prepare the line; it is dialled when the task is activated.

        Args:
            name: The task's own name on the bus.
            url: The server's `ws://` or `wss://` URL.
            dialler: What makes the connections where there is no URL to dial; instead of it.
            remote_task_name: The task at the other end, or several. None to take the names that
                the other end gives.
            local_task_name: The task of this side that the other end may address, or several; the
                first is the one whose frames cross.
            headers: Headers of the handshake, for example `Authorization`. Never logged.
            active: Dial as soon as the task starts, instead of when it is activated.
            options: What this end allows in `trunkline.v1`.
            family: The assistant's tasks, here behind several lines. Those that are local tasks of
                this line exchange messages with its remote ones, see `Filter`.

        Raises:
            ValueError: If there is neither a URL nor a dialler, or both.
        """
        if (url is None) == (dialler is None):
            raise ValueError("give either url or dialler")
        remote = [remote_task_name] if isinstance(remote_task_name, str) else remote_task_name
        local = [local_task_name] if isinstance(local_task_name, str) else local_task_name
        filter_ = Filter(
            exported=tuple(local),
            remote=[*(remote or ())],
            inbound_frames=FROM_ASSISTANT.allowing(*(options.allowed_frames if options else ())),
            reserved=frozenset({name}),
            family=frozenset(family),
        )
        super().__init__(name, filter_, active=active)
        if url is not None:
            dial_options = DialOptions(headers=headers or {}, subprotocols=(SUBPROTOCOL,))
            dialler = WebSocketDialler(url, dial_options)
        assert dialler is not None
        self.dialler: Dialler = dialler
        if url is None:
            # A line may take the place of another, with the same tasks behind it.
            self._remote_runner = f"{local[0]}@remote"
        self._options = options
        self._dialling: asyncio.Task[None] | None = None
        self._unheard_since: float | None = None
        self._ready: list[str] = []
        self._register_event_handler("on_connect_failed")
        self._register_event_handler("on_waiting")

    @property
    def remote(self) -> Sequence[str]:
        """The assistant's tasks, the one to activate first; empty until they are known."""
        return tuple(self._filter.remote)

    async def start(self) -> None:
        """Start, and tell the other end of the local tasks as they become ready."""
        await super().start()
        await self.watch_workers(*self._filter.exported)

    async def on_worker_ready(self, data: WorkerReadyData) -> None:
        """Tell the other end that a local task is ready, so that it can be asked.

        Args:
            data: The ready task.
        """
        await super().on_worker_ready(data)
        self._ready.append(data.worker_name)
        if self._dialect is not None and self._dialect.state is not LineState.GREETING:
            await self._announce((data.worker_name,))

    async def _begin(self) -> None:
        await self._announce(tuple(self._ready))
        await super()._begin()

    async def _announce(self, names: tuple[str, ...]) -> None:
        # A stock server has no use for it and would complain.
        if isinstance(self._dialect, TrunkLine):
            await self._act(self._dialect.announce(names))

    async def on_activated(self, args: dict[str, object] | None) -> None:
        """Dial the server.

        Args:
            args: What the activation carried; not used.
        """
        await super().on_activated(args)
        if self._dialling is None and not self.is_closing():
            self._dialling = self.create_task(self._dial(), "dial")

    async def _dial(self) -> None:
        logger.info(f"{self}: dialling {self.dialler.where}")
        try:
            link = await self.dialler.dial()
        except ConnectError as error:
            logger.error(f"{self}: {error}")
            await self.dialler.close()
            await self._call_event_handler("on_connect_failed", error)
            return
        self._delivery.open()
        if link.subprotocol == SUBPROTOCOL:
            trunk = TrunkLine(Role.CALLER, self._filter, options=self._options)
            trunk.connected()
            self._dialect = trunk
            await self._attach(link)
        else:
            self._dialect = StockLine(Role.CALLER, self._filter)
            await self._attach(link)
            await self._act([Opened(resumed=False)])

    async def _opened(self, event: Opened) -> None:
        since, self._unheard_since = self._unheard_since, None
        if event.resumed and since is not None:
            missed_s = asyncio.get_running_loop().time() - since
            # Ahead of everything that comes over the new connection.
            await self.send_bus_message(BusLineResumedMessage(source=self.name, missed_s=missed_s))
        await super()._opened(event)

    async def _detached(self, error: LinkClosedError) -> None:
        if self._unheard_since is None:
            assert isinstance(self._dialect, TrunkLine)
            now = asyncio.get_running_loop().time()
            self._unheard_since = now - self._dialect.silent_s
        self._dialling = self.create_task(self._redial(error), "redial")

    async def _redial(self, error: LinkClosedError) -> None:
        """Dial again until the session is back, or there is no hope."""
        trunk = self._dialect
        assert isinstance(trunk, TrunkLine)
        for delay_s in delays_s():
            await asyncio.sleep(delay_s)
            if self._gone.is_set():
                return
            try:
                link = await self.dialler.dial(trunk.session)
            except ConnectError as refusal:
                logger.info(f"{self}: {refusal}")
                if refusal.final:
                    break
                continue
            await self._reattach(trunk, link, error)
            return
        await self._over(error)

    async def _reattach(self, trunk: TrunkLine, link: DialledLink, error: LinkClosedError) -> None:
        if link.subprotocol != SUBPROTOCOL:
            await link.close(self.cancelled_code)
            await self._over(error)
        elif self._gone.is_set():
            await link.close(self.cancelled_code)
        else:
            trunk.connected()
            await self._attach(link)

    async def _shut_down(self) -> None:
        if self._dialling is not None and self._pump is None and not self.ending:
            await self.cancel_task(self._dialling)
        await super()._shut_down()
        if self._dialling is not None:
            await self.cancel_task(self._dialling)
        await self.dialler.close()

    async def _over(self, error: LinkClosedError) -> None:
        await super()._over(error)
        await self.dialler.close()
