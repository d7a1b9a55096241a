import logging
import sys
from collections.abc import Iterator

import pytest
from loguru import logger

from app.logs import configure_logs, public_part, quiet_uvicorn


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Put the logs of the tests back."""
    yield
    logger.remove()
    logger.configure(patcher=lambda record: None)
    logger.add(sys.stderr, level="WARNING", diagnose=False)


@pytest.mark.parametrize(
    ("message", "public"),
    [
        ("caller: Something went wrong: Frame#0(my secret)", "caller: Something went wrong"),
        ("TTS#0: Generating TTS [I am ill]", "TTS#0: Generating TTS (withheld)"),
        ("Error code: 401 - {'error': 'sk-1'}", "Error code: 401 - (withheld)"),
        ("plain words", "plain words"),
        ('said "hello"', "said (withheld)"),
    ],
)
def test_a_librarys_message_is_cut_before_its_content(message: str, public: str) -> None:
    assert public_part(message) == public


def test_a_librarys_debug_messages_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("DEBUG")
    exec(  # a record takes its name from the module that logs
        "from loguru import logger\nlogger.debug('Transcription: [I am ill]')\n"
        "logger.warning('Gave up on [I am ill]')",
        {"__name__": "pipecat.services.stt"},
    )
    shown = capsys.readouterr().err
    assert "ill" not in shown
    assert "Gave up on (withheld)" in shown


def test_records_of_the_standard_library_are_shown_without_content(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("DEBUG")
    logging.getLogger("uvicorn.error").warning('"WebSocket /ws?ticket=%s"', "secret")
    logging.getLogger("uvicorn.error").info("accepted /ws?ticket=secret")
    logging.getLogger("somewhere").warning("disk is full")
    shown = capsys.readouterr().err
    assert "secret" not in shown
    assert "disk is full" in shown


def test_a_traceback_shows_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO")
    token = "very-secret"
    try:
        int(f"{token}"[:0])
    except ValueError:
        logger.exception("It failed")
    shown = capsys.readouterr().err
    assert "It failed" in shown
    assert "ValueError" in shown
    assert "very-secret" not in shown.replace('token = "very-secret"', "")


def test_a_line_names_its_session(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO")
    with logger.contextualize(session="abcd1234"):
        logger.info("Session starts")
    assert "[abcd1234] Session starts" in capsys.readouterr().err


def test_the_servers_of_others_are_quiet() -> None:
    import uvicorn.config

    quiet_uvicorn()
    loggers = uvicorn.config.LOGGING_CONFIG["loggers"]
    assert {entry["level"] for entry in loggers.values()} == {"WARNING"}
    assert all(not entry["handlers"] for entry in loggers.values())
