"""Nothing that a server shows of itself has a token, a key, or a word of what was said."""

import io
from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.caller.assistants import RemoteAssistant
from tests.agents.talking import talking
from tests.app.telemetry.desk import FAREWELL, FOUND, GREETING, SECRETS, TAKEN_OVER
from tests.app.telemetry.logged import everything_logged, keys_made
from tests.app.telemetry.served import ADMIN, OPEN_METRICS, TOKEN, Served, served
from tests.proxy.conversation import within

SAID = ("which bird do I mean?", "the office please", "bye then")
# What a tool was asked, what it answered, the prompt, what both sides said, and who may come in.
HIDDEN = (*SECRETS, *(text.lower() for text in (*SAID, FOUND, FAREWELL, TAKEN_OVER)), TOKEN, ADMIN)


@pytest.fixture(params=["human", "json"])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Log everything there is while the test runs."""
    with everything_logged(monkeypatch, request.param) as stream:
        yield stream


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Learn the keys that the server makes for itself."""
    return keys_made(monkeypatch)


async def converse(server: Served) -> str:
    """Do everything once, and some things that fail; gives all that metrics say meanwhile."""
    url = f"{server.address}/ws/desk?caller=pelican"
    side = RemoteAssistant(url, token=TOKEN, has_screen=True)
    shown = ""
    async with talking(side) as talk:
        await talk.hear(GREETING)
        for text, answer in zip(SAID, (FOUND, TAKEN_OVER, FAREWELL), strict=True):
            await talk.ask(text, answer)
            for accept in ("text/plain", OPEN_METRICS):
                headers = {"authorization": f"Bearer {ADMIN}", "accept": accept}
                shown += (await server.get("/metrics", **headers)).text
    assert talk.jobs
    for name in ("broken-model", "raises"):
        failing = RemoteAssistant(f"{server.address}/ws/{name}", token=TOKEN)
        async with talking(failing, greeting_timeout_s=0.1, answer_timeout_s=5.0) as talk:
            await talk.say("a pelican, please")
    await enter_with_a_ticket(server)
    await server.get("/v1/assistants?pelican=1", authorization="Bearer pelican-token")
    await within(server.server.sessions.wait_empty())
    return shown + (await server.get("/metrics", authorization=f"Bearer {ADMIN}")).text


async def enter_with_a_ticket(server: Served) -> None:
    """Come in as a page does, and try to once more."""
    base = server.address.replace("ws://", "http://")
    async with httpx.AsyncClient(base_url=base) as client:
        headers = {"authorization": f"Bearer {TOKEN}"}
        answer = await client.post("/v1/sessions", json={"assistant": "desk"}, headers=headers)
    url = answer.json()["url"]
    async with connect(url) as socket:
        await within(socket.recv())
    with pytest.raises(InvalidStatus):
        await connect(url)


async def test_neither_logs_nor_metrics_nor_spans_have_a_word_of_it(
    log: io.StringIO, spans: InMemorySpanExporter, keys: list[str]
) -> None:
    async with served(log_level="DEBUG") as server:
        metrics = await converse(server)
    traces = "".join(span.to_json() for span in spans.get_finished_spans())
    hidden = {*(word.lower() for word in HIDDEN), *(key.lower() for key in keys)}
    assert len(keys) >= 3  # the embedded model's, a resume token, and a ticket
    for place, shown in (("log", log.getvalue()), ("metrics", metrics), ("traces", traces)):
        assert len(shown) > 1000, place
        found = {word for word in hidden if word in shown.lower()}
        assert not found, (place, found)
