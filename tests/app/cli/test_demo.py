"""The main job, as a new user runs it: no key, no network."""

import shlex
import signal
import socket
import wave
from pathlib import Path

import pytest
from websockets import InvalidStatus
from websockets.asyncio.client import connect

from app.embedded.sphinx_worker import SAMPLE_RATE_HZ, Ears
from tests.app.cli.programs import descendants, ended, free_port, read_until, run, start
from tests.proxy.conversation import within


def decoded(path: Path) -> str:
    """Say what PocketSphinx hears in a WAV file."""
    import numpy as np
    import soxr

    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
        heard = soxr.resample(samples.astype(np.float32), file.getframerate(), SAMPLE_RATE_HZ)
    ears = Ears(None)
    ears.start()
    ears.hear(heard.astype(np.int16).tobytes())
    return ears.finish()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_the_demonstration_runs_until_it_is_told_to_stop_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    port, bot_port = free_port(), free_port()
    ports = ("--port", str(port), "--bot-port", str(bot_port))
    # The tokens of the person's own server are not those of the demonstration.
    further = {"TRUNKLINE_TOKENS": "a-token-of-their-own"}
    demo = await start("demo", *ports, home=tmp_path, further=further)
    assert demo.stderr is not None
    async with ended(demo):
        told = await read_until(demo.stderr, "export TRUNKLINE_TOKEN=")
        token = told.split("=")[1].strip()
        command = shlex.split(await read_until(demo.stderr, "--wav"))
        assert Path(command[command.index("--wav") + 1]).is_file()
        url = command[command.index("--remote-url") + 1]
        assert url == f"ws://localhost:{port}/ws/acme"
        with pytest.raises(InvalidStatus, match="401"):
            await connect(url)
        async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as line:
            await within(line.recv())
        # The code assistant reads where the demonstration was started.
        async with connect(
            url.replace("/acme", "/code"), additional_headers={"Authorization": f"Bearer {token}"}
        ) as line:
            await within(line.recv())
        programs = descendants(demo.pid)
        assert len(programs) >= 2
        demo.send_signal(number)
        _, errors = await within(demo.communicate(), 20)
    assert demo.returncode == 0
    assert not [pid for pid in programs if Path(f"/proc/{pid}").exists()]
    assert b"Traceback" not in errors


async def test_a_port_of_the_demonstration_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        finished = await run("demo", "--port", port, home=tmp_path)
    assert finished.code == 2
    assert f"port {port} is in use; choose others with --port and --bot-port" in finished.err


@pytest.mark.long
async def test_the_demonstration_makes_a_call_without_key_or_network(tmp_path: Path) -> None:
    finished = await run("demo", "--call", home=tmp_path)
    assert finished.code == 0, finished.err
    assert "how much are the rocket boots" in finished.out
    assert "$299" in finished.out
    assert "thank you goodbye" in finished.out
    assert "Goodbye!" in finished.out
    heard = decoded(tmp_path / "demo-call.wav")
    assert "two hundred ninety nine dollars" in heard
    # Nobody reports the use of a library to its vendor.
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {"demo-call.wav", "sitecustomize.py"}
