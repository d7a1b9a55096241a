"""The main job, as a new user runs it: no key, no network."""

import shlex
import signal
import socket
import wave
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from app.embedded.sphinx_worker import SAMPLE_RATE_HZ, Ears
from tests.app.cli.programs import ended, free_port, read_until, run, start
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
    port = free_port()
    (tmp_path / "secret.txt").write_text("a secret")
    # What is set for the person's own server is not for whoever reaches the demonstration.
    further = {
        "TRUNKLINE_TOKENS": "a-token-of-their-own",
        "TRUNKLINE_HOST": "0.0.0.0",
        "TRUNKLINE_PUBLIC_URL": "wss://voice.example",
        "TRUNKLINE_ALLOWED_ORIGINS": "https://voice.example",
        "PROJECT_PATH": str(tmp_path),
    }
    demo = await start("demo", "--port", str(port), home=tmp_path, further=further)
    assert demo.stderr is not None
    async with ended(demo):
        assert f"http://localhost:{port}/" in await read_until(demo.stderr, "Talk")
        command = shlex.split(await read_until(demo.stderr, "--wav"))
        assert Path(command[command.index("--wav") + 1]).is_file()
        url = command[command.index("--remote-url") + 1]
        assert url == f"ws://localhost:{port}/ws/acme"
        token = (await read_until(demo.stderr, "Watch")).split()[-1]
        async with connect(url) as line:
            await within(line.recv())
        async with httpx.AsyncClient(base_url=f"http://localhost:{port}") as client:
            assert (await client.get("/")).status_code in (200, 503)  # built here, or not
            listed = (await client.get("/v1/assistants")).json()
            assert "code" in {entry["name"] for entry in listed}
            theirs = {"Origin": "https://voice.example"}
            assert (await client.get("/v1/assistants", headers=theirs)).status_code == 403
            asked = await client.post("/v1/calls/tickets", json={})
            assert asked.json()["url"].startswith(f"ws://localhost:{port}/v1/calls/socket?")
            assert (await client.get("/v1/admin/sessions")).status_code == 403
            watching = await client.get(
                "/v1/admin/sessions", headers={"Authorization": f"Bearer {token}"}
            )
            assert watching.status_code == 200
        demo.send_signal(number)
        _, errors = await within(demo.communicate(), 20)
    assert demo.returncode == 0
    assert b"Traceback" not in errors


async def test_the_demonstrations_codebase_is_not_that_of_whoever_started_it(
    tmp_path: Path,
) -> None:
    port = free_port()
    (tmp_path / "secret.txt").write_text("a secret")
    demo = await start("demo", "--port", str(port), home=tmp_path)
    assert demo.stderr is not None
    async with ended(demo):
        await read_until(demo.stderr, "Talk")
        line = ("--remote-url", f"ws://localhost:{port}/ws/code")
        asked = "which files are there\n"
        finished = await run("console", *line, home=tmp_path, typed=asked)
        assert finished.code == 0, finished.err
        assert "secret.txt" not in finished.out
        assert "recipe.py" in finished.out
        demo.terminate()
        assert await within(demo.wait(), 20) == 0


async def test_a_port_of_the_demonstration_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        finished = await run("demo", "--port", port, home=tmp_path)
    assert finished.code == 2
    assert f"port {port} is in use; choose another with --port" in finished.err


async def test_a_call_that_could_not_be_written_down_is_not_begun(tmp_path: Path) -> None:
    (tmp_path / "demo-call.wav").mkdir()
    finished = await run("demo", "--call", home=tmp_path)
    assert finished.code == 2
    assert "demo-call.wav" in finished.err
    assert finished.out == ""


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
