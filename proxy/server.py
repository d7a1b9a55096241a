"""The assistant's end of a line: a bus worker on a socket that a server accepted."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipecat.bus.messages import BusEndMessage, BusMessage
from pipecat.frames.frames import Frame
from pipecat.registry.types import WorkerReadyData
from starlette.websockets import WebSocket

from proxy.arrival import Arrival, arrive
from proxy.close_codes import CloseCode
from proxy.codec.rules import HOME, SHOWN
from proxy.dialect import Event, Opened, Role
from proxy.errors import LineError, LinkClosedError
from proxy.filter import FROM_CALLER, Filter
from proxy.handshake import TrunkOptions
from proxy.line_task import LineTask
from proxy.link import Link
from proxy.outbox import OutboxLimits
from proxy.protocol import TrunkLine
from proxy.pulse import Patience
from proxy.stock_line import StockLine
from proxy.tap import FrameTap


@dataclass(frozen=True)
class ServerLineOptions:
    """What a session allows on its line.

    Attributes:
        allowed_frames: Frame types that the caller may send beyond the default, for example raw
            audio.
        outbox: How much may wait for a caller that reads slowly.
        max_message_bytes: The largest message that is taken or sent.
        window_bytes: How much a caller may send ahead of what was handled.
        heartbeat_s: How long either side is silent at most.
        resume_window_s: How long the session waits for a caller whose connection was lost; 0 for
            not at all.
        session: The session's id, which a caller shows when it comes back.
        cancelled_code: What the caller is told when the runner of the session is cancelled.
        family: Where the assistant's tasks are spread over several sessions that the caller joins:
            those that are elsewhere, and those here that only they may address. See `Filter`.
        tap: Looks at frames that cross; None for nobody.
        shown: Whether a caller with the stock dialect gets what is for its screen; with ours, it
            says so itself.
    """

    allowed_frames: tuple[type[Frame], ...] = ()
    outbox: OutboxLimits = field(default_factory=OutboxLimits)
    max_message_bytes: int = 4 * 1024 * 1024
    window_bytes: int = 256 * 1024
    heartbeat_s: float = 5.0
    resume_window_s: float = 0.0
    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    cancelled_code: CloseCode = CloseCode.GOING_AWAY
    family: frozenset[str] = frozenset()
    tap: FrameTap | None = None
    shown: bool = False

    def trunk(self) -> TrunkOptions:
        """Return what concerns a line of `trunkline.v1`."""
        return TrunkOptions(
            window_bytes=self.window_bytes,
            max_message_bytes=self.max_message_bytes,
            resume_window_s=self.resume_window_s,
            patience=Patience(heartbeat_s=self.heartbeat_s),
            outbox=self.outbox,
            tap=self.tap,
        )


class WebSocketProxyServerTask(LineTask):
    """Joins the bus of one session to the caller at the other end of an accepted socket.

    Only messages addressed to an exported task are taken from the caller, and their source is
    overwritten with the caller's name. Only messages from an exported task, addressed to the
    caller, and the frames of exported tasks cross to the caller. When a task of the session ends
    the conversation, the caller is told after everything that came before.

    Event handlers available:

    - on_client_connected: The line is up; gets the `Link`. Once.
    - on_client_disconnected: The line is gone for good; gets the `LinkClosedError` that says why.
      Once.
    - on_line_interrupted, on_line_resumed, on_resume_gap: See `LineTask`.

    Example::

        @app.websocket("/ws")
        async def websocket_endpoint(websocket: WebSocket):
            proxy = WebSocketProxyServerTask(
                "gateway", websocket=websocket, task_name="assistant", remote_task_name="acme"
            )
            runner = WorkerRunner(handle_sigint=False)
            await runner.add_workers(proxy, assistant)

            @proxy.event_handler("on_client_disconnected")
            async def on_client_disconnected(proxy, error):
                await runner.cancel()

            await runner.run()
    """

    connected_event = "on_client_connected"
    disconnected_event = "on_client_disconnected"

    def __init__(
        self,
        name: str,
        *,
        websocket: WebSocket | None = None,
        arrival: Arrival | None = None,
        task_name: str | Sequence[str],
        remote_task_name: str | None = None,
        options: ServerLineOptions | None = None,
    ) -> None:
        """Prepare the line over a socket.

        Args:
            name: The task's own name on the bus.
            websocket: The socket. Where `accept()` was called, the line speaks the stock dialect;
                else the task accepts it, and speaks `trunkline.v1` with a caller who can.
            arrival: The caller, where `arrive` was called; instead of the socket.
            task_name: The exported task of this side, or several; the first is the one that the
                caller activates.
            remote_task_name: The caller's task; None to take the name that the caller gives, with
                `@caller` behind it.
            options: What else the session allows.

        Raises:
            ValueError: If there is neither a socket nor an arrival, or both.
        """
        if (websocket is None) == (arrival is None):
            raise ValueError("give either websocket or arrival")
        options = options or ServerLineOptions()
        self._exported = (task_name,) if isinstance(task_name, str) else tuple(task_name)
        filter_ = Filter(
            exported=self._exported,
            remote=[] if remote_task_name is None else [remote_task_name],
            inbound_frames=FROM_CALLER.allowing(*options.allowed_frames),
            home=HOME - SHOWN if options.shown else HOME,
            may_switch=True,
            family=options.family,
        )
        super().__init__(name, filter_, active=True)
        self._options = options
        self.cancelled_code = options.cancelled_code
        self._websocket = websocket
        self._arrival = arrival
        self._unready = set(self._exported)

    @property
    def exported(self) -> Iterable[str]:
        """Names of the tasks that the caller may address."""
        return self._exported

    def viewer(self) -> str | None:
        """Name the caller's task, as it is called here, if it has a screen and is there."""
        filter_ = self._filter
        looks = filter_.remote and filter_.hears and filter_.home.isdisjoint(SHOWN)
        return filter_.remote[0] if looks and not self._gone.is_set() else None

    async def start(self) -> None:
        """Start reading and writing, and announce the exported tasks as they become ready."""
        await super().start()
        await self.watch_workers(*self._exported)
        arrival = self._arrival
        if arrival is None:
            assert self._websocket is not None
            try:
                arrival = await arrive(self._websocket)
            except (LineError, TimeoutError) as error:
                self._attached = True
                await self._over(_closed(error))
                return
        await self._welcome(arrival)

    def knows(self, arrival: Arrival) -> bool:
        """Tell whether a caller that comes back belongs to this line.

        Args:
            arrival: The caller.
        """
        trunk = self._dialect
        return (
            isinstance(trunk, TrunkLine)
            and arrival.hello is not None
            and not self.is_closing()
            and trunk.knows(arrival.hello)
        )

    async def resume(self, arrival: Arrival) -> None:
        """Carry on over a new connection.

        Args:
            arrival: The caller; `knows` has agreed.
        """
        trunk, hello = self._dialect, arrival.hello
        assert isinstance(trunk, TrunkLine)
        assert hello is not None
        pump, serving, self._pump = self._pump, self._serving, None
        if pump is not None:
            # The connection that the caller gave up may look alive from here.
            pump.release()
            assert serving is not None
            await self.cancel_task(serving)
            trunk.disconnected(CloseCode.ABNORMAL)
            self.create_task(_take_over(pump.link), "take_over")
        events = trunk.welcome(hello)
        await self._attach(arrival.link)
        await self._act(events)

    async def on_worker_ready(self, data: WorkerReadyData) -> None:
        """Tell the caller that an exported task is ready.

        Args:
            data: The ready task.
        """
        await super().on_worker_ready(data)
        self._unready.discard(data.worker_name)
        if not self._unready:
            self._delivery.open()
        if self._dialect is not None:
            await self._act(self._dialect.announce((data.worker_name,)))

    async def _welcome(self, arrival: Arrival) -> None:
        options = self._options
        if arrival.hello is None:
            self._dialect = StockLine(
                Role.ASSISTANT,
                self._filter,
                limits=options.outbox,
                max_message_bytes=options.max_message_bytes,
                tap=options.tap,
            )
            events: list[Event] = [Opened(resumed=False)]
        else:
            trunk = TrunkLine(
                Role.ASSISTANT, self._filter, session=options.session, options=options.trunk()
            )
            self._dialect = trunk
            events = trunk.welcome(arrival.hello)
        ready = tuple(name for name in self._exported if name not in self._unready)
        await self._attach(arrival.link)
        await self._act([*events, *self._dialect.announce(ready)])

    def _cross(self, message: BusMessage) -> list[Event]:
        assert self._dialect is not None
        if isinstance(message, BusEndMessage):
            return self._dialect.end(message.reason)
        return super()._cross(message)


async def _take_over(link: Link) -> None:
    try:
        await link.close(CloseCode.SESSION_TAKEN_OVER)
    finally:
        # Not before: a server drops the socket of a route that has returned.
        link.over.set()


def _closed(error: Exception) -> LinkClosedError:
    return error if isinstance(error, LinkClosedError) else LinkClosedError(CloseCode.BAD_HELLO)
