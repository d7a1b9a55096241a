"""The two links, over real sockets: what they carry, and what they do when the peer does not."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect

from app.loopback import EmbeddedServer, started
from app.server.websocket_protocol import LineProtocol
from proxy import CloseCode, LinkClosedError
from proxy.dial import DialOptions, dial
from proxy.link import ClientLink, ServerLink
from tests.proxy.conversation import within


class Pair:
    """A server that hands out its end of every connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.links: asyncio.Queue[ServerLink] = asyncio.Queue()
        self.release = asyncio.Event()

    @contextlib.asynccontextmanager
    async def dialled(self) -> AsyncIterator[tuple[ClientLink, ServerLink]]:
        client = await dial(self.url)
        yield client, await within(self.links.get())
        await client.close(CloseCode.ENDED)


async def fill(link: ServerLink | ClientLink) -> None:
    """Send until nothing more goes, then drop the link."""

    async def send_for_ever() -> None:
        while True:
            await link.send(bytes(100_000))

    sending = asyncio.create_task(send_for_ever())
    done, _ = await asyncio.wait({sending}, timeout=0.5)
    assert not done
    link.abort()
    with pytest.raises(LinkClosedError):
        await within(sending)


# Our server's protocol, with its extensions, and uvicorn's, which knows nothing of them.
PROTOCOLS: dict[str, type[asyncio.Protocol]] = {
    "ours": LineProtocol,
    "uvicorn's": WebSocketsSansIOProtocol,
}


@pytest.fixture(params=PROTOCOLS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    async with serving(PROTOCOLS[request.param]) as pair:
        yield pair


@pytest.fixture
async def droppable() -> AsyncIterator[Pair]:
    """A server that lets a link drop the connection."""
    async with serving(LineProtocol) as pair:
        yield pair


@contextlib.asynccontextmanager
async def serving(protocol: type[asyncio.Protocol]) -> AsyncIterator[Pair]:
    app = FastAPI()

    @app.websocket("/ws")
    async def accept(websocket: WebSocket) -> None:
        await websocket.accept()
        made.links.put_nowait(ServerLink(websocket))
        await made.release.wait()

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    made = Pair(f"ws://127.0.0.1:{listener.getsockname()[1]}/ws")
    config = uvicorn.Config(
        app, log_config=None, ws=protocol, lifespan="off", timeout_graceful_shutdown=1
    )
    server = EmbeddedServer(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    await started(server, running)
    yield made
    made.release.set()
    server.should_exit = True
    await running
    listener.close()


async def test_messages_cross_both_ways_as_they_are(pair: Pair) -> None:
    async with pair.dialled() as (client, server):
        await client.send(b"\x00\xff")
        assert await within(server.receive()) == b"\x00\xff"
        await server.send(b"back")
        assert await within(client.receive()) == b"back"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 4096, 4097, 65_535, 65_536, 1_000_000])
async def test_messages_of_every_length_cross(pair: Pair, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with pair.dialled() as (client, server):
        for _ in range(3):
            await client.send(data)
            await client.send(b"small")
        for _ in range(3):
            assert await within(server.receive()) == data
            assert await within(server.receive()) == b"small"
            await server.send(data)
            assert await within(client.receive()) == data


async def test_many_messages_arrive_in_order(pair: Pair) -> None:
    numbers = [b"%d" % number for number in range(2_000)]
    async with pair.dialled() as (client, server):
        for number in numbers:
            await client.send(number)
        for number in numbers:
            assert await within(server.receive()) == number
            await server.send(number)
        for number in numbers:
            assert await within(client.receive()) == number


async def test_a_text_message_arrives_as_text_in_its_place(pair: Pair) -> None:
    async with connect(pair.url) as socket:
        for word in (b"one", "two", b"three"):
            await socket.send(word)
        server = await within(pair.links.get())
        for word in (b"one", "two", b"three"):
            assert await within(server.receive()) == word


async def test_what_came_before_a_close_is_received(pair: Pair) -> None:
    async with pair.dialled() as (client, server):
        await client.send(b"one")
        await client.send(b"two")
        await client.close(CloseCode.ENDED)
        assert await within(server.receive()) == b"one"
        assert await within(server.receive()) == b"two"
        with pytest.raises(LinkClosedError):
            await within(server.receive())
        with pytest.raises(LinkClosedError):
            await server.send(b"too late")


async def test_a_receive_that_was_cancelled_loses_nothing(pair: Pair) -> None:
    async with pair.dialled() as (client, server):
        waiting = asyncio.create_task(server.receive())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        await client.send(b"one")
        await client.send(b"two")
        assert await within(server.receive()) == b"one"
        assert await within(server.receive()) == b"two"


async def test_a_close_arrives_with_its_code_and_reason(pair: Pair) -> None:
    async with pair.dialled() as (client, server):
        await server.close(CloseCode.PEER_TOO_SLOW)
        with pytest.raises(LinkClosedError) as closed:
            await within(client.receive())
        assert (closed.value.code, closed.value.may_reconnect) == (4003, False)
        assert closed.value.reason == "the other side did not read in time"
        with pytest.raises(LinkClosedError):
            await client.send(b"too late")
        await server.close(CloseCode.ENDED)
        with pytest.raises(LinkClosedError):
            await server.send(b"too late")
    async with pair.dialled() as (client, server):
        await client.close(CloseCode.ENDED)
        with pytest.raises(LinkClosedError) as closed:
            await within(server.receive())
        assert closed.value.code == CloseCode.ENDED
        with pytest.raises(LinkClosedError):
            await within(server.receive())


async def test_a_lost_connection_is_abnormal(droppable: Pair) -> None:
    async with droppable.dialled() as (client, server):
        server.abort()
        with pytest.raises(LinkClosedError) as closed:
            await within(client.receive())
        assert closed.value.code == CloseCode.ABNORMAL
        assert closed.value.may_reconnect
        assert str(closed.value) == "closed with 1006"


async def test_a_send_to_a_caller_that_reads_nothing_waits_until_the_link_is_dropped(
    droppable: Pair,
) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(droppable.url.split(":")[2][:-3])
    )
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await within(reader.readuntil(b"\r\n\r\n"))
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    server = await within(droppable.links.get())
    await fill(server)
    with pytest.raises(LinkClosedError):
        await within(server.receive())
    writer.transport.abort()


async def test_a_send_to_a_server_that_reads_nothing_waits_until_the_link_is_dropped() -> None:
    async def handshake_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from websockets.server import ServerProtocol

        protocol = ServerProtocol()
        protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
        (request,) = protocol.events_received()
        protocol.send_response(protocol.accept(request))  # type: ignore[arg-type]
        writer.writelines(protocol.data_to_send())
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await released.wait()
        writer.transport.abort()

    released = asyncio.Event()
    async with await asyncio.start_server(handshake_only, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        link = await dial(f"ws://127.0.0.1:{port}/ws", DialOptions())
        await fill(link)
        await within(link.close(CloseCode.ENDED))
        with pytest.raises(LinkClosedError):
            await within(link.receive())
        released.set()
