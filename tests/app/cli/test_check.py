"""`check` and `voices`: what is set, what is wrong, what there is to choose."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import agents.acme
from agents import Say
from app.loopback import serve_on_loopback
from app.services import probes
from app.settings import Settings
from tests.app.cli.programs import ended, environment, run
from tests.brokers.redis import redis_server
from tests.emulators import cartesia, deepgram, openai
from tests.emulators.cartesia import CartesiaEmulator
from tests.emulators.deepgram import DeepgramEmulator
from tests.emulators.openai import OpenAIEmulator
from tests.proxy.conversation import within


@pytest.fixture
async def vendor() -> AsyncIterator[dict[str, str]]:
    async with serve_on_loopback(CartesiaEmulator().app) as url:
        yield {"CARTESIA_API_KEY": cartesia.KEY, "CARTESIA_BASE_URL": url}


@pytest.fixture
async def vendors(vendor: dict[str, str]) -> AsyncIterator[dict[str, str]]:
    async with (
        serve_on_loopback(OpenAIEmulator(lambda turn: Say("")).app) as llm,
        serve_on_loopback(DeepgramEmulator(()).app) as stt,
    ):
        yield {
            **vendor,
            "OPENAI_API_KEY": openai.KEY,
            "OPENAI_BASE_URL": f"{llm}/v1",
            "DEEPGRAM_API_KEY": deepgram.KEY,
            "DEEPGRAM_BASE_URL": stt,
        }


async def test_the_vendors_are_asked_and_nothing_is_wrong(
    tmp_path: Path, vendors: dict[str, str]
) -> None:
    further = {**vendors, "TRUNKLINE_OPENAI_MODEL": openai.MODELS[0], "HTTP_PROXY": "http://x"}
    finished = await run("check", home=tmp_path, further=further)
    assert finished.code == 0, finished.err
    for key in (openai.KEY, deepgram.KEY, cartesia.KEY):
        assert key not in finished.out + finished.err


async def test_every_vendor_that_refuses_is_named_at_once(
    tmp_path: Path, vendors: dict[str, str]
) -> None:
    keys = {name: "not-a-key" for name in vendors if name.endswith("KEY")}
    finished = await run("check", home=tmp_path, further={**vendors, **keys})
    assert finished.code == 1
    assert "OPENAI_API_KEY: http://127.0.0.1:" in finished.err
    assert "/v1/models answered 401, so it is not valid" in finished.err
    assert "DEEPGRAM_API_KEY: http://127.0.0.1:" in finished.err
    assert "Cartesia answered 401" in finished.err
    assert "not-a-key" not in finished.out + finished.err


async def test_vendors_that_are_not_there_and_models_that_do_not_exist_are_named(
    tmp_path: Path, vendors: dict[str, str]
) -> None:
    further = {
        **vendors,
        "TRUNKLINE_OPENAI_MODEL": "gpt-0",
        "DEEPGRAM_BASE_URL": "ws://127.0.0.1:9",
        "TRUNKLINE_VOICE": "[/gone]",
    }
    finished = await run("check", home=tmp_path, further=further)
    assert finished.code == 1
    assert "TRUNKLINE_OPENAI_MODEL" in finished.err
    assert "lists no model 'gpt-0'" in finished.err
    assert "DEEPGRAM_BASE_URL: http://127.0.0.1:9/v1/auth/token cannot be reached" in finished.err
    assert "cartesia has no voice '[/gone]'" in finished.err


async def test_a_base_url_without_its_path_is_noticed(
    tmp_path: Path, vendors: dict[str, str]
) -> None:
    url = vendors["OPENAI_BASE_URL"].removesuffix("/v1")
    finished = await run("check", home=tmp_path, further={**vendors, "OPENAI_BASE_URL": url})
    assert finished.code == 1
    assert f"OPENAI_BASE_URL: {url}/models answered 404" in finished.err


async def test_a_vendor_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(probes, "PROBE_TIMEOUT_S", 0.2)
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = Settings(
        openai_base_url=url,
        deepgram_api_key="x",  # type: ignore[arg-type]
        deepgram_base_url=url,
    )
    async with server:
        problems = await within(probes.probe_vendors(settings))
    assert len(problems) == 2
    assert all("did not answer within 0.2 s" in problem for problem in problems)


async def test_urls_that_are_none_are_all_named_and_never_repeated(tmp_path: Path) -> None:
    further = {
        "OPENAI_BASE_URL": "ftp://me:secret@x",
        "DEEPGRAM_BASE_URL": "https://me:secret@x:99999",
        "CARTESIA_BASE_URL": "http://[secret",
    }
    finished = await run("check", home=tmp_path, further=further)
    assert finished.code == 1
    assert "OPENAI_BASE_URL: a base URL starts with https:// or http" in finished.err
    assert "DEEPGRAM_BASE_URL: a base URL has a port from 1 to" in finished.err
    assert "CARTESIA_BASE_URL: a base URL is not a URL" in finished.err
    assert "secret" not in finished.out + finished.err


async def test_what_a_url_holds_is_not_shown(tmp_path: Path, vendors: dict[str, str]) -> None:
    plain = vendors["OPENAI_BASE_URL"]
    url = plain.replace("http://", "http://me:secret@") + "?token=secret"
    finished = await run("check", home=tmp_path, further={**vendors, "OPENAI_BASE_URL": url})
    assert plain in finished.out
    assert "secret" not in finished.out + finished.err


async def test_nothing_is_wrong_out_of_the_box(tmp_path: Path) -> None:
    finished = await run("check", home=tmp_path)
    assert finished.code == 0, finished.err
    assert "Nothing is wrong." in finished.err
    assert "TRUNKLINE_PORT" in finished.out
    assert "127.0.0.1:8765" in finished.out


async def test_a_broker_is_asked_and_is_there(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis:
        further = {"TRUNKLINE_BUS_URL": redis.url}
        finished = await run("check", home=tmp_path, further=further)
    assert finished.code == 0, finished.err


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://me:hush@127.0.0.1:9", "redis://127.0.0.1:9 cannot be used: the broker is away"),
        ("rediss://me:hush@127.0.0.1:9?ssl_ca_cert=hush", "has no option 'ssl_ca_cert'"),
        ("postgresql://me:hush@127.0.0.1:9/x", "postgresql://127.0.0.1:9/x"),
    ],
)
async def test_a_broker_that_cannot_be_used_is_named_and_no_secret(
    tmp_path: Path, url: str, problem: str
) -> None:
    finished = await run("check", home=tmp_path, further={"TRUNKLINE_BUS_URL": url})
    assert finished.code == 1
    assert "TRUNKLINE_BUS_URL: " in finished.err
    assert problem in finished.err
    assert "hush" not in finished.out + finished.err


async def test_somebody_elses_database_is_not_wrong(tmp_path: Path) -> None:
    further = {"DATABASE_URL": "postgresql://127.0.0.1:9/x"}
    finished = await run("check", home=tmp_path, further=further)
    assert finished.code == 0, finished.err
    assert "DATABASE_URL: postgresql://127.0.0.1:9/x" in finished.err


async def test_secrets_are_not_shown(tmp_path: Path) -> None:
    further = {
        "OPENAI_API_KEY": "sk-very-secret",
        "OPENAI_BASE_URL": "http://127.0.0.1:9",
        "TRUNKLINE_TOKENS": "very-secret-token-1,very-secret-token-2",
        "TRUNKLINE_TTS": "embedded",
    }
    finished = await run("check", home=tmp_path, further=further)
    assert "secret" not in finished.out + finished.err
    assert "2 set, not shown" in finished.out


async def test_a_voice_that_does_not_exist_is_found_before_a_caller_does(
    tmp_path: Path, vendor: dict[str, str]
) -> None:
    finished = await run("check", home=tmp_path, further={**vendor, "TRUNKLINE_VOICE": "gone"})
    assert finished.code == 1
    assert "TRUNKLINE_VOICE: cartesia has no voice 'gone'" in finished.err
    good = next(iter(cartesia.VOICES))
    finished = await run("check", home=tmp_path, further={**vendor, "TRUNKLINE_VOICE": good})
    assert finished.code == 0, finished.err
    assert cartesia.KEY not in finished.out + finished.err


async def test_an_embedded_voice_that_does_not_exist_is_found_too(tmp_path: Path) -> None:
    finished = await run("check", home=tmp_path, further={"TRUNKLINE_VOICE": "nobody"})
    assert finished.code == 1
    assert "embedded has no voice 'nobody'; `trunkline voices` lists them" in finished.err


async def test_everything_wrong_is_listed(tmp_path: Path) -> None:
    further = {
        "TRUNKLINE_DEFAULT_ASSISTANT": "nobody",
        "CARTESIA_API_KEY": "x",
        "CARTESIA_BASE_URL": "http://127.0.0.1:9",
    }
    finished = await run("check", home=tmp_path, further=further)
    assert finished.code == 1
    assert "there is no assistant 'nobody'" in finished.err
    assert "Cartesia cannot be reached" in finished.err


async def test_a_module_in_the_current_folder_is_found_by_the_installed_program(
    tmp_path: Path,
) -> None:
    source = Path(agents.acme.__file__).read_text().replace('"acme",', '"mine",')
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "my_assistants.py").write_text(source)
    further = {"TRUNKLINE_ASSISTANT_MODULES": "my_assistants"}
    checking = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "trunkline",
        "check",
        env=environment(tmp_path, further),
        cwd=tmp_path / "mine",
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    async with ended(checking):
        _, told = await within(checking.communicate(), 60)
    assert checking.returncode == 0, told


async def test_voices_of_the_vendor_are_listed(tmp_path: Path, vendor: dict[str, str]) -> None:
    finished = await run("voices", home=tmp_path, further=vendor)
    assert finished.code == 0, finished.err
    for voice, name in cartesia.VOICES.items():
        assert voice in finished.out
        assert name in finished.out


async def test_embedded_voices_are_listed(tmp_path: Path) -> None:
    finished = await run("voices", home=tmp_path)
    assert finished.code == 0, finished.err
    assert "slt" in finished.out


async def test_what_a_server_does_not_host_is_told_and_not_wrong(tmp_path: Path) -> None:
    why = "the assistant 'code' is not hosted: set PROJECT_PATH to"
    finished = await run("check", home=tmp_path)
    assert finished.code == 0, finished.err
    assert why in " ".join(finished.err.split())
    finished = await run("check", home=tmp_path, further={"PROJECT_PATH": "."})
    assert finished.code == 0, finished.err
    assert "not hosted" not in finished.err
    finished = await run("check", home=tmp_path, further={"TRUNKLINE_DEFAULT_ASSISTANT": "code"})
    assert finished.code == 1
    assert f"TRUNKLINE_DEFAULT_ASSISTANT: {why}" in " ".join(finished.err.split())
