"""After sessions that ended in every way, nothing of them is left."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.proxy.conversation import within

ROOT = Path(__file__).parents[3]

LONG_S = 580.0
FEW_BYTES = 5 * 1024 * 1024


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_thousand_sessions_leave_nothing() -> None:
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.app.server.thousand_sessions"),
        stdout=pipe,
        stderr=pipe,
        cwd=ROOT,
    )
    try:
        out, errors = await within(program.communicate(), LONG_S)
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    # It fails by itself if a task, a thread or a socket is left, or what keeps a session.
    assert program.returncode == 0, errors.decode()[-4000:]
    told = json.loads(out)
    assert told["sessions"] >= 1000
    assert told["last"]["resident_bytes"] - told["first"]["resident_bytes"] < FEW_BYTES
    assert told["listed"] == told["slots"] == 0
