"""The recogniser's process while it still loads its models."""

import asyncio
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from pipecat.clocks.system_clock import SystemClock
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.utils.asyncio.task_manager import TaskManager
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


PHRASES = ("how much are the rocket boots",)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process has its temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Have decoders load for ever; set when one does."""
    (tmp_path / "pocketsphinx.py").write_text(LOADING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sphinx_stt, "STOP_TIMEOUT_S", 600.0)
    loading = asyncio.Event()
    plain = asyncio.create_subprocess_exec

    async def begun(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
        process = await plain(*arguments, stderr=asyncio.subprocess.PIPE, **options)
        assert process.stderr is not None
        await process.stderr.readline()
        loading.set()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", begun)
    return loading


async def test_a_recogniser_that_is_still_loading_ends_at_once(
    temporary: Path, loading: asyncio.Event
) -> None:
    before = descendants(os.getpid())
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(PipelineWorker(Pipeline([SphinxSTTService(PHRASES)])))
    running = asyncio.create_task(runner.run())
    await within(loading.wait(), 60)
    assert [path.name for path in temporary.rglob("*.arpa")] == ["phrases.arpa"]
    await runner.cancel()
    await within(running, 30)
    assert list(temporary.iterdir()) == []
    assert descendants(os.getpid()) == before


async def test_a_recogniser_that_nobody_cleans_up_leaves_nothing_of_its_loading(
    temporary: Path, loading: asyncio.Event
) -> None:
    before = descendants(os.getpid())
    service = SphinxSTTService(PHRASES)
    starting = asyncio.create_task(service.setup(the_setup()))
    await within(loading.wait(), 60)
    starting.cancel()
    await within(asyncio.wait({starting}), 30)
    assert starting.cancelled()
    assert list(temporary.iterdir()) == []
    assert descendants(os.getpid()) == before


async def test_a_recogniser_that_does_not_load_in_time_leaves_nothing(
    temporary: Path, loading: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = descendants(os.getpid())
    monkeypatch.setattr(sphinx_stt, "READY_TIMEOUT_S", 0.01)
    with pytest.raises(TimeoutError):
        await within(SphinxSTTService(PHRASES).setup(the_setup()), 60)
    assert list(temporary.iterdir()) == []
    assert descendants(os.getpid()) == before


async def test_a_recogniser_whose_end_is_cut_short_leaves_nothing(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = descendants(os.getpid())
    monkeypatch.setattr(sphinx_stt, "STOP_TIMEOUT_S", 600.0)
    service = SphinxSTTService(PHRASES)
    await within(service.setup(the_setup()), 60)
    assert list(temporary.iterdir()) == []
    (decoder,) = descendants(os.getpid()) - before
    os.kill(decoder, signal.SIGSTOP)
    ending = asyncio.create_task(service.cleanup())
    process = service._process
    assert process is not None
    assert process.stdin is not None
    await within(process.stdin.wait_closed(), 30)
    ending.cancel()
    await within(asyncio.wait({ending}), 30)
    await within(process.wait(), 30)
    assert descendants(os.getpid()) == before


def the_setup() -> FrameProcessorSetup:
    """What a pipeline offers."""
    return FrameProcessorSetup(SystemClock(), TaskManager(), PipelineWorker(Pipeline([])))


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
