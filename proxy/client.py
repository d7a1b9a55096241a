"""The caller's end of a line: a bus worker that dials a server."""

from collections.abc import Mapping, Sequence

from loguru import logger

from proxy.dial import DialOptions, dial, public_url
from proxy.dialect import Role
from proxy.errors import ConnectError
from proxy.filter import FROM_ASSISTANT, Filter
from proxy.line_task import LineTask
from proxy.stock_line import StockLine


class WebSocketProxyClientTask(LineTask):
    """Joins this bus to the assistants behind a URL.

    Only messages addressed to the remote task cross; only messages addressed to the local task are
    taken from the line. Frames that the local task's bridge sends cross without an address.
    Broadcasts never cross. When the assistant ends the conversation, this side's runner ends.

    Event handlers available:

    - on_connected: The line is up; gets the `Link`. Once.
    - on_disconnected: The line is gone; gets the `LinkClosedError` that says why. Once.
    - on_connect_failed: Dialling failed; gets the `ConnectError`. Once.

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
        url: str,
        remote_task_name: str | Sequence[str],
        local_task_name: str,
        headers: Mapping[str, str] | None = None,
        active: bool = False,
    ) -> None:
        """Prepare the line; it is dialled when the task is activated.

        Args:
            name: The task's own name on the bus.
            url: The server's `ws://` or `wss://` URL.
            remote_task_name: The task at the other end, or several. More become known as the
                other end announces them.
            local_task_name: The task of this side that the other end may address.
            headers: Headers of the handshake, for example `Authorization`. Never logged.
            active: Dial as soon as the task starts, instead of when it is activated.
        """
        remote = [remote_task_name] if isinstance(remote_task_name, str) else [*remote_task_name]
        filter_ = Filter(
            exported=(local_task_name,),
            remote=remote,
            inbound_frames=FROM_ASSISTANT,
            reserved=frozenset({name}),
        )
        super().__init__(name, StockLine(Role.CALLER, filter_), active=active)
        self._url = url
        self._options = DialOptions(headers=headers or {})
        self._register_event_handler("on_connect_failed")

    async def on_activated(self, args: dict[str, object] | None) -> None:
        """Dial the server.

        Args:
            args: What the activation carried; not used.
        """
        await super().on_activated(args)
        if self._link is not None or self.is_closing():
            return
        logger.info(f"{self}: dialling {public_url(self._url)}")
        try:
            link = await dial(self._url, self._options)
        except ConnectError as error:
            logger.error(f"{self}: {error}")
            await self._call_event_handler("on_connect_failed", error)
            return
        if self.is_closing():
            await link.close(self.cancelled_code)
            return
        await self._attach(link)
