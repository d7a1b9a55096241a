"""An assistant that needs a variable is hosted only where the operator has set it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from loguru import logger
from pipecat.workers.base_worker import BaseWorker
from websockets import InvalidStatus
from websockets.asyncio.client import connect

from agents import SessionContext, assistant, discover
from app.errors import SettingsError
from app.hosted import hosted
from app.server import create_app, running_server
from app.settings import Settings
from tests.app.server.conftest import TOKEN

BEARER = {"Authorization": f"Bearer {TOKEN}"}
WHY = (
    "The assistant 'code' is not hosted: "
    "set PROJECT_PATH to the directory that callers may have read to them"
)


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What the log says, line by line."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="INFO")
    yield lines
    logger.remove(sink)


@pytest.fixture(autouse=True)
def started_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROJECT_PATH", raising=False)


async def names(address: str) -> list[str]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(
            f"{address.replace('ws', 'http', 1)}/v1/assistants", headers=BEARER
        )
    return [entry["name"] for entry in answer.json()]


async def test_without_the_variable_the_assistant_is_not_there_and_the_log_says_why(
    settings: Settings, told: list[str]
) -> None:
    async with running_server(settings, discover()) as (address, _):
        assert "acme" in await names(address)
        assert "code" not in await names(address)
        with pytest.raises(InvalidStatus, match="404"):
            await connect(f"{address}/ws/code", additional_headers=BEARER)
    assert [line for line in told if "'code'" in line] == [WHY]


@pytest.mark.parametrize("where", ["environment", ".env"])
async def test_with_the_variable_it_is_there(
    settings: Settings,
    told: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    if where == ".env":
        Path(".env").write_text(f"PROJECT_PATH={tmp_path}\n")
    else:
        monkeypatch.setenv("PROJECT_PATH", str(tmp_path))
    async with running_server(settings, discover()) as (address, _):
        assert "code" in await names(address)
        async with connect(f"{address}/ws/code", additional_headers=BEARER) as line:
            await line.recv()
    assert WHY not in told


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setenv("PROJECT_PATH", "")
    assert "code" not in hosted(settings, discover())


def test_a_default_assistant_that_is_not_hosted_is_a_wrong_setting() -> None:
    settings = Settings(default_assistant="code")
    with pytest.raises(SettingsError, match=r"TRUNKLINE_DEFAULT_ASSISTANT: .* set PROJECT_PATH to"):
        create_app(settings, discover())


def test_everything_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    @assistant("desk", exports=("desk",), server_needs={"FLOOR": "a number", "DOOR": "a name"})
    def desk(session: SessionContext) -> Sequence[BaseWorker]:
        return []

    assert desk.not_hosted == (
        "the assistant 'desk' is not hosted: set FLOOR to a number and DOOR to a name"
    )
    monkeypatch.setenv("FLOOR", "1")
    assert desk.not_hosted == "the assistant 'desk' is not hosted: set DOOR to a name"
    monkeypatch.setenv("DOOR", "left")
    assert desk.not_hosted is None
