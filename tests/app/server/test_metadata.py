"""What callers say of themselves in the query of their address."""

from collections.abc import Sequence
from urllib.parse import urlencode

import pytest
from loguru import logger
from pipecat.workers.base_worker import BaseWorker
from websockets.asyncio.client import connect

from agents import Assistants, Recipe, SessionContext
from app.server import running_server
from app.server.metadata import MAX_NAME_CHARS, MAX_PARAMETERS, MAX_VALUE_CHARS
from app.settings import Settings
from tests.app.server.test_door import refusal
from tests.proxy.conversation import within

SEEN: list[SessionContext] = []


def look(session: SessionContext) -> Sequence[BaseWorker]:
    SEEN.append(session)
    return [BaseWorker("assistant")]


LOOKS = Assistants([Recipe("acme", ("assistant",), look)])


async def metadata_of(query: str) -> SessionContext:
    SEEN.clear()
    async with (
        running_server(Settings(port=0), LOOKS) as (url, _),
        connect(f"{url}/ws{query}") as socket,
    ):
        await within(socket.recv())
    return SEEN[0]


async def test_a_recipe_is_given_the_query_of_the_address() -> None:
    session = await metadata_of("?" + urlencode({"name": "Zoë & Co", "empty": "", "tier": "gold"}))
    assert session.metadata == {"name": "Zoë & Co", "empty": "", "tier": "gold"}


async def test_without_a_query_there_is_nothing_to_know() -> None:
    assert (await metadata_of("")).metadata == {}
    assert (await metadata_of("?")).metadata == {}


async def test_of_a_parameter_that_is_there_twice_the_last_value_counts() -> None:
    assert (await metadata_of("?tier=gold&tier=silver")).metadata == {"tier": "silver"}


async def test_the_query_is_neither_logged_nor_shown_nor_changeable() -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", format="{message} {extra}")
    session = await metadata_of("?name=xylophone&quokka=1")
    logger.remove(sink)
    told = "".join(lines) + repr(session)
    assert "Session starts" in told
    assert "xylophone" not in told
    assert "quokka" not in told
    with pytest.raises(TypeError):
        session.metadata["name"] = "other"  # type: ignore[index]


@pytest.mark.parametrize(
    "query",
    [
        {f"p{number}": "" for number in range(MAX_PARAMETERS + 1)},
        {"n" * (MAX_NAME_CHARS + 1): "value"},
        {"name": "v" * (MAX_VALUE_CHARS + 1)},
    ],
    ids=["too many", "long name", "long value"],
)
async def test_too_much_is_refused_with_414_before_any_session_is_built(
    query: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.routes.Session", lambda *_: pytest.fail("a session was built"))
    async with running_server(Settings(port=0), LOOKS) as (url, _):
        response = await refusal(f"{url}/ws?{urlencode(query)}")
    assert response.status_code == 414
    assert response.json()["code"] == "query_too_long"


async def test_as_much_as_is_allowed_is_taken() -> None:
    query = {f"{number:0{MAX_NAME_CHARS}}": "" for number in range(MAX_PARAMETERS - 1)}
    query["long"] = "v" * MAX_VALUE_CHARS
    assert (await metadata_of("?" + urlencode(query))).metadata == query


async def test_what_is_no_text_is_refused_with_400() -> None:
    async with running_server(Settings(port=0), LOOKS) as (url, _):
        response = await refusal(f"{url}/ws?name=%ff%fe")
    assert (response.status_code, response.json()["code"]) == (400, "bad_query")
