"""Recipes that block hold up nobody but their own caller."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from pipecat.workers.base_worker import BaseWorker
from websockets.asyncio.client import connect

from agents import Assistants, Recipe, SessionContext
from app.server import running_server
from app.server.building import Builder, RecipeFailedError
from app.server.serving import SessionServer
from app.settings import Settings
from proxy import CloseCode
from tests.agents.no_services import NO_SERVICES
from tests.app.server.test_door import refusal
from tests.app.server.test_sessions import close_code
from tests.proxy.conversation import within

SESSION = SessionContext(session_id="1", principal="test", services=NO_SERVICES)

# Recipes that block wait for this, so that no thread of theirs outlives its test.
let_go = threading.Event()
entered = threading.Event()


def blocks(session: SessionContext) -> Sequence[BaseWorker]:
    entered.set()
    let_go.wait(60)
    return [BaseWorker("assistant")]


async def hangs(session: SessionContext) -> Sequence[BaseWorker]:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets this event")


async def stubborn(session: SessionContext) -> Sequence[BaseWorker]:
    for _ in range(2):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    return []


async def waits(session: SessionContext) -> Sequence[BaseWorker]:
    await asyncio.sleep(0)
    asyncio.get_running_loop()
    return [BaseWorker("assistant")]


def quick(session: SessionContext) -> Sequence[BaseWorker]:
    return [BaseWorker("assistant"), BaseWorker(threading.current_thread().name)]


def recipe(build: object) -> Recipe:
    return Recipe(build.__name__, ("assistant",), build)  # type: ignore[attr-defined, arg-type]


ASSISTANTS = Assistants(
    [Recipe("acme", ("assistant",), quick), *map(recipe, (blocks, hangs, stubborn, waits, quick))]
)

Running = tuple[str, SessionServer]


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    let_go.clear()
    entered.clear()
    settings = Settings(port=0, start_timeout_s=0.5)
    async with running_server(settings, ASSISTANTS) as running:
        yield running
        let_go.set()


@pytest.mark.parametrize("name", ["blocks", "hangs", "stubborn"])
async def test_a_recipe_that_never_returns_meets_the_start_deadline(
    running: Running, name: str
) -> None:
    async with connect(f"{running[0]}/ws/{name}") as socket:
        assert await close_code(socket) == CloseCode.START_TIMED_OUT
    await within(running[1].sessions.wait_empty())


async def test_while_a_recipe_blocks_others_are_served(running: Running) -> None:
    async with connect(f"{running[0]}/ws/blocks") as blocked:
        async with connect(f"{running[0]}/ws/quick") as other:
            assert isinstance(await within(other.recv()), bytes)
            assert len(running[1].sessions) == 2
        let_go.set()
        assert isinstance(await within(blocked.recv()), bytes)


async def test_a_recipe_may_be_a_coroutine_function(running: Running) -> None:
    async with connect(f"{running[0]}/ws/waits") as socket:
        assert isinstance(await within(socket.recv()), bytes)


async def test_a_caller_whose_recipe_blocks_is_told_of_the_end_of_the_server(
    running: Running,
) -> None:
    async with connect(f"{running[0]}/ws/blocks") as socket:
        assert await asyncio.to_thread(entered.wait, 10)
        running[1].stop()
        assert await close_code(socket) == CloseCode.GOING_AWAY


async def test_when_every_thread_is_stuck_callers_get_503_until_one_is_not(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, server = running
    monkeypatch.setattr(server.state, "builder", Builder(max_threads=2))
    for _ in range(2):
        async with connect(f"{url}/ws/blocks") as socket:
            assert await close_code(socket) == CloseCode.START_TIMED_OUT
    assert server.state.builder.stuck == 2
    response = await refusal(f"{url}/ws/quick")
    assert (response.status_code, response.json()["code"]) == (503, "full")
    assert int(response.headers["retry-after"]) > 0
    async with connect(f"{url}/ws/waits") as needs_no_thread:
        assert isinstance(await within(needs_no_thread.recv()), bytes)
    let_go.set()
    await within(server.state.builder.build(recipe(quick), SESSION))
    assert server.state.builder.stuck < 2
    async with connect(f"{url}/ws/quick") as socket:
        assert isinstance(await within(socket.recv()), bytes)


async def test_there_are_never_more_threads_than_the_bound() -> None:
    at_work: list[None] = []
    counts: list[int] = []

    def slow(session: SessionContext) -> Sequence[BaseWorker]:
        at_work.append(None)
        time.sleep(0.02)
        counts.append(len(at_work))
        at_work.pop()
        return [BaseWorker("assistant")]

    builder = Builder(max_threads=2)
    await asyncio.gather(*(builder.build(recipe(slow), SESSION) for _ in range(6)))
    assert max(counts) <= 2
    assert len(counts) == 6


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, StopIteration, GeneratorExit])
async def test_whatever_a_recipe_raises_in_its_thread_is_an_error(
    error: type[BaseException],
) -> None:
    def fails(session: SessionContext) -> Sequence[BaseWorker]:
        raise error

    with pytest.raises(RecipeFailedError, match=error.__name__):
        await within(Builder().build(recipe(fails), SESSION))


async def test_a_plain_function_is_given_a_daemon_thread() -> None:
    tasks = await Builder().build(recipe(quick), SESSION)
    assert [task.name for task in tasks] == ["assistant", "recipe"]
