"""Refusals, and how many sessions there may be."""

import contextlib
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from http import HTTPStatus

import httpx
import pytest
from websockets.asyncio.client import connect

from agents import Assistants
from app.server import running_server
from app.server.refusal import Refusal, TurnedAwayError
from app.settings import Settings
from tests.app.server.test_door import BEARER, refusal
from tests.app.server.test_sessions import Running, emptied, table
from tests.proxy.conversation import within

NO = Refusal(HTTPStatus.FORBIDDEN, "no", "certainly not")


def test_a_refusal_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        NO.code = "yes"  # type: ignore[misc]


def test_a_refusal_can_be_raised_through_a_context_manager() -> None:
    @contextlib.contextmanager
    def passing() -> Iterator[None]:
        yield

    with pytest.raises(TurnedAwayError) as raised, passing():
        raise TurnedAwayError(NO)
    assert raised.value.refusal is NO


async def test_beyond_its_sessions_a_server_answers_503_until_one_ends(
    assistants: Assistants,
) -> None:
    settings = Settings(port=0, max_sessions=2)
    async with (
        running_server(settings, assistants) as (url, server),
        running_server(settings, assistants) as (other, _),
    ):
        async with connect(f"{url}/ws/parrot") as one:
            await within(one.recv())
            async with connect(f"{url}/ws/parrot") as two:
                await within(two.recv())
                response = await refusal(f"{url}/ws/parrot")
                assert (response.status_code, response.json()["code"]) == (503, "full")
                assert int(response.headers["retry-after"]) > 0
                async with connect(f"{other}/ws/parrot") as elsewhere:
                    await within(elsewhere.recv())
        await within(server.sessions.wait_empty())
        async with connect(f"{url}/ws/parrot") as again:
            await within(again.recv())


async def test_a_draining_server_says_when_to_come_back(running: Running) -> None:
    table(running).draining = True
    response = await refusal(f"{running[0]}/ws/parrot", BEARER)
    assert (response.status_code, response.json()["code"]) == (503, "draining")
    assert int(response.headers["retry-after"]) > 0
    await emptied(running)


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
async def test_the_description_of_the_interface_needs_a_token(url: str, path: str) -> None:
    async with httpx.AsyncClient(base_url=url.replace("ws://", "http://")) as client:
        assert (await client.get(path)).status_code == 401
        wrong = {"Authorization": "Bearer not-the-right-token"}
        assert (await client.get(path, headers=wrong)).status_code == 403
        answer = await client.get(path, headers=BEARER)
    assert answer.status_code == 200
    assert "Trunkline" in answer.text


async def test_the_description_covers_the_interface_and_not_itself(url: str) -> None:
    async with httpx.AsyncClient(base_url=url.replace("ws://", "http://")) as client:
        paths = (await client.get("/openapi.json", headers=BEARER)).json()["paths"]
    assert "/v1/assistants" in paths
    assert not {"/docs", "/redoc", "/openapi.json"} & paths.keys()
