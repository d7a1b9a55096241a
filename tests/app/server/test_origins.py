"""Pages of strangers do not reach a server that trusts its machine."""

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import ValidationError
from websockets.asyncio.client import connect

from agents import Assistants
from app.server import running_server
from app.settings import Settings
from tests.app.server.conftest import TOKEN
from tests.app.server.test_door import BEARER, refusal
from tests.proxy.conversation import within

PAGE = "https://voice.example"
STRANGER = "https://stranger.example"

# What a browser sends to open a WebSocket, by hand, as clients set the Host themselves.
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


@pytest.fixture
async def trusting(assistants: Assistants) -> AsyncIterator[str]:
    async with running_server(Settings(port=0), assistants) as (url, _):
        yield url


async def asked(url: str, headers: dict[str, str], path: str = "/ws/parrot") -> httpx.Response:
    async with httpx.AsyncClient(base_url=url.replace("ws://", "http://")) as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize("origin", [STRANGER, "null", "http://127.0.0.1.stranger.example", "x"])
async def test_a_page_of_a_stranger_gets_403(trusting: str, origin: str) -> None:
    response = await refusal(f"{trusting}/ws/parrot", {"Origin": origin})
    assert response.status_code == 403
    assert response.json()["code"] == "wrong_origin"
    listed = await asked(trusting, {"Origin": origin}, "/v1/assistants")
    assert listed.status_code == 403


@pytest.mark.parametrize(
    "host", ["stranger.example", "stranger.example:8765", "127.0.0.1.nip.example", "192.0.2.1", "["]
)
async def test_a_name_that_was_made_to_point_here_gets_403(trusting: str, host: str) -> None:
    response = await asked(trusting, {**UPGRADE, "Host": host})
    assert response.status_code == 403
    assert response.json()["code"] == "wrong_host"
    assert (await asked(trusting, {"Host": host}, "/v1/assistants")).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8765", "LOCALHOST:99"])
async def test_this_machine_is_let_in_under_each_of_its_names(trusting: str, host: str) -> None:
    assert (await asked(trusting, {"Host": host}, "/v1/assistants")).status_code == 200


@pytest.mark.parametrize("origin", ["http://localhost:7860", "http://127.0.0.1", "http://[::1]:1"])
async def test_pages_of_this_machine_are_let_in(trusting: str, origin: str) -> None:
    async with connect(f"{trusting}/ws/parrot", additional_headers={"Origin": origin}) as socket:
        assert isinstance(await within(socket.recv()), bytes)


async def test_the_health_addresses_answer_under_any_name(trusting: str) -> None:
    assert (await asked(trusting, {"Host": "10.0.0.7"}, "/livez")).status_code == 200
    assert (await asked(trusting, {"Host": "10.0.0.7"}, "/readyz")).status_code == 200


async def test_a_page_that_the_settings_name_is_let_in(assistants: Assistants) -> None:
    settings = Settings(port=0, allowed_origins=PAGE.upper())  # type: ignore[arg-type]
    async with running_server(settings, assistants) as (url, _):
        async with connect(f"{url}/ws/parrot", additional_headers={"Origin": PAGE}) as socket:
            assert isinstance(await within(socket.recv()), bytes)
        assert (await asked(url, {"Host": "voice.example"}, "/v1/assistants")).status_code == 200
        assert (await refusal(f"{url}/ws", {"Origin": STRANGER})).status_code == 403


async def test_with_tokens_the_origin_does_not_matter(url: str) -> None:
    headers = {**BEARER, "Origin": STRANGER}
    async with connect(f"{url}/ws/parrot", additional_headers=headers) as socket:
        assert isinstance(await within(socket.recv()), bytes)


async def test_with_tokens_and_origins_only_those_pages_are_let_in(assistants: Assistants) -> None:
    settings = Settings(port=0, host="127.0.0.1", tokens=TOKEN, allowed_origins=PAGE)  # type: ignore[arg-type]
    async with running_server(settings, assistants) as (url, _):
        for origin in (STRANGER, "http://localhost"):
            response = await refusal(f"{url}/ws/parrot", {**BEARER, "Origin": origin})
            assert (response.status_code, response.json()["code"]) == (403, "wrong_origin")
        for headers in (BEARER, {**BEARER, "Origin": PAGE}):
            async with connect(f"{url}/ws/parrot", additional_headers=headers) as socket:
                assert isinstance(await within(socket.recv()), bytes)


@pytest.mark.parametrize("wrong", ["voice.example", "https://voice.example/", "*", "https://a b"])
def test_what_is_no_origin_is_an_error_at_start(wrong: str) -> None:
    with pytest.raises(ValidationError, match="an origin is a scheme, a host"):
        Settings(allowed_origins=wrong)  # type: ignore[arg-type]
