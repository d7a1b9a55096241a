"""Who may come in, and what everybody else is told."""

import asyncio

import httpx
import pytest
import websockets
from websockets.asyncio.client import connect

from agents import Assistants
from app.server import running_server
from app.server.serving import SessionServer
from app.settings import Settings
from proxy import ConnectError, RefusedError
from proxy.dial import DialOptions, dial
from tests.app.server.conftest import TOKEN
from tests.proxy.conversation import within

BEARER = {"Authorization": f"Bearer {TOKEN}"}


async def refusal(url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """Ask for a WebSocket and return the refusal with its body."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with connect(url, additional_headers=headers):
            pass
    response = refused.value.response
    body = bytes(response.body)
    return httpx.Response(response.status_code, headers=dict(response.headers), content=body)


async def test_a_valid_token_gets_in(url: str) -> None:
    async with connect(f"{url}/ws/parrot", additional_headers=BEARER) as socket:
        assert isinstance(await within(socket.recv()), bytes)


async def test_no_token_gets_401_before_any_session_is_built(
    running: tuple[str, SessionServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.routes.Session", lambda *_: pytest.fail("a session was built"))
    response = await refusal(f"{running[0]}/ws/parrot")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "no_token"


async def test_a_wrong_token_gets_403_before_any_session_is_built(
    running: tuple[str, SessionServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.routes.Session", lambda *_: pytest.fail("a session was built"))
    wrong = {"Authorization": "Bearer not-the-right-token"}
    response = await refusal(f"{running[0]}/ws/parrot", wrong)
    assert response.status_code == 403
    assert response.json()["code"] == "wrong_token"
    assert "not-the-right-token" not in response.text


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Token {TOKEN}"],
)
async def test_what_is_no_bearer_token_gets_401(url: str, header: str) -> None:
    assert (await refusal(f"{url}/ws", {"Authorization": header})).status_code == 401


async def test_an_unknown_assistant_gets_404(url: str) -> None:
    response = await refusal(f"{url}/ws/nobody", BEARER)
    assert response.status_code == 404
    assert response.json()["code"] == "no_assistant"


@pytest.mark.parametrize("path", ["/ws/acme/", "/ws/", "//ws/acme", "/foo/ws/acme", "/", "/livez"])
async def test_an_address_without_a_websocket_gets_404_and_is_counted(
    running: tuple[str, SessionServer], path: str
) -> None:
    url, server = running
    answer = await refusal(f"{url}{path}", BEARER)
    assert (answer.status_code, answer.json()["code"]) == (404, "nothing_here")
    assert server.state.refusals["nothing_here"] == 1


async def test_an_unknown_assistant_is_not_told_to_strangers(url: str) -> None:
    assert (await refusal(f"{url}/ws/nobody")).status_code == 401


async def test_our_client_says_what_the_refusal_means(url: str) -> None:
    with pytest.raises(RefusedError, match="401: the server wants a token") as refused:
        await dial(f"{url}/ws")
    assert refused.value.status == 401
    options = DialOptions(headers={"Authorization": "Bearer wrong-secret-token"})
    with pytest.raises(RefusedError, match="403: the server does not accept") as refused:
        await dial(f"{url}/ws", options)
    assert "wrong-secret-token" not in f"{refused.value!r} {refused.value} {options!r}"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("http://localhost:1/ws", "is not a ws:// or wss:// URL"),
        ("ws://127.0.0.1:9/ws", "cannot be reached"),
        ("ws://no-such-host.invalid/ws", "cannot be reached"),
    ],
)
async def test_a_url_that_leads_nowhere_is_a_clear_error(bad: str, message: str) -> None:
    with pytest.raises(ConnectError, match=message):
        await dial(bad)


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()

    released = asyncio.Event()
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        with pytest.raises(ConnectError, match=r"did not answer within 0\.2 s"):
            await dial(f"ws://127.0.0.1:{port}/ws", DialOptions(open_timeout_s=0.2))
        released.set()


async def test_tls_that_fails_is_named(url: str) -> None:
    with pytest.raises(ConnectError, match=r"TLS failed|cannot be reached"):
        await dial(url.replace("ws://", "wss://") + "/ws")


async def test_without_tokens_everybody_gets_in(assistants: Assistants) -> None:
    async with (
        running_server(Settings(port=0), assistants) as (url, _),
        connect(f"{url}/ws/parrot") as socket,
    ):
        assert isinstance(await within(socket.recv()), bytes)


async def test_the_health_addresses_need_no_token(url: str) -> None:
    async with httpx.AsyncClient(base_url=url.replace("ws://", "http://")) as client:
        assert (await client.get("/livez")).json() == {"status": "alive"}
        ready = {"status": "ready", "processes": {"0": "ready"}}
        assert (await client.get("/readyz")).json() == ready


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_the_health_addresses_answer_balancers_that_ask_with_head(
    url: str, path: str
) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.head(url.replace("ws://", "http://") + path)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_the_list_of_assistants_needs_one(url: str) -> None:
    async with httpx.AsyncClient(base_url=url.replace("ws://", "http://")) as client:
        assert (await client.get("/v1/assistants")).status_code == 401
        assert (await client.get("/v1/assistants", headers={"Authorization": "Bearer x"})).json()[
            "code"
        ] == "wrong_token"
        listed = (await client.get("/v1/assistants", headers=BEARER)).json()
    acme = next(entry for entry in listed if entry["name"] == "acme")
    assert acme["tasks"] == ["assistant"]
    assert "how much are the rocket boots" in acme["phrases"]
