"""Bodies that are too large, or never come."""

import pytest

from app.server import bodies
from tests.app.server.raw import connected
from tests.app.server.test_sessions import Running
from tests.proxy.conversation import within


def request(*headers: str) -> bytes:
    lines = ("POST /v1/sessions HTTP/1.1", "Host: 127.0.0.1", *headers, "", "")
    return "\r\n".join(lines).encode()


async def test_a_body_that_never_comes_is_not_waited_for(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_S", 0.1)
    async with connected(running[0]) as raw:
        raw.writer.write(request("Content-Length: 10") + b"{")
        answer = await within(raw.reader.read())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"request_timeout"' in answer


async def test_a_body_without_an_end_is_cut_off(running: Running) -> None:
    async with connected(running[0]) as raw:
        raw.writer.write(request("Transfer-Encoding: chunked"))
        await raw.flood(b"1000\r\n" + b" " * 0x1000 + b"\r\n", times=32)
        answer = await within(raw.reader.readuntil(b"}"))
    assert answer.startswith(b"HTTP/1.1 413 ")
