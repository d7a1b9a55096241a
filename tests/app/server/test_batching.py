"""Small writes of one turn of the loop go out in one piece, and nothing else changes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from app.server.batching import BATCH_BYTES, BatchingTransport
from tests.proxy.conversation import within


class Wire(asyncio.Transport):
    """Keeps what is written to it, each write by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = self.aborted = self.ended = False
        self.reading = True
        self.resumed = 0

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True
        self.resumed += 1

    def get_write_buffer_size(self) -> int:
        return 1000


def batching() -> tuple[Wire, BatchingTransport]:
    wire = Wire()
    return wire, BatchingTransport(wire, asyncio.get_running_loop())


async def test_what_is_written_in_one_turn_goes_out_in_one_piece() -> None:
    wire, transport = batching()
    for data in (b"one", b"two", b"three"):
        transport.write(data)
    assert wire.written == []
    await asyncio.sleep(0)
    transport.write(b"four")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert wire.written == [b"onetwothree", b"four"]


async def test_what_is_much_does_not_wait() -> None:
    wire, transport = batching()
    transport.write(b"small")
    transport.write(bytes(BATCH_BYTES))
    assert wire.written == [b"small" + bytes(BATCH_BYTES)]
    transport.write(b"behind")
    await asyncio.sleep(0)
    assert wire.written[1:] == [b"behind"]


async def test_what_waits_counts_as_unwritten() -> None:
    _, transport = batching()
    transport.write(b"waits")
    assert transport.get_write_buffer_size() == 1005
    transport.flush()
    assert transport.get_write_buffer_size() == 1000


async def test_a_close_comes_behind_what_was_written() -> None:
    wire, transport = batching()
    transport.write(b"last words")
    transport.close()
    assert (wire.written, wire.closed, transport.is_closing()) == ([b"last words"], True, True)
    transport.write(b"too late")
    await asyncio.sleep(0)
    assert wire.written == [b"last words"]


async def test_an_end_comes_behind_what_was_written() -> None:
    wire, transport = batching()
    transport.write(b"last words")
    assert transport.can_write_eof()
    transport.write_eof()
    assert (wire.written, wire.ended) == ([b"last words"], True)


async def test_an_abort_leaves_out_what_was_not_written() -> None:
    wire, transport = batching()
    transport.write(b"never")
    transport.abort()
    await asyncio.sleep(0)
    assert (wire.written, wire.aborted) == ([], True)
    assert transport.get_write_buffer_size() == 1000


async def test_what_reads_is_not_told_to_read() -> None:
    wire, transport = batching()
    transport.resume_reading()
    assert wire.resumed == 0
    transport.pause_reading()
    assert not transport.is_reading()
    transport.resume_reading()
    assert (transport.is_reading(), wire.resumed) == (True, 1)
    transport.pause_reading()
    transport.close()
    transport.resume_reading()
    assert wire.resumed == 1


class Server(asyncio.Protocol):
    """Wraps every connection, as our WebSocket protocol does."""

    def __init__(self) -> None:
        self.made: asyncio.Future[BatchingTransport] = asyncio.get_running_loop().create_future()
        self.writable = asyncio.Event()
        self.paused = asyncio.Event()
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.made.set_result(BatchingTransport(transport, asyncio.get_running_loop()))

    def pause_writing(self) -> None:
        self.paused.set()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[Server, BatchingTransport, asyncio.StreamReader]]:
    server = Server()
    listening = await asyncio.get_running_loop().create_server(lambda: server, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        yield server, await within(server.made), reader
        writer.transport.abort()
        await within(server.lost.wait())


async def test_a_peer_that_does_not_read_is_noticed_and_then_gets_everything_in_order() -> None:
    async with connected() as (server, transport, reader):
        transport.set_write_buffer_limits(high=1000)
        sent = b""
        while not server.paused.is_set():
            piece = bytes([len(sent) % 251]) * 1000
            transport.write(piece)
            sent += piece
            await asyncio.sleep(0)
        assert await within(reader.readexactly(len(sent))) == sent
        await within(server.writable.wait())
        transport.write(b"goodbye")
        transport.close()
        assert await within(reader.read()) == b"goodbye"


async def test_it_knows_its_socket_and_hands_it_over() -> None:
    async with connected() as (server, transport, _):
        assert transport.get_extra_info("peername")[0] == "127.0.0.1"
        assert transport.get_protocol() is server
        other = Server()
        transport.set_protocol(other)
        assert transport.get_protocol() is other
        transport.set_protocol(server)


async def test_a_connection_that_is_lost_holds_nothing_of_itself() -> None:
    async with connected() as (_, transport, _):
        inner = transport._inner
        assert "_read_ready_cb" in vars(inner)
        transport.release()
        assert "_read_ready_cb" not in vars(inner)
        transport.abort()
