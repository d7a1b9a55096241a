"""How two buses are joined: codec, filter, dialects of the line, and the two proxy tasks."""

from proxy.bridge import CallerBridge
from proxy.bus import DirectBus
from proxy.client import WebSocketProxyClientTask
from proxy.close_codes import CloseCode, may_reconnect
from proxy.dialect import LineStats
from proxy.errors import ConnectError, LineError, LinkClosedError, RefusedError
from proxy.filter import CALLER_SUFFIX, DropReason
from proxy.jobs import JOB_FAILURES
from proxy.server import ServerLineOptions, WebSocketProxyServerTask

__all__ = [
    "CALLER_SUFFIX",
    "JOB_FAILURES",
    "CallerBridge",
    "CloseCode",
    "ConnectError",
    "DirectBus",
    "DropReason",
    "LineError",
    "LineStats",
    "LinkClosedError",
    "RefusedError",
    "ServerLineOptions",
    "WebSocketProxyClientTask",
    "WebSocketProxyServerTask",
    "may_reconnect",
]
