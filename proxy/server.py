"""The assistant's end of a line: a bus worker on a socket that a server accepted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipecat.bus.messages import BusEndMessage, BusMessage
from pipecat.frames.frames import Frame
from pipecat.registry.types import WorkerReadyData
from starlette.websockets import WebSocket

from proxy.close_codes import CloseCode
from proxy.dialect import Event, Role
from proxy.filter import FROM_CALLER, Filter
from proxy.line_task import LineTask
from proxy.link import ServerLink
from proxy.outbox import OutboxLimits
from proxy.stock_line import StockLine


@dataclass(frozen=True)
class ServerLineOptions:
    """What a session allows on its line.

    Attributes:
        allowed_frames: Frame types that the caller may send beyond the default, for example raw
            audio.
        reserved_names: Names that the caller's task may not have: every task of the session.
        outbox: How much may wait for a caller that reads slowly.
        max_message_bytes: The largest message that is taken or sent.
    """

    allowed_frames: tuple[type[Frame], ...] = ()
    reserved_names: frozenset[str] = frozenset()
    outbox: OutboxLimits = field(default_factory=OutboxLimits)
    max_message_bytes: int = 4 * 1024 * 1024


class WebSocketProxyServerTask(LineTask):
    """Joins the bus of one session to the caller at the other end of an accepted socket.

    Only messages addressed to an exported task are taken from the caller, and their source is
    overwritten with the caller's name. Only messages from an exported task, addressed to the
    caller, and the frames of exported tasks cross to the caller. When a task of the session ends
    the conversation, the caller is told after everything that came before.

    Event handlers available:

    - on_client_connected: The line is up; gets the `Link`. Once.
    - on_client_disconnected: The line is gone; gets the `LinkClosedError` that says why. Once.

    Example::

        @app.websocket("/ws")
        async def websocket_endpoint(websocket: WebSocket):
            await websocket.accept()
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
    cancelled_code = CloseCode.GOING_AWAY

    def __init__(
        self,
        name: str,
        *,
        websocket: WebSocket,
        task_name: str | Sequence[str],
        remote_task_name: str | None = None,
        options: ServerLineOptions | None = None,
    ) -> None:
        """Prepare the line over an accepted socket.

        Args:
            name: The task's own name on the bus.
            websocket: The socket; `accept()` was called.
            task_name: The exported task of this side, or several.
            remote_task_name: The caller's task; None to take the name that the caller gives.
            options: What else the session allows.
        """
        options = options or ServerLineOptions()
        self._exported = (task_name,) if isinstance(task_name, str) else tuple(task_name)
        filter_ = Filter(
            exported=self._exported,
            remote=[] if remote_task_name is None else [remote_task_name],
            inbound_frames=FROM_CALLER.allowing(*options.allowed_frames),
            may_switch=True,
            reserved=options.reserved_names | {name},
        )
        line = StockLine(
            Role.ASSISTANT,
            filter_,
            limits=options.outbox,
            max_message_bytes=options.max_message_bytes,
        )
        super().__init__(name, line, active=True)
        self._server_link = ServerLink(websocket)

    @property
    def exported(self) -> Iterable[str]:
        """Names of the tasks that the caller may address."""
        return self._exported

    async def start(self) -> None:
        """Start reading and writing, and announce the exported tasks as they become ready."""
        await super().start()
        await self._attach(self._server_link)
        await self.watch_workers(*self._exported)

    async def on_worker_ready(self, data: WorkerReadyData) -> None:
        """Tell the caller that an exported task is ready.

        Args:
            data: The ready task.
        """
        await super().on_worker_ready(data)
        await self._handle(self._dialect.announce((data.worker_name,)))

    def _outgoing(self, message: BusMessage) -> list[Event]:
        if isinstance(message, BusEndMessage):
            self._end_said = True
            return self._dialect.end(message.reason)
        return super()._outgoing(message)
