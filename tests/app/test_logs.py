"""Logs say what failed and where, and never what was said."""

import asyncio
import gc
import importlib
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from loguru import logger
from pipecat.frames.frames import ErrorFrame
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from app.logs import catch_strays, configure_logs, quiet_uvicorn
from proxy import DirectBus

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Put the logs of the tests back."""
    hooks = sys.unraisablehook, threading.excepthook
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    sys.unraisablehook, threading.excepthook = hooks
    root.handlers[:] = handlers
    root.setLevel(level)
    logger.remove()
    logger.configure(patcher=lambda record: None)
    logger.add(sys.stderr, level="WARNING", diagnose=False)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """Write a module of somebody else's and import it."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def write(source: str, name: str = "somebody_elses") -> ModuleType:
        (tmp_path / f"{name}.py").write_text(f"from loguru import logger\nimport logging\n{source}")
        made.append(name)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield write
    for name in made:
        sys.modules.pop(name, None)


SAID = "I have 4242, my key is sk-123"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ('logger.warning(f"Gave up on {said}")', "Gave up on …"),
        ('logger.warning(f"{said}: no such tool")', "…: no such tool"),
        ("logger.error(said)", "(withheld)"),
        ('logger.error("Lost {}", said)', "Lost {}"),
        ('logger.error("Lost %s" % said)', "Lost %s"),
        ('logger.error("Lost {}".format(said))', "Lost {}"),
        ('logger.opt(depth=0).error(f"Lost {said!r} twice")', "Lost … twice"),
        ('logger.log("ERROR", f"Lost {said}")', "Lost …"),
        ('logger.error(\n        f"Lost "\n        f"{said}"\n    )', "Lost …"),
        ('logger.critical("plain words")', "plain words"),
        ('logging.getLogger("x").warning("Lost %s", said)', "Lost %s"),
        ('logging.getLogger("x").error(f"Lost {said}")', "Lost …"),
        ('logging.getLogger("x").error(said)', "(withheld)"),
    ],
)
def test_of_others_records_only_the_words_of_their_source_are_shown(
    library: Callable[..., ModuleType], capsys: Capture, call: str, words: str
) -> None:
    configure_logs("DEBUG")
    library(f"def fail(said):\n    {call}\n").fail(SAID)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f": {words}"), line
    assert "x:4: " in line or "somebody_elses:4: " in line


@pytest.mark.parametrize("level", ["trace", "debug", "info", "success"])
def test_others_are_not_heard_below_a_warning_at_any_level(
    library: Callable[..., ModuleType], capsys: Capture, level: str
) -> None:
    configure_logs("TRACE")
    library(f"def talk():\n    logger.{level}('Transcription: [I am ill]')\n").talk()
    chatty = logging.getLogger("chatty")
    chatty.setLevel(logging.DEBUG)
    chatty.debug("Request: I am ill")
    assert capsys.readouterr().err == ""


def test_what_calls_itself_ours_is_not(library: Callable[..., ModuleType], capsys: Capture) -> None:
    configure_logs("DEBUG")
    source = "def talk():\n    logger.bind(origin='app').info('I am ill')\n"
    library(source, "apples").talk()
    logging.getLogger("app").warning("I am %s", "ill")
    assert "ill" not in capsys.readouterr().err


def test_modules_with_assistants_log_as_ours_do(
    library: Callable[..., ModuleType], capsys: Capture
) -> None:
    module = library("def talk():\n    logger.info(f'{1 + 1} tables are free')\n", "hotel")
    configure_logs("INFO")
    module.talk()
    assert capsys.readouterr().err == ""
    configure_logs("INFO", assistant_modules=("hotel",))
    module.talk()
    assert "2 tables are free" in capsys.readouterr().err


async def test_a_processor_that_fails_is_named_with_the_place(capsys: Capture) -> None:
    configure_logs("INFO")
    processor = FrameProcessor(name="ears")
    try:
        raise RuntimeError(SAID)
    except RuntimeError as error:
        await processor.push_error_frame(ErrorFrame(f"It failed: {SAID}", exception=error))
    shown = capsys.readouterr().err
    assert "ears failed at tests/app/test_logs.py:" in shown
    assert "4242" not in shown


async def test_two_workers_with_one_name_are_named(capsys: Capture) -> None:
    configure_logs("INFO")
    runner = WorkerRunner(name="runner-1", bus=DirectBus(), handle_sigint=False)
    await runner.add_workers(BaseWorker("gateway"), BaseWorker("gateway"))
    shown = capsys.readouterr().err
    assert "WorkerRunner 'runner-1': worker 'gateway' already exists, skipping" in shown


def test_a_value_cannot_pose_as_a_name(library: Callable[..., ModuleType], capsys: Capture) -> None:
    configure_logs("INFO")
    source = "class self:\n    pass\ndef fail(self, said):\n    logger.error(f'{said} {self}')\n"
    library(source).fail("name", "hidden")
    assert "hidden" not in (shown := capsys.readouterr().err)
    assert "… …" in shown


