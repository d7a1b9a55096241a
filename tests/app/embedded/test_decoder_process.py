"""The recogniser's process while it still loads its models."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

from app.embedded import sphinx_stt
from app.embedded.sphinx_stt import SphinxSTTService
from tests.app.cli.programs import descendants, ended, press_ctrl_c, read_until, start
from tests.app.cli.test_talking import QUESTION
from tests.proxy.conversation import within

# Loads its models for ever, in the process of the decoder only, and says so.
LOADING = """
import sys, time
if sys.argv[0].endswith("sphinx_worker.py"):
    print("loading", file=sys.stderr, flush=True)
    time.sleep(600)
"""


async def test_a_recogniser_that_is_still_loading_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pocketsphinx.py").write_text(LOADING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sphinx_stt, "STOP_TIMEOUT_S", 600.0)
    service = SphinxSTTService()
    loading = asyncio.Event()
    plain = asyncio.create_subprocess_exec

    async def begun(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
        process = await plain(*arguments, stderr=asyncio.subprocess.PIPE, **options)
        assert process.stderr is not None
        await process.stderr.readline()
        loading.set()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", begun)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(PipelineWorker(Pipeline([service])))
    running = asyncio.create_task(runner.run())
    await within(loading.wait(), 60)
    await runner.cancel()
    await within(running, 30)


async def test_ctrl_c_ends_a_call_whose_recogniser_is_still_loading(tmp_path: Path) -> None:
    (tmp_path / "pocketsphinx.py").write_text(LOADING)
    call = await start("call", "--assistant", "acme", "--wav", str(QUESTION), home=tmp_path)
    async with ended(call):
        assert call.stderr is not None
        await read_until(call.stderr, "loading")
        working = descendants(call.pid)
        press_ctrl_c(call)
        _, errors = await within(call.communicate(), 30)
    assert call.returncode == 130
    assert errors.decode().splitlines() == ["", "Hanging up."]
    assert not [pid for pid in working if Path(f"/proc/{pid}").exists()]
