"""Small messages are read without the library's parser, and nobody can tell the difference."""

import asyncio
import itertools
import os
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from app.server.framing import frame_length, read_messages, whole_frames
from app.server.websocket_protocol import LineProtocol
from tests.app.server.raw import BINARY, CLOSE, CONT, PING, PONG, request
from tests.proxy.conversation import within

TEXT = 0x1
MASK = b"\x01\x80\xff\x00"
LARGEST = 70_000


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bytes | None = MASK
) -> bytes:
    """Write one frame as a client does, unless without a mask."""
    size, masked = len(payload), 0 if mask is None else 0x80
    if size < 126:
        head = struct.pack("!B", masked | size)
    elif size < 65_536:
        head = struct.pack("!BH", masked | 126, size)
    else:
        head = struct.pack("!BQ", masked | 127, size)
    first = bytes([opcode | (0x80 if fin else 0)])
    if mask is None:
        return first + head + payload
    hidden = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return first + head + mask + hidden


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("mask", [MASK, None])
def test_a_frame_is_as_long_as_its_head_says(size: int, mask: bytes | None) -> None:
    written = frame(BINARY, bytes(size), mask=mask)
    data = bytearray(b"before" + written + b"behind")
    assert frame_length(data, 6) == len(written)


def test_a_head_that_is_not_there_says_nothing() -> None:
    for written, head in ((frame(BINARY), 2), (frame(BINARY, bytes(200)), 4)):
        for length in range(head):
            assert frame_length(bytearray(written[:length]), 0) is None
    assert frame_length(bytearray(frame(BINARY, bytes(70_000))[:9]), 0) is None


def test_whole_messages_are_read_and_the_rest_is_left() -> None:
    messages = [b"", b"one", os.urandom(125), os.urandom(126), os.urandom(4096)]
    small = b"".join(frame(BINARY, message) for message in messages)
    for rest in (
        b"",
        frame(PING),
        frame(TEXT, b"text"),
        frame(BINARY, b"a piece", fin=False),
        frame(BINARY, b"without a mask", mask=None),
        frame(BINARY, bytes(4097)),
        frame(BINARY, bytes(70_000)),
        frame(BINARY, b"in pieces")[:-1],
        frame(BINARY, bytes(200))[:3],
        frame(BINARY)[:1],
    ):
        taken: list[bytes] = []
        data = bytearray(small + rest)
        assert read_messages(data, len(data), 4096, taken.append) == len(small)
        assert taken == messages


def test_no_message_is_read_beyond_what_may_be() -> None:
    data, taken = bytearray(frame(BINARY, b"one") * 3), list[bytes]()
    assert read_messages(data, 10, 4096, taken.append) == 2 * len(frame(BINARY, b"one"))
    assert taken == [b"one", b"one"]


def test_the_library_is_given_whole_frames_and_the_start_of_the_last() -> None:
    one, two = frame(PING, b"one"), frame(TEXT, b"x" * 200)
    data = bytearray(one + two)
    assert whole_frames(data, 0, len(data)) == (len(data), 0)
    assert whole_frames(data, 0, len(one)) == (len(one), 0)
    assert whole_frames(data, 0, len(one) + 5) == (len(one) + 5, len(two) - 5)
    assert whole_frames(bytearray(one + two[:3]), 0, len(one) + 3) == (len(one), 0)


