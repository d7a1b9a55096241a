"""What a caller believes of what a server says of its assistants."""

import gzip
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.caller.directory import MAX_BYTES, look_up
from app.loopback import serve_on_loopback

ENTRIES = b'[{"name": "acme", "default": true}, {"name": "voices", "speaks": true, "new": 1}]'


class Server:
    """Answers with whatever a test wants."""

    def __init__(self) -> None:
        self.answer = Response(ENTRIES)
        self.asked: list[Request] = []
        self.app = Starlette(routes=[Route("/v1/assistants", self._tell)])
        self.address = ""

    async def _tell(self, request: Request) -> Response:
        self.asked.append(request)
        return self.answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with serve_on_loopback(server.app) as url:
        server.address = url.replace("http", "ws", 1)
        yield server


async def test_the_assistant_of_an_address_is_found(server: Server) -> None:
    voices = await look_up(f"{server.address}/ws/voices", "a-token")
    assert voices is not None
    assert voices.speaks
    assert server.asked[0].headers["authorization"] == "Bearer a-token"
    default = await look_up(f"{server.address}/ws", None)
    assert default is not None
    assert default.name == "acme"
    assert "authorization" not in server.asked[1].headers
    assert await look_up(f"{server.address}/ws/nobody", None) is None


@pytest.mark.parametrize(
    "answer",
    [
        Response(b"nonsense"),
        Response(b'{"name": "voices"}'),
        Response(ENTRIES, status_code=500),
        Response(ENTRIES, status_code=302, headers={"Location": "/elsewhere"}),
        Response(b"[" + b" " * MAX_BYTES + b"]"),
    ],
    ids=["nonsense", "no list", "an error", "elsewhere", "too long"],
)
async def test_an_answer_that_is_none_tells_nothing(server: Server, answer: Response) -> None:
    server.answer = answer
    assert await look_up(f"{server.address}/ws/voices", None) is None


async def test_an_answer_that_would_grow_when_it_is_unpacked_is_not(server: Server) -> None:
    packed = gzip.compress(ENTRIES + b" " * 1024)
    server.answer = Response(packed, headers={"Content-Encoding": "gzip"})
    assert await look_up(f"{server.address}/ws/voices", None) is None
    assert server.asked[0].headers["accept-encoding"] == "identity"
