"""The small server inside this process."""

import asyncio
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any

from app.loopback import serve_on_loopback
from tests.proxy.conversation import within


async def test_small_answers_do_not_wait_for_acknowledgements() -> None:
    nodelay: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        # uvicorn's method of the cycle that holds the connection.
        accepted = receive.__self__.transport.get_extra_info("socket")
        nodelay.append(accepted.getsockopt(IPPROTO_TCP, TCP_NODELAY))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with serve_on_loopback(app) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 204 " in await within(reader.read())
        writer.close()
    assert nodelay == [1]
