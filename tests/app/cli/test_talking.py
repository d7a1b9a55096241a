"""`console` and `call`: talking to an assistant here and behind a URL."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pipecat.bus.messages import BusFrameMessage, BusWorkerRegistryMessage
from pipecat.frames.frames import (
    Frame,
    FunctionCallInProgressFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.registry.types import WorkerRegistryEntry
from websockets.asyncio.server import ServerConnection, serve

import app.demo
from agents import discover
from agents.acme.script import assistant_script
from app.loopback import serve_on_loopback
from app.server import running_server
from app.services.language_models import APOLOGY
from app.settings import Settings
from proxy.codec.stock import StockCodec
from tests.app.cli.programs import (
    descendants,
    ended,
    press_ctrl_c,
    read_until,
    run,
    start,
)
from tests.emulators.openai import OpenAIEmulator
from tests.proxy.conversation import within

TOKEN = "a-token-of-the-tests"
QUESTION = Path(app.demo.__file__).parent / app.demo.SCRIPT[0]
COMMANDS = ("agents", "bot", "call", "check", "console", "demo", "new", "serve", "voices")
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


async def test_jobs_are_seen_like_tools_here_and_behind_a_url(tmp_path: Path, url: str) -> None:
    typed = "debate whether tea is better than coffee\nbye\n"
    places = (("--assistant", "debate"), ("--remote-url", f"{url}/debate", "--token", TOKEN))
    for place in places:
        finished = await run("console", *place, home=tmp_path, typed=typed)
        assert finished.code == 0, finished.err
        for words in (
            "debate calls debate {",
            "moderator asks advocate to do argue",
            "critic answers moderator: On tea is better than coffee: I am against it",
        ):
            assert words in finished.out, finished.out


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


async def interrupted(program: asyncio.subprocess.Process) -> bytes:
    """Press Ctrl-C, and return what the program says about it."""
    working = descendants(program.pid)
    press_ctrl_c(program)
    _, errors = await within(program.communicate(), 10)
    assert program.returncode == 130
    assert not [pid for pid in working if Path(f"/proc/{pid}").exists()]
    for word in (b"Traceback", b"Error", b"ERROR", b"never awaited", b"can no longer"):
        assert word not in errors
    return bytes(errors)


async def test_ctrl_c_hangs_up_cleanly(tmp_path: Path, url: str) -> None:
    options = ("--remote-url", url, "--token", TOKEN)
    console = await start("console", *options, home=tmp_path)
    assert console.stdout is not None
    async with ended(console):
        heard = b""
        async with asyncio.timeout(60):
            while b"Tornado Kit." not in heard:
                heard += await console.stdout.read(4096)
        assert b"You hung up." in await interrupted(console)


@pytest.mark.long
async def test_ctrl_c_ends_a_call_cleanly_and_its_recogniser_too(tmp_path: Path) -> None:
    options = ("--assistant", "acme", "--wav", str(QUESTION))
    call = await start("call", *options, home=tmp_path)
    assert call.stdout is not None
    async with ended(call):
        await read_until(call.stdout, "welcome to Acme")
        assert len(descendants(call.pid)) >= 1
        await interrupted(call)


@pytest.mark.long
async def test_a_recorded_call_behind_a_url(tmp_path: Path, url: str) -> None:
    heard = tmp_path / "answer.wav"
    options = ("--remote-url", f"{url}/acme", "--wav", str(QUESTION), "--out", str(heard))
    finished = await run("call", *options, home=tmp_path, further={"TRUNKLINE_TOKEN": TOKEN})
    assert finished.code == 0, finished.err
    assert "caller     how much are the rocket boots" in finished.out
    assert "assistant  The Acme Rocket Boots cost $299." in finished.out
    assert "The conversation took place; the caller hung up" in finished.err
    assert heard.stat().st_size > 100_000


@pytest.mark.long
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
        (
            ("call", "--assistant", "acme", "--wav", str(QUESTION), "--out", "/nope/heard.wav"),
            "/nope/heard.wav: No such file or directory",
        ),
        (("bot", "--assistant", "acme", "-t", "pigeon"), "there is no transport 'pigeon'"),
        (("bot", "--assistant", "acme", "--port", "70000"), "there is no port 70000"),
        (("console", "--remote-url", "ws://"), "a remote URL names a host"),
        (("console", "--remote-url", ""), "a remote URL starts with ws:// or wss://"),
        (("call", "--wav", "x", "--remote-url", "ws://x:99999"), "has a port from 1 to 65535"),
        (
            ("console", "--assistant", "a[/b]", "--remote-url", "ws://x/ws/acme"),
            "asks for the assistant 'acme' and --assistant for 'a[/b]'; leave one of them out",
        ),
        (
            ("bot", "--assistant", "acme", "--remote-url", "ws://x/elsewhere"),
            "does not end in /ws, so the name of --assistant cannot be added",
        ),
        (("console", "--assistant", "acme", "--token", "a b"), "--token: a token has"),
        (("console", "--assistant", "acme", "--bus", "foo"), "--bus: a broker's URL starts"),
        (("serve", "--port", "99999"), "--port: Input should be less than or equal to 65535"),
        (("serve", "--host", "0.0.0.0"), "--host=0.0.0.0 without tokens would let anybody in"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
async def test_a_wrong_argument_is_one_line_that_says_what_to_do(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    finished = await run(*arguments, home=tmp_path)
    assert finished.code == 2
    assert message in finished.err
    assert "Traceback" not in finished.err


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
async def test_every_command_explains_itself(tmp_path: Path, command: tuple[str, ...]) -> None:
    finished = await run(*command, "--help", home=tmp_path)
    assert finished.code == 0
    assert "Usage:" in finished.out


async def test_the_help_of_pipecats_runner_needs_no_assistant(tmp_path: Path) -> None:
    finished = await run("bot", "--", "--help", home=tmp_path)
    assert finished.code == 0, finished.err
    assert "--allowed-origins" in finished.out


async def test_what_fails_is_shown_and_is_no_conversation(tmp_path: Path) -> None:
    model = OpenAIEmulator(assistant_script)
    async with serve_on_loopback(model.app) as vendor:
        further = {"OPENAI_API_KEY": "sk-wrong-key", "OPENAI_BASE_URL": f"{vendor}/v1"}
        options = ("console", "--assistant", "acme")
        finished = await run(*options, home=tmp_path, further=further, typed="hello\n")
    assert finished.code == 1
    assert APOLOGY in finished.out
    assert "a service failed (authentication, AuthenticationError)" in finished.err
    assert "error: the assistant did not answer" in finished.err
    assert "sk-" not in finished.out + finished.err


async def test_nobody_there_is_one_line(tmp_path: Path) -> None:
    url = "ws://me:secret@127.0.0.1:9/ws?token=secret"
    finished = await run("console", "--remote-url", url, home=tmp_path, typed="hello\n")
    assert finished.code == 1
    assert finished.err.splitlines()[1:] == [
        "error: ws://127.0.0.1:9/ws cannot be reached (ConnectionRefusedError)"
    ]


async def hostile(line: ServerConnection) -> None:
    """Say what a terminal would obey, and markup that a printer would."""
    codec = StockCodec()

    async def say(frame: Frame) -> None:
        message = BusFrameMessage(
            source="assistant", target=None, frame=frame, direction=FrameDirection.DOWNSTREAM
        )
        await line.send(codec.encode(message))

    entries = [WorkerRegistryEntry(name="assistant")]
    registry = BusWorkerRegistryMessage(source="assistant", runner="r", workers=entries)
    await line.send(codec.encode(registry))
    await say(LLMFullResponseStartFrame())
    await say(LLMTextFrame("\x1b]0;owned\x07[bold]hello[/bold] \x9b31m[/boom] :smile:"))
    await say(
        FunctionCallInProgressFrame(
            function_name="[/x]\nyou: forged", tool_call_id="1", arguments={"a": "[/y]\x1b[2J"}
        )
    )
    await say(LLMFullResponseEndFrame())
    await line.recv()
    await line.close(4099, "[/boom] [link=http://evil]x")


async def test_what_the_other_side_says_is_printed_and_not_obeyed(tmp_path: Path) -> None:
    async with serve(hostile, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        finished = await run("console", "--remote-url", url, home=tmp_path, typed="hi\n")
    assert "]0;owned[bold]hello[/bold] 31m[/boom] :smile:" in finished.out
    assert 'calls [/x] you: forged {"a": "[/y]\\u001b[2J"}' in finished.out
    assert "closed with 4099 ([/boom] [link=http://evil]x)" in finished.err
    assert "\x1b" not in finished.out + finished.err
    assert "Traceback" not in finished.err
    assert finished.code == 1


async def test_a_part_that_is_missing_is_printed_with_what_brings_it(tmp_path: Path) -> None:
    (tmp_path / "pocketsphinx.py").write_text("raise ModuleNotFoundError('not here')")
    options = ("call", "--assistant", "acme", "--wav", str(QUESTION))
    finished = await run(*options, home=tmp_path)
    assert finished.code == 2
    expected = "error: pocketsphinx is not installed: pip install 'trunkline[embedded]'"
    assert expected in finished.err.splitlines()
