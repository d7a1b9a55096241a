"""Dialling: every failure is one clear error, and none of them holds a secret."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from proxy import ConnectError, LinkClosedError, RefusedError
from proxy.close_codes import CloseCode
from proxy.dial import DialOptions, dial, public_url

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SECRET = {"Authorization": "Bearer very-secret"}


@contextlib.asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[int]:
    """Listen with something that need not be a WebSocket server."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def answering(status: str, *headers: str) -> Handler:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = [f"HTTP/1.1 {status}", "Content-Length: 0", *headers, "", ""]
        writer.write("\r\n".join(lines).encode())

    return answer


async def refusal(handler: Handler, **options: float) -> ConnectError:
    async with listening(handler) as port:
        with pytest.raises(ConnectError) as failed:
            await dial(
                f"ws://user:very-secret@127.0.0.1:{port}/ws?ticket=very-secret",
                DialOptions(headers=SECRET, **options),  # type: ignore[arg-type]
            )
    assert "secret" not in str(failed.value)
    return failed.value


@pytest.mark.parametrize(
    ("status", "explanation"),
    [
        ("401 Unauthorized", "the server wants a token and got none"),
        ("403 Forbidden", "the server does not accept this token"),
        ("404 Not Found", "the server has no assistant at this address"),
        ("429 Too Many Requests", "the server has no room for another session"),
        ("503 Service Unavailable", "the server takes no new sessions now"),
        ("418 I'm a teapot", "the server refused the connection"),
    ],
)
async def test_a_refusal_says_what_to_do(status: str, explanation: str) -> None:
    error = await refusal(answering(status))
    assert isinstance(error, RefusedError)
    assert error.status == int(status[:3])
    assert explanation in str(error)
    assert error.retry_after_s is None


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("soon", None), ("-1", None), ("", None)]
)
async def test_a_refusal_may_say_when_to_come_back(value: str, seconds: float | None) -> None:
    error = await refusal(answering("429 Busy", f"Retry-After: {value}"))
    assert isinstance(error, RefusedError)
    assert error.retry_after_s == seconds


async def test_something_that_is_no_http_server_cannot_be_reached() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ready\r\n\r\n")

    assert "cannot be reached (InvalidMessage)" in str(await refusal(babble))


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    released = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()

    error = await refusal(silent, open_timeout_s=0.05)
    released.set()
    assert str(error).endswith("did not answer within 0.05 s")


async def test_a_server_without_tls_is_a_clear_error() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(plain) as port:
        with pytest.raises(ConnectError, match=r"TLS failed \(WRONG_VERSION_NUMBER\)"):
            await dial(f"wss://127.0.0.1:{port}/ws")


@pytest.mark.parametrize("url", ["http://127.0.0.1/ws", "ws://", "ws://[::1", "ws://host:port/"])
async def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    with pytest.raises(ConnectError, match="is not a ws:// or wss:// URL"):
        await dial(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://user:secret@host.example/ws?ticket=secret#secret", "wss://host.example/ws"),
        ("ws://127.0.0.1:8765/ws/acme", "ws://127.0.0.1:8765/ws/acme"),
        ("ws://[::1]:8765/ws", "ws://[::1]:8765/ws"),
        ("ws://[secret/ws", "(not a URL)"),
        ("ws://host:secret/ws", "(not a URL)"),
    ],
)
def test_what_is_shown_of_an_address_holds_no_secret(url: str, shown: str) -> None:
    assert public_url(url) == shown


def test_options_do_not_show_their_headers() -> None:
    assert "secret" not in repr(DialOptions(headers=SECRET))


def test_an_error_says_how_the_connection_ended_and_whether_to_dial_again() -> None:
    slow, lost = LinkClosedError(4003, "too slow"), LinkClosedError()
    assert str(slow) == "closed with 4003 (too slow)"
    assert not slow.may_reconnect
    assert lost.code == CloseCode.ABNORMAL
    assert lost.may_reconnect