class Wire(asyncio.Transport):
    """A connection of which nothing but the beginning is there."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.ready = asyncio.Event()  # to be given more, or closed
        self.ready.set()

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True
        self.ready.set()

    def abort(self) -> None:
        self.closed = True
        self.ready.set()

    def is_reading(self) -> bool:
        return self.ready.is_set()

    def pause_reading(self) -> None:
        self.ready.clear()

    def resume_reading(self) -> None:
        self.ready.set()

    def can_write_eof(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Heard:
    """What an application hears of what a client sends in certain pieces."""

    def __init__(self, kind: type[WebSocketsSansIOProtocol]) -> None:
        self.events: list[Any] = []
        self.open, self.over = asyncio.Event(), asyncio.Event()
        options: dict[str, Any] = {"lifespan": "off", "log_config": None, "ws_max_size": LARGEST}
        config = Config(self.app, interface="asgi3", ws=kind, **options)
        config.load()
        self.wire = Wire()
        self.protocol = kind(config, ServerState(), {}, asyncio.get_running_loop())
        self.protocol.connection_made(self.wire)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.open.set()
        while (event := await receive())["type"] == "websocket.receive":
            self.events.append(event.get("bytes", event.get("text")))
        self.events.append(event["code"])
        self.over.set()

    async def hear(self, pieces: list[bytes]) -> tuple[list[Any], bytes]:
        self.protocol.data_received(request("/"))
        await within(self.open.wait())
        answered = self.wire.written.index(b"\r\n\r\n") + 4
        for piece in pieces:
            if self.wire.closed:
                break
            self.protocol.data_received(piece)
            while not self.wire.ready.is_set():
                await within(self.wire.ready.wait())
        await asyncio.sleep(0)  # what was written in this turn of the loop goes out
        self.protocol.connection_lost(None)
        await within(self.over.wait())
        return self.events, self.wire.written[answered:]


def some_frames(chance: random.Random) -> Iterator[bytes]:
    """Write what a client may send, and at times what it may not, frame by frame."""
    larger = [126, 4096, 4097, 65_535, 65_536]
    piece = frame(BINARY, b"piece", fin=False)
    pieces = [piece, frame(PING), *[frame(CONT, b"and", fin=False)] * 3, frame(CONT, b"last")]
    kinds: list[Callable[[], list[bytes]]] = [
        lambda: [frame(PING, chance.randbytes(3))],
        lambda: [frame(PONG)],
        lambda: [frame(TEXT, "täxt".encode() * chance.randrange(5))],
        lambda: [frame(BINARY, chance.randbytes(chance.choice(larger)))],
        lambda: pieces,
        *[lambda: [frame(BINARY, chance.randbytes(chance.randrange(130)))]] * 7,
    ]
    ends = [
        [],
        [frame(CLOSE, struct.pack("!H", 4321)), frame(BINARY, b"too late")],
        [frame(BINARY, b"no mask", mask=None)],
        [piece, frame(BINARY, b"no piece")],
        [frame(BINARY, bytes(LARGEST + 1))],
        [b"\xf2" + frame(BINARY, b"reserved bits")[1:]],
    ]
    for _ in range(chance.randrange(1, 30)):
        yield from chance.choice(kinds)()
    yield from chance.choice(ends)


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    """Cut into pieces as a network does, some of a single byte."""
    longest = max(chance.choice([3, 50, 5_000, 200_000]), len(data) // 500)
    cuts = [0]
    while cuts[-1] < len(data):
        cuts.append(cuts[-1] + chance.randint(1, longest))
    return [data[start:end] for start, end in itertools.pairwise(cuts)]


@pytest.mark.parametrize("seed", range(60))
async def test_an_application_hears_what_it_hears_from_uvicorn_however_it_is_cut(
    seed: int,
) -> None:
    chance = random.Random(seed)
    frames = list(some_frames(chance))
    expected, answers = await Heard(WebSocketsSansIOProtocol).hear(frames)
    heard, our_answers = await Heard(LineProtocol).hear(cut(b"".join(frames), chance))
    ours, theirs = heard.pop(), expected.pop()
    assert ours == (1006 if theirs == 1005 else theirs)  # of a lost connection, see LineProtocol
    if theirs in (1002, 1009):
        # Of what comes in one piece with a fault, uvicorn passes nothing on.
        assert heard == expected[: len(heard)]
        return
    assert heard == expected
    assert our_answers == answers
