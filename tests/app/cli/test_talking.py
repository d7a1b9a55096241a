"""`console` and `call`: talking to an assistant here and behind a URL."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import app.demo
from agents import discover
from app.server import running_server
from app.settings import Settings
from tests.app.cli.programs import ended, read_until, run, start
from tests.proxy.conversation import within

TOKEN = "a-token-of-the-tests"
QUESTION = Path(app.demo.__file__).parent / app.demo.SCRIPT[0]
CONVERSATION = "how much are the rocket boots?\n\nand the paint?\nbye\n"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    settings = Settings(port=0, host="127.0.0.1", tokens=TOKEN)  # type: ignore[arg-type]
    async with running_server(settings, discover()) as (address, _):
        yield f"{address}/ws"


def held(out: str) -> bool:
    """Tell whether the typed conversation took place, in order."""
    places = [
        out.find(words)
        for words in (
            "welcome to Acme",
            "you: how much are the rocket boots?",
            "$299",
            "you: and the paint?",
            "$49 per can",
            "you: bye",
            "acme calls end_conversation",
            "Goodbye!",
        )
    ]
    return -1 not in places and places == sorted(places)


async def test_a_typed_conversation_in_one_process(tmp_path: Path) -> None:
    finished = await run("console", "--assistant", "acme", home=tmp_path, typed=CONVERSATION)
    assert finished.code == 0, finished.err
    assert held(finished.out), finished.out
    assert "acme ended the conversation" in finished.err
    assert "a script answers, not a language model" in finished.err


async def test_a_typed_conversation_behind_a_url(tmp_path: Path, url: str) -> None:
    finished = await run(
        "console",
        "--remote-url",
        url,
        "--assistant",
        "acme",
        home=tmp_path,
        further={"TRUNKLINE_TOKEN": TOKEN},
        typed=CONVERSATION,
    )
    assert finished.code == 0, finished.err
    assert held(finished.out), finished.out


async def test_the_end_of_the_input_hangs_up(tmp_path: Path) -> None:
    finished = await run("console", "--assistant", "acme", home=tmp_path, typed="hello\n")
    assert finished.code == 0
    assert "You ended the conversation" in finished.err


async def test_ctrl_c_hangs_up_cleanly(tmp_path: Path, url: str) -> None:
    options = ("--remote-url", url, "--token", TOKEN)
    console = await start("console", *options, home=tmp_path)
    assert console.stdout is not None
    async with ended(console):
        heard = b""
        async with asyncio.timeout(60):
            while b"Tornado Kit." not in heard:
                heard += await console.stdout.read(4096)
        console.send_signal(signal.SIGINT)
        assert await within(console.wait()) == 0
        assert console.stderr is not None
        assert b"Traceback" not in await console.stderr.read()


async def test_a_recorded_call_behind_a_url(tmp_path: Path, url: str) -> None:
    heard = tmp_path / "answer.wav"
    options = ("--remote-url", f"{url}/acme", "--wav", str(QUESTION), "--out", str(heard))
    finished = await run("call", *options, home=tmp_path, further={"TRUNKLINE_TOKEN": TOKEN})
    assert finished.code == 0, finished.err
    assert "caller     how much are the rocket boots" in finished.out
    assert "assistant  The Acme Rocket Boots cost $299." in finished.out
    assert "The conversation took place; the caller hung up" in finished.err
    assert heard.stat().st_size > 100_000


async def test_a_recording_of_silence_is_no_conversation(tmp_path: Path) -> None:
    import wave

    silence = tmp_path / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(16000))
    finished = await run("call", "--assistant", "acme", "--wav", str(silence), home=tmp_path)
    assert finished.code == 1
    assert "silence.wav was not recognised as speech" in finished.err


async def test_a_wrong_token_is_one_line(tmp_path: Path, url: str) -> None:
    options = ("--remote-url", url, "--wav", str(QUESTION))
    finished = await run("call", *options, home=tmp_path, further={"TRUNKLINE_TOKEN": "wrong-one"})
    assert finished.code == 1
    assert "answered 403: the server does not accept this token" in finished.err
    assert "wrong-one" not in finished.err
    finished = await run("console", "--remote-url", url, home=tmp_path, typed="hello\n")
    assert finished.code == 1
    assert "answered 401: the server wants a token" in finished.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("console",), "say whom to talk to: --remote-url URL, or --assistant NAME (acme"),
        (("console", "--assistant", "nobody"), "there is no assistant 'nobody' here"),
        (("console", "--remote-url", "http://x"), "a remote URL starts with ws:// or wss://"),
        (("call", "--assistant", "acme", "--wav", "none.wav"), "none.wav: No such file"),
        (("bot", "--assistant", "acme", "-t", "pigeon"), "there is no transport 'pigeon'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_a_wrong_argument_is_one_line_that_says_what_to_do(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    finished = await run(*arguments, home=tmp_path)
    assert finished.code == 2
    assert message in finished.err
    assert "Traceback" not in finished.err


@pytest.mark.parametrize(
    "command", [(), ("serve",), ("bot",), ("call",), ("console",), ("check",), ("voices",)]
)
async def test_every_command_explains_itself(tmp_path: Path, command: tuple[str, ...]) -> None:
    finished = await run(*command, "--help", home=tmp_path)
    assert finished.code == 0
    assert "Usage:" in finished.out


async def test_a_bot_serves_its_page_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    bot = await start("bot", "--assistant", "acme", "--port", "0", home=tmp_path)
    assert bot.stdout is not None
    async with ended(bot):
        await read_until(bot.stdout, "Bot ready!")
        await asyncio.sleep(2)  # Pipecat's runner says that it is ready before it is
        bot.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            assert await bot.wait() in (0, -signal.SIGINT, 130)
