"""The assistant's side of a conversation: which task is activated, and what if nobody is there."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from pipecat.frames.frames import Frame, LLMContextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.base_worker import BaseWorker

from agents import Assistants, Reply, Say, SessionContext, Turn, assistant, discover
from app.caller.assistants import AssistantSide, RemoteAssistant
from app.caller.local import LocalAssistant
from app.caller.typed import TypedConversation, TypedResult
from app.errors import AppError
from app.server import running_server
from app.services import Roles
from app.settings import Settings
from tests.app.server.recipes import Clumsy, broken_model, clumsy, raises
from tests.proxy.conversation import SmallServer, parrot, within

TOKEN = "a-token-of-the-tests"


def house_script(turn: Turn) -> Reply:
    return Say(f"You said {turn.user_texts[-1]}.") if turn.user_texts else Say("Hello.")


@assistant(
    "house", exports=("concierge", "porter"), scripts={"concierge": house_script}, description="x"
)
def house(session: SessionContext) -> Sequence[BaseWorker]:
    concierge = Clumsy(session.services.llm("concierge", instruction="Be kind."))
    concierge._name = "concierge"
    return [concierge, BaseWorker("porter")]


class Screen:
    """Keeps what is shown."""

    def __init__(self) -> None:
        self.said = ""
        self.over = asyncio.Event()
        self.problems: list[str] = []
        self.tools: list[str] = []

    def text(self, text: str) -> None:
        self.said += text

    def tool(self, name: str, arguments: object) -> None:
        self.tools.append(name)

    def job(self, news: Mapping[str, Any]) -> None:
        raise AssertionError(f"this caller has no screen, and is shown {news}")

    def turn_over(self) -> None:
        self.over.set()

    def problem(self, text: str) -> None:
        self.problems.append(text)


async def typed(*lines: str) -> AsyncIterator[str]:
    for line in lines:
        yield line


async def talk(side: AssistantSide, *lines: str, **options: Any) -> tuple[TypedResult, Screen]:
    screen = Screen()
    options = {"greeting_timeout_s": 0.3, **options}
    conversation = TypedConversation(side, screen, may_interrupt=False, **options)
    return await within(conversation.hold(typed(*lines)), 60), screen


@pytest.fixture
async def address() -> AsyncIterator[str]:
    settings = Settings(port=0, host="127.0.0.1", tokens=TOKEN)  # type: ignore[arg-type]
    recipes = (*discover().values(), house, clumsy, broken_model)
    async with running_server(settings, Assistants(recipes)) as (url, _):
        yield url


async def test_the_task_that_the_assistant_exports_first_is_activated(address: str) -> None:
    result, screen = await talk(RemoteAssistant(f"{address}/ws/house", token=TOKEN), "good day")
    assert result.error is None
    assert "You said good day." in screen.said


@pytest.mark.parametrize("stock", [False, True])
async def test_the_task_of_any_server_is_activated(stock: bool) -> None:
    tasks = lambda: [parrot("repeats")]  # noqa: E731
    async with SmallServer(tasks, ("repeats",), stock=stock).serve() as server:
        side = RemoteAssistant(server.url, token=None)
        await within(say_once(side))
        assert side.error is None


async def say_once(side: RemoteAssistant) -> None:
    """Say something to an assistant that does not greet."""
    screen = Screen()
    conversation = TypedConversation(side, screen, may_interrupt=True)

    async def lines() -> AsyncIterator[str]:
        yield "parrot this"
        await screen.over.wait()

    result = await conversation.hold(lines())
    assert result.error is None


async def test_an_assistant_that_is_never_ready_is_given_up() -> None:
    async with SmallServer(lambda: [parrot("somebody")], ("nobody",)).serve() as server:
        side = RemoteAssistant(server.url, token=None, start_timeout_s=0.5)
        result, _ = await talk(side, "hello")
    assert result.error is not None
    assert "its assistant was not ready within 0.5 s" in result.error


async def test_nobody_there_is_an_error() -> None:
    result, _ = await talk(RemoteAssistant("ws://127.0.0.1:9/ws", token=None), "hello")
    assert result.error == "ws://127.0.0.1:9/ws cannot be reached (ConnectionRefusedError)"


class Mute(FrameProcessor):
    """Hears everything and says nothing."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)


def mute() -> list[BaseWorker]:
    pipeline = Pipeline([Mute()])
    return [PipelineWorker(pipeline, name="assistant", bridged=(), idle_timeout_secs=None)]


async def test_a_silent_assistant_is_given_up() -> None:
    async with SmallServer(mute).serve() as server:
        side = RemoteAssistant(server.url, token=None)
        result, _ = await talk(side, "hello", answer_timeout_s=0.5)
    assert result.error == "the assistant did not answer within 0.5 s"


async def test_a_model_that_fails_is_shown_and_no_conversation(address: str) -> None:
    remote = RemoteAssistant(f"{address}/ws/broken-model", token=TOKEN)
    result, screen = await talk(remote, "hello")
    assert result.error == "the assistant did not answer"
    assert screen.problems[0] == "the assistant: a service failed (server)"


async def test_a_model_that_fails_in_this_process_is_shown_too() -> None:
    async with Roles.open(Settings(), Assistants([broken_model])) as roles:
        result, screen = await talk(LocalAssistant(broken_model, roles), "hello")
    assert result.error == "the assistant did not answer"
    assert "a service failed (server, InternalServerError)" in screen.problems[0]
    assert "secret" not in screen.problems[0]


async def test_a_tool_that_fails_is_shown_and_the_conversation_counts(address: str) -> None:
    result, screen = await talk(RemoteAssistant(f"{address}/ws/clumsy", token=TOKEN), "hello")
    assert result.error is None
    assert screen.tools == ["drop"]
    assert any("a tool failed" in problem for problem in screen.problems)
    assert "Sorry about that." in screen.said


async def test_a_recipe_that_fails_is_named_with_the_place() -> None:
    async with Roles.open(Settings(), Assistants([raises])) as roles:
        with pytest.raises(AppError) as failed:
            await talk(LocalAssistant(raises, roles), "hello")
    assert "'raises' could not be built: ValueError at app/server/recipes.py" in str(failed.value)
    assert "secret" not in str(failed.value)
