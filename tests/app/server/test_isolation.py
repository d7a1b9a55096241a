"""An assistant that asks the process to end, ends its own session."""

import asyncio
import contextlib
import gc
import sys
import warnings
import weakref

import pytest
import websockets

from agents import Recipe
from app.server.isolation import contain_exits, contained
from proxy import CloseCode
from tests.app.server.quitters import QUITTERS
from tests.app.server.test_sessions import (
    Running,
    close_code,
    emptied,
    hear_words,
    opened,
    ready,
    say,
)
from tests.proxy.conversation import within


@pytest.mark.parametrize("recipe", QUITTERS, ids=lambda recipe: recipe.name)
async def test_an_exit_in_one_session_is_the_end_of_that_session_alone(
    running: Running, recipe: Recipe
) -> None:
    async with opened(running[0], "parrot") as other, opened(running[0], recipe.name) as socket:
        await ready(other)
        with contextlib.suppress(websockets.ConnectionClosed):
            await ready(socket)
            await say(socket, "please")
        assert await close_code(socket) == CloseCode.ASSISTANT_FAILED
        await say(other, "one two")
        assert await hear_words(other, 2) == ["one", "two"]
    await emptied(running)
    async with opened(running[0], "parrot") as another:
        await ready(another)


async def test_an_exit_is_told_once_and_its_task_is_cancelled() -> None:
    told: list[BaseException] = []

    async def leave() -> None:
        sys.exit(3)

    contain_exits(asyncio.get_running_loop())
    tell = lambda error: told.append(error)  # noqa: E731
    with contained(weakref.ref(tell)):
        task = asyncio.create_task(leave(), name="leaving")
    await within(asyncio.wait({task}))
    assert task.cancelled()
    assert task.get_name() == "leaving"
    assert [type(error) for error in told] == [SystemExit]


async def test_what_is_raised_or_returned_otherwise_is_as_it_was() -> None:
    async def answer(value: int) -> int:
        if value < 0:
            raise ValueError("negative")
        return value

    contain_exits(asyncio.get_running_loop())

    def tell(error: BaseException) -> None:
        pytest.fail("nothing was to be told")

    with contained(weakref.ref(tell)):
        assert await asyncio.create_task(answer(7)) == 7
        with pytest.raises(ValueError, match="negative"):
            await asyncio.create_task(answer(-1))


async def test_a_task_that_is_cancelled_before_it_began_leaves_no_warning() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    contain_exits(asyncio.get_running_loop())
    with warnings.catch_warnings(), contained(lambda: None):
        warnings.simplefilter("error")
        task = asyncio.create_task(wait())
        task.cancel()
        await within(asyncio.wait({task}))
        del task
        gc.collect()


async def test_a_loop_is_made_to_contain_only_once() -> None:
    loop = asyncio.get_running_loop()
    contain_exits(loop)
    factory = loop.get_task_factory()
    contain_exits(loop)
    assert loop.get_task_factory() is factory
