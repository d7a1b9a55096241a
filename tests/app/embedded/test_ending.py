"""Processes of ours that are killed, twice where two have a reason to."""

import asyncio
import signal
import subprocess

import pytest

from app.embedded.ending import kill
from tests.proxy.conversation import within


async def test_how_a_process_ended_is_left_to_who_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = await asyncio.create_subprocess_exec("sleep", "600")

    def look(_: object) -> None:
        raise AssertionError("who looks takes the exit code")

    with monkeypatch.context() as patch:
        patch.setattr(subprocess.Popen, "poll", look)
        kill(process)
        kill(process)
    assert await within(process.wait()) == -signal.SIGKILL
    kill(process)