def test_an_exception_is_its_type_and_its_places(capsys: Capture) -> None:
    configure_logs("INFO")
    try:
        try:
            raise KeyError(SAID)
        except KeyError as error:
            raise ValueError(SAID) from error
    except ValueError:
        logger.exception("It failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "It failed: ValueError at tests/app/test_logs.py:" in line
    assert "in test_an_exception_is_its_type_and_its_places, after KeyError at " in line
    assert "4242" not in line


def test_a_group_of_exceptions_names_its_members(capsys: Capture) -> None:
    configure_logs("INFO")
    logger.opt(exception=ExceptionGroup(SAID, [OSError(SAID), ValueError(SAID)])).error("Failed")
    assert capsys.readouterr().err.endswith("Failed: ExceptionGroup of (OSError; ValueError)\n")


def test_an_exception_that_is_logged_as_a_message_is_not_lost(capsys: Capture) -> None:
    configure_logs("INFO")
    logging.getLogger("y").error(OSError(98, SAID))
    logging.getLogger("x").error("It failed: %s", ValueError(SAID))
    shown = capsys.readouterr().err
    assert "(withheld): OSError (Address already in use)" in shown
    assert "It failed: %s: ValueError" in shown
    assert "4242" not in shown


async def test_a_task_that_nobody_waits_for_leaves_a_record(capsys: Capture) -> None:
    configure_logs("INFO")

    async def fail() -> None:
        raise ValueError(SAID)

    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    del task
    gc.collect()
    shown = capsys.readouterr().err
    assert "Task exception was never retrieved: ValueError at tests/app/test_logs.py:" in shown
    assert "4242" not in shown


def test_what_fails_in_a_thread_or_a_finaliser_leaves_a_record(capsys: Capture) -> None:
    configure_logs("INFO")
    catch_strays(on_interrupt=lambda: None)

    def fail() -> None:
        raise ValueError(SAID)

    class Fragile:
        def __del__(self) -> None:
            fail()

    thread = threading.Thread(target=fail, name="keyboard")
    thread.start()
    thread.join()
    Fragile()
    shown = capsys.readouterr().err
    assert "The thread keyboard failed: ValueError at tests/app/test_logs.py:" in shown
    assert "A finaliser failed: ValueError at tests/app/test_logs.py:" in shown
    assert "4242" not in shown


def test_a_line_is_one_line_without_controls(capsys: Capture) -> None:
    configure_logs("INFO")
    record_as_ours("closed: \x1b[2Jbye\n12:00 ERROR forged")
    assert capsys.readouterr().err.endswith("closed: [2Jbye 12:00 ERROR forged\n")


def record_as_ours(message: str) -> None:
    exec("logger.info(message)", {"__name__": "app.x", "logger": logger, "message": message})


def test_a_line_names_its_session(capsys: Capture) -> None:
    configure_logs("INFO")
    with logger.contextualize(session="abcd1234"):
        record_as_ours("Session starts")
    assert "[abcd1234] Session starts" in capsys.readouterr().err


def test_the_servers_of_others_are_quiet() -> None:
    import uvicorn.config

    quiet_uvicorn()
    loggers = uvicorn.config.LOGGING_CONFIG["loggers"]
    assert {entry["level"] for entry in loggers.values()} == {"WARNING"}
    assert all(not entry["handlers"] for entry in loggers.values())


def test_a_line_for_programs_is_an_object_with_the_same_words(
    library: Callable[..., ModuleType], capsys: Capture
) -> None:
    configure_logs("INFO", log_format="json", assistant_modules=("hotel",))
    source = (
        "def talk():\n"
        "    with logger.contextualize(session='abcd1234', trace_id='4bf9'):\n"
        "        logger.info('<b>{}</b> tables \\x1b[2J\\nare {free}')\n"
    )
    library(source, "hotel").talk()
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert datetime.fromisoformat(said.pop("time")).utcoffset() == timedelta(0)
    assert said == {
        "level": "INFO",
        "message": said["message"],
        "logger": "hotel:5",
        "session": "abcd1234",
        "trace_id": "4bf9",
    }
    assert said["message"].startswith("<b>{}</b> tables ")
    assert "\x1b" not in said["message"]


def test_a_line_for_programs_has_the_type_of_an_error_and_not_its_text(
    library: Callable[..., ModuleType], capsys: Capture
) -> None:
    configure_logs("INFO", log_format="json")
    source = "def fail(error, said):\n    logger.opt(exception=error).error(f'Lost {said}')\n"
    try:
        raise RuntimeError(SAID)
    except RuntimeError as error:
        library(source).fail(error, SAID)
    said = json.loads(capsys.readouterr().err)
    assert said["message"] == "Lost …"
    assert said["error"].startswith("RuntimeError")
    assert "4242" not in str(said)
    assert said["logger"] == "somebody_elses:4"
    assert said.keys() == {"time", "level", "message", "logger", "error"}
