"""What the parent knows of a process: how much it has to do."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from app.processes.child import Child
from app.processes.condition import Condition, ProcessState, Workload
from tests.app.cli.programs import ended


@pytest.fixture
async def child() -> AsyncIterator[Child]:
    """A process that takes what it is given in its own time, which never comes."""
    process = await asyncio.create_subprocess_exec("sleep", "600")
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    async with ended(process):
        child = Child(0, process, ours)
        with contextlib.closing(theirs):
            yield child
        process.kill()
        await child.gone()


def said(child: Child, *work: int) -> int:
    """Let the process say what it has to do; gives its load."""
    child.measured(Condition(0, ProcessState.READY, Workload(*work), 0.0))
    return child.load


async def test_a_busy_process_is_not_taken_for_an_idle_one(child: Child) -> None:
    one, other = socket.socketpair()
    with one, other:
        for count in range(1, 4):
            assert child.hand(one)
            assert child.load == count
    for work in ((0, 0, 0, 0), (0, 0, 1, 1), (0, 0, 3, 3), (1, 1, 3, 2), (3, 3, 3, 0)):
        assert said(child, *work) == 3, "whatever has become of them so far"
    assert said(child, 2, 3, 3, 0) == 2, "one session has ended"
    assert said(child, 0, 3, 3, 0) == 0
