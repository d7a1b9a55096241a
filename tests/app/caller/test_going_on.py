"""A server goes away in the middle of a conversation, which goes on with another session."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents import Assistants, discover
from agents.handoff import script as lines
from app.caller.assistants import RemoteAssistant
from app.caller.going_on import MAX_REPLACED
from app.caller.redialling import PatientDialler
from app.server import running_server
from app.server.serving import SessionServer
from app.settings import Settings
from proxy import CloseCode, ConnectError, RefusedError
from proxy.dial import DialledLink, DialOptions, WebSocketDialler
from proxy.wire import SUBPROTOCOL
from tests.agents.talking import CURT, Talk, talking
from tests.app.cli.programs import ended
from tests.app.processes.test_supervisor import LONG_S, served
from tests.proxy.conversation import SmallServer, parrot, within

# Says what it has heard in the whole conversation, and whether it was told that it is back.
TALLY = """
from agents import Say, assistant
from agents.host import Host

def script(turn):
    if not turn.user_texts:
        return Say("Welcome.")
    back = "I am back. " if turn.last_role != "user" else ""
    return Say(f"{back}I heard {', '.join(turn.user_texts)}.")

@assistant("tally", exports=("assistant",), scripts={"assistant": script})
def tally(session):
    llm = session.services.llm("assistant", instruction="Count.")
    return [Host("assistant", llm, greeting="Welcome the caller.")]
"""

SMALL = Settings(port=0, host="127.0.0.1")


@pytest.fixture
def directory() -> Iterator[str]:
    """Where the processes meet; a socket's path is short."""
    with tempfile.TemporaryDirectory(prefix="tl-") as name:
        yield name


async def told(talk: Talk, side: RemoteAssistant) -> str:
    """Wait until a caller hears that the conversation cannot go on."""
    async with asyncio.timeout(LONG_S):
        while side.error is None:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.05)
    return side.error


async def test_a_conversation_goes_on_through_a_rolling_restart(
    tmp_path: Path, directory: str
) -> None:
    (tmp_path / "tallies.py").write_text(TALLY)
    modules = {"TRUNKLINE_ASSISTANT_MODULES": "tallies"}
    server = await served(tmp_path, directory, **modules)
    async with ended(server.parent):
        side = RemoteAssistant(f"{server.url}/ws/tally", token=None)
        async with talking(side) as talk:
            await talk.hear("Welcome.")
            await talk.ask("one", "I heard one.")
            server.parent.send_signal(signal.SIGHUP)
            await talk.hear("I am back. I heard one.")
            await server.told("Every process was replaced")
            await talk.ask("two", "I heard one, two.")
        assert talk.said.count("Welcome.") == 1
        assert talk.result is not None
        assert talk.result.error is None


@pytest.fixture
async def server() -> AsyncIterator[tuple[str, SessionServer]]:
    async with running_server(SMALL, Assistants(discover().values())) as running:
        yield running


async def test_who_had_the_floor_has_it_in_the_new_session(
    server: tuple[str, SessionServer],
) -> None:
    url, running = server
    async with talking(RemoteAssistant(f"{url}/ws/handoff", token=None)) as talk:
        await talk.hear(lines.GREETING)
        await talk.ask("my rocket boots do not start", "no fuel in them")
        running.state.sessions.end_all(CloseCode.GOING_AWAY)
        await talk.hear(lines.SUPPORT_HERE)
        await talk.ask("back to the greeter please", lines.WELCOME_BACK)
        await talk.ask("goodbye", lines.FAREWELL)
    assert talk.result is not None
    assert talk.result.error is None


async def test_a_session_that_an_operator_ended_is_not_begun_anew(
    server: tuple[str, SessionServer],
) -> None:
    url, running = server
    side = RemoteAssistant(f"{url}/ws/handoff", token=None)
    async with talking(side) as talk:
        await talk.ask("how much is the tornado kit?", "costs $199")
        running.state.sessions.end_all(CloseCode.ENDED_BY_OPERATOR)
        assert await told(talk, side) == "the line was lost: an operator ended the session"
    assert running.state.sessions.begun == 1


async def test_where_no_server_comes_back_the_caller_is_told() -> None:
    async with running_server(SMALL, Assistants(discover().values())) as (url, _):
        side = RemoteAssistant(f"{url}/ws/handoff", token=None, new_session_timeout_s=0.5)
        talks = talking(side)
        talk = await talks.__aenter__()
        await talk.ask("how much is the tornado kit?", "costs $199")
    assert await told(talk, side) == (
        f"the line was lost: the server is going away; {url}/ws/handoff cannot be reached "
        "(ConnectionRefusedError)"
    )
    await talks.__aexit__(None, None, None)
    assert talk.result is not None
    assert talk.result.error == side.error


@pytest.mark.parametrize("stock", [False, True])
async def test_a_server_that_goes_away_again_and_again_is_given_up(stock: bool) -> None:
    async with SmallServer(lambda: [parrot()], stock=stock).serve() as server:
        side = RemoteAssistant(server.url, token=None)

        async def go_away() -> None:
            while True:
                line = await server.lines.get()
                await within(begun(server))
                await line.close(CloseCode.GOING_AWAY)

        async def begun(server: SmallServer) -> None:
            while not server.lines.empty() or not side._decided.is_set():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

        going = asyncio.create_task(go_away())
        async with talking(side, **CURT) as talk:
            error = await told(talk, side)
        going.cancel()
    assert error == "the line was lost: the server is going away; it keeps breaking off"
    assert len(server.held) == MAX_REPLACED + 1


@dataclass
class Refusing:
    """Refuses, for the reasons that it has, and then dials."""

    reasons: list[ConnectError]
    url: str = "ws://127.0.0.1:9/ws"
    tries: int = field(default=0)

    @property
    def where(self) -> str:
        return self.url

    async def dial(self, session: str = "") -> DialledLink:
        self.tries += 1
        if self.reasons:
            raise self.reasons.pop(0)
        dialler = WebSocketDialler(self.url, DialOptions(subprotocols=(SUBPROTOCOL,)))
        return await dialler.dial(session)

    async def close(self) -> None:
        pass


async def test_a_server_that_is_not_up_yet_is_dialled_again() -> None:
    away = [RefusedError(503, "draining", retry_after_s=0.1), ConnectError("nobody there")]
    async with SmallServer(lambda: [parrot()]).serve() as server:
        refusing = Refusing([*away], server.url)
        link = await within(PatientDialler(refusing, timeout_s=LONG_S).dial())
        await link.close(CloseCode.ENDED)
    assert refusing.tries == 3


async def test_a_refusal_that_will_not_change_is_told_at_once() -> None:
    refusing = Refusing([RefusedError(403, "a wrong token")])
    with pytest.raises(RefusedError, match="a wrong token"):
        await within(PatientDialler(refusing, timeout_s=LONG_S).dial())
    assert refusing.tries == 1


async def test_nobody_is_asked_to_wait_for_longer_than_there_is_time() -> None:
    refusing = Refusing([RefusedError(503, "full", retry_after_s=3600.0) for _ in range(9)])
    with pytest.raises(RefusedError, match="full"):
        await within(PatientDialler(refusing, timeout_s=0.5).dial())
    assert refusing.tries == 2
