"""Calls where several processes are one server: a page reaches its call by way of any of them."""

from typing import Any

import httpx
import pytest

from tests.app.calls.pages import WebRTCPage, socket_page
from tests.app.server.identity.asking import bearer
from tests.app.server.together.pair import OTHERS_TOKEN, TOKEN, Pair, two_processes
from tests.proxy.conversation import within

LONG_S = 60.0


def client_of(pair: Pair) -> httpx.AsyncClient:
    base = pair.url.replace("ws://", "http://")
    # A connection for each request, as they are handed out.
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(base_url=base, headers=bearer(TOKEN), limits=limits)


async def offered(pair: Pair, page: WebRTCPage, **further: Any) -> httpx.Response:
    body = {"sdp": page.peer.localDescription.sdp, "type": "offer", **further}
    async with client_of(pair) as client:
        return await client.post("/v1/calls", params={"assistant": "parrot"}, json=body)


@pytest.mark.usefixtures("deaf")
async def test_candidates_and_later_offers_find_their_call_in_another_process() -> None:
    async with two_processes() as pair:
        for server in pair.servers:
            server.state.address = pair.url
        page = WebRTCPage()
        try:
            await page.offer()
            pair.to = 1
            answer = (await offered(pair, page)).json()
            pair.to = 0
            call = answer["pc_id"]
            ways: list[Any] = [{"candidate": "", "sdp_mid": "0"}]
            async with client_of(pair) as client:
                body = {"pc_id": call, "candidates": ways}
                assert (await client.patch("/v1/calls", json=body)).status_code == 200
                theirs = bearer(OTHERS_TOKEN)
                refused = await client.patch("/v1/calls", json=body, headers=theirs)
                assert refused.json()["code"] == "no_call"
                ways[:] = [{"candidate": "rubbish", "sdp_mid": "0"}]
                refused = await client.patch("/v1/calls", json=body)
                assert (refused.status_code, refused.json()["code"]) == (422, "bad_candidate")
            await page.connect(answer)
            await page.ready()
            await page.until_line("up")
            again = (await offered(pair, page, pc_id=call)).json()
            assert (again["pc_id"], again["type"]) == (call, "answer")
            made_up = await offered(pair, page, pc_id=f"{'0' * 30}01")
            assert (made_up.status_code, made_up.json()["code"]) == (404, "no_call")
        finally:
            await page.close()
        for server in pair.servers:
            await within(server.state.calls.wait_empty(), LONG_S)
        await pair.emptied()


@pytest.mark.usefixtures("deaf")
async def test_a_ticket_for_a_call_is_good_in_the_other_process_and_so_is_the_calls_own() -> None:
    async with two_processes() as pair:
        for server in pair.servers:
            server.state.address = pair.url
        async with client_of(pair) as client, socket_page(client, "parrot") as page:
            # The line is handed to the process that does not have the call.
            pair.to = 1
            await page.ready()
            await page.until_line("up")
            assert [len(server.state.calls) for server in pair.servers] == [1, 0]
            assert [len(server.sessions) for server in pair.servers] == [0, 1]
        for server in pair.servers:
            await within(server.state.calls.wait_empty(), LONG_S)
        await pair.emptied()
