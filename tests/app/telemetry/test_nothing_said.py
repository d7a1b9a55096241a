"""Nothing that a server shows of itself has a token, a key, or a word of what was said."""

import io
import logging
import secrets
import sys
from collections.abc import Iterator

import pytest
from loguru import logger
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.caller.assistants import RemoteAssistant
from app.logs import configure_logs
from tests.agents.talking import talking
from tests.app.telemetry.desk import FAREWELL, FOUND, GREETING, SECRETS, TAKEN_OVER
from tests.app.telemetry.served import ADMIN, OPEN_METRICS, TOKEN, Served, served
from tests.proxy.conversation import within

SAID = ("which bird do I mean?", "the office please", "bye then")
# What a tool was asked, what it answered, the prompt, what both sides said, and who may come in.
HIDDEN = (*SECRETS, *(text.lower() for text in (*SAID, FOUND, FAREWELL, TAKEN_OVER)), TOKEN)


@pytest.fixture(params=["human", "json"])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Log everything there is while the test runs."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logs("TRACE", log_format=request.param)
    yield stream
    monkeypatch.undo()
    root.handlers[:], root.level = handlers, level
    logger.remove()
    logger.configure(patcher=lambda record: None)
    logger.add(sys.stderr, level="WARNING", diagnose=False)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Learn the keys that the server makes for itself."""
    made: list[str] = []
    make = secrets.token_urlsafe

    def token(size: int | None = None) -> str:
        made.append(make(size))
        return made[-1]

    monkeypatch.setattr(secrets, "token_urlsafe", token)
    return made


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
    await server.get("/v1/assistants?pelican=1", authorization="Bearer pelican-token")
    await within(server.server.sessions.wait_empty())
    return shown + (await server.get("/metrics", authorization=f"Bearer {ADMIN}")).text


async def test_neither_logs_nor_metrics_nor_spans_have_a_word_of_it(
    log: io.StringIO, spans: InMemorySpanExporter, keys: list[str]
) -> None:
    async with served(log_level="DEBUG") as server:
        metrics = await converse(server)
    traces = "".join(span.to_json() for span in spans.get_finished_spans())
    hidden = {*(word.lower() for word in HIDDEN), *(key.lower() for key in keys)}
    assert len(keys) >= 2  # the embedded model's, and a resume token
    for place, shown in (("log", log.getvalue()), ("metrics", metrics), ("traces", traces)):
        assert len(shown) > 1000, place
        found = {word for word in hidden if word in shown.lower()}
        assert not found, (place, found)
