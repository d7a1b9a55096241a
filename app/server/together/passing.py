"""A caller who reached a full process of a server that has room in another: it is handed on.

What is handed on is the connection itself, with the request that came over it and was not answered
yet, so that nothing is in between afterwards. The parent gives every connection to the process with
the least to do, but a connection that was kept may become a WebSocket much later, and a connection
that is only asked over HTTP counts as if it would.
"""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from starlette.requests import HTTPConnection

from app.processes.ledger import LedgerError
from app.server.together.membership import Membership
from app.server.websocket_protocol import HAND_ON_EXTENSION

# Says which processes were full already. A client that sends it keeps nobody from coming in but
# itself.
BEEN_HEADER = "Trunkline-Been"

# As the parent has it: those who may wait to be taken, and how many are taken in one go.
BACKLOG = 2048
TAKEN_AT_ONCE = 64

# Both ends are on this machine, and the one that gives says everything at once.
RECEIVE_TIMEOUT_S = 2.0

# A request with its headers is smaller; see `MAX_HEADER_BYTES`.
_PIECE_BYTES = 64 * 1024

_SIZE = struct.Struct("!I")

_BEEN_LINE = re.compile(rb"\r\n" + BEEN_HEADER.encode() + rb":[^\r\n]*", re.IGNORECASE)


def hand_on(connection: HTTPConnection, membership: Membership, max_sessions: int) -> bool:
    """Hand a caller on to a process that has room.

    Args:
        connection: A WebSocket that was not answered yet.
        membership: This process's place.
        max_sessions: How many sessions each process may have.

    Returns:
        Whether that was done. If so, the connection is no longer ours, and nobody is to answer.
    """
    give = connection.scope.get("extensions", {}).get(HAND_ON_EXTENSION)
    been = {*connection.headers.get(BEEN_HEADER, "").split(","), str(membership.place)}
    if give is None:
        return False
    try:
        places = [one for one in membership.room(max_sessions) if str(one) not in been]
    except LedgerError:
        return False
    said = f"{BEEN_HEADER}: {','.join(sorted(been))}\r\n\r\n".encode()

    def send(descriptor: int, request: bytes) -> bool:
        told = _BEEN_LINE.sub(b"", request).removesuffix(b"\r\n") + said
        return any(_send(membership.passing_path(one), descriptor, told) for one in places)

    return bool(places) and bool(give(send))


def _send(path: Path, descriptor: int, request: bytes) -> bool:
    """Give a process a connection; tells whether it will have it."""
    data = _SIZE.pack(len(request)) + request
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        way.setblocking(False)
        try:
            way.connect(str(path))
            return socket.send_fds(way, [data], [descriptor]) == len(data)
        except OSError:
            return False


class Receiver:
    """Takes the callers that other processes hand on."""

    def __init__(self, path: Path, take: Callable[[socket.socket, bytes], None]) -> None:
        """Take them from now on.

        Args:
            path: Where to.
            take: Serves a connection, over which a request came already.
        """
        self._path = path
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._receiving: set[asyncio.Task[None]] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        path.unlink(missing_ok=True)  # of a process that was killed
        self._listener.bind(str(path))
        self._listener.listen(BACKLOG)
        self._loop.add_reader(self._listener.fileno(), self._accept)

    async def close(self) -> None:
        """Take no more."""
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        self._path.unlink(missing_ok=True)
        for receiving in self._receiving:
            receiving.cancel()
        if self._receiving:
            await asyncio.wait(self._receiving)

    def _accept(self) -> None:
        for _ in range(TAKEN_AT_ONCE):
            try:
                way, _ = self._listener.accept()
            except OSError:
                return
            receiving = asyncio.create_task(self._receive(way), name="receive")
            self._receiving.add(receiving)
            receiving.add_done_callback(self._receiving.discard)

    async def _receive(self, way: socket.socket) -> None:
        with way:
            way.setblocking(False)
            given: list[socket.socket] = []
            try:
                async with asyncio.timeout(RECEIVE_TIMEOUT_S):
                    said = await _read_all(way, given)
            except (OSError, TimeoutError):
                said = b""
            except asyncio.CancelledError:
                _close(given)
                raise
        (size,) = _SIZE.unpack(said[: _SIZE.size]) if len(said) > _SIZE.size else (0,)
        if len(given) != 1 or len(said) != _SIZE.size + size:
            _close(given)  # whoever gave it answers
            return
        self._take(given[0], said[_SIZE.size :])


async def _read_all(way: socket.socket, given: list[socket.socket]) -> bytes:
    """Read what another process says until it is done, and the connection that comes with it."""
    said = bytearray()
    while True:
        try:
            piece, descriptors, _, _ = socket.recv_fds(way, _PIECE_BYTES, 1)
        except BlockingIOError:
            await _readable(way)
            continue
        given += [socket.socket(fileno=one) for one in descriptors]
        if not piece:
            return bytes(said)
        said += piece


async def _readable(way: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(way.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(way.fileno())


def _close(connections: list[socket.socket]) -> None:
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.close()
