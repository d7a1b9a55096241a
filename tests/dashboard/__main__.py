"""Draws docs/dashboard.svg; see the package."""

import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import yaml
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.caller.assistants import RemoteAssistant
from app.logs import configure_logs
from tests.agents.talking import talking
from tests.app.calls.pages import Page, socket_page, webrtc_page
from tests.app.cli.programs import ended, free_port, read_until, start
from tests.app.server.identity.asking import bearer
from tests.app.telemetry.desk import FAREWELL, FOUND, GREETING, TAKEN_OVER
from tests.dashboard.drawing import picture
from tests.dashboard.panels import asked
from tests.proxy.relay import Relay
from tests.tools import ROOT, tool

TOKEN, ADMIN = "a-token-of-the-tests", "an-admin-of-the-tests"
CALLERS = 12
LASTS_S = 120.0
PATIENCE_S = 20.0
CAPTION = (
    "Drawn by tests/dashboard from deploy/grafana/trunkline.json, without a Grafana: a Prometheus "
    "scraped `trunkline serve --processes 2` for two minutes, with a dozen callers and two pages, "
    "on two cores."
)


@contextlib.asynccontextmanager
async def prometheus(home: Path, target: str) -> AsyncIterator[str]:
    """Scrape a server every second while the block runs."""
    job = {
        **{"job_name": "trunkline", "static_configs": [{"targets": [target]}]},
        "authorization": {"credentials": ADMIN},
    }
    config = home / "prometheus.yaml"
    config.write_text(
        yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]})
    )
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        *(tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={home / 'tsdb'}"),
        f"--web.listen-address={address}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with ended(process):
        yield f"http://{address}"


async def call(url: str, until: float) -> None:
    """Hold one conversation after the other, over a network that is not always there."""
    while time.monotonic() < until:
        async with Relay.to(f"{url}/ws/desk").running() as relay:
            side = RemoteAssistant(relay.url, token=TOKEN)
            async with talking(side) as talk:
                await talk.hear(GREETING)
                for _ in range(random.randint(1, 4)):
                    await asyncio.sleep(random.uniform(0.5, 3.0))
                    if random.random() < 0.2:
                        relay.cut()
                    await talk.ask("which bird?", FOUND)
                await talk.ask("the office please", TAKEN_OVER)
                await talk.ask("bye", FAREWELL)


async def call_from_page(
    url: str, until: float, paged: Callable[..., AbstractAsyncContextManager[Page]]
) -> None:
    """Hold one call after the other, and hang up in half of them, or where it takes too long."""
    base = url.replace("ws://", "http://")
    async with httpx.AsyncClient(base_url=base, headers=bearer(TOKEN), timeout=60.0) as client:
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S), paged(client, "desk") as page:
                    await page.ready()
                    await page.until_answered(GREETING)
                    await page.type("which bird?")
                    await page.until_answered(FOUND)
                    if random.random() < 0.5:
                        await page.type("bye")
                        await page.until_line("ended")


async def be_refused(url: str, until: float) -> None:
    """Ask with a wrong token now and then."""
    async with httpx.AsyncClient(base_url=url.replace("ws://", "http://")) as client:
        while time.monotonic() < until:
            await client.get("/v1/assistants", headers=bearer("a-wrong-token"))
            with contextlib.suppress(InvalidStatus):
                async with connect(f"{url}/ws/desk"):
                    raise AssertionError("a caller without a token was let in")
            await asyncio.sleep(5.0)


async def main() -> None:
    """Serve, call, scrape, ask and draw."""
    configure_logs("ERROR")
    with tempfile.TemporaryDirectory(prefix="tl-") as name:
        home = Path(name)
        further = {
            "PYTHONPATH": f"{home}:{ROOT}",
            "TRUNKLINE_ASSISTANT_MODULES": "tests.app.telemetry.desk",
            **{"TRUNKLINE_TOKENS": TOKEN, "TRUNKLINE_ADMIN_TOKENS": ADMIN},
            **{"TRUNKLINE_HOST": "127.0.0.1", "TRUNKLINE_MAX_SESSIONS": "20"},
            "TRUNKLINE_MAX_CALLS": "4",
        }
        arguments = ("serve", "--port", "0", "--processes", "2")
        server = await start(*arguments, home=home, further=further)
        async with ended(server):
            assert server.stderr is not None
            line = await read_until(server.stderr, "listens on")
            url = line.split("listens on ")[1].strip().removesuffix("/ws")
            async with prometheus(home, url.removeprefix("ws://")) as address:
                began = time.time()
                until = time.monotonic() + LASTS_S
                calls = (call(url, until) for _ in range(CALLERS))
                pages = (call_from_page(url, until, paged) for paged in (socket_page, webrtc_page))
                await asyncio.gather(be_refused(url, until), *calls, *pages)
                with httpx.Client(base_url=address) as client:
                    panels = asked(client, began, began + LASTS_S)
            server.terminate()  # so that it removes what its processes share
            await server.wait()
    empty = [panel.title for panel in panels if panel.kind != "row" and not panel.series]
    (ROOT / "docs" / "dashboard.svg").write_text(picture(panels, CAPTION))
    sys.stdout.write(f"wrote docs/dashboard.svg; panels without data: {empty or 'none'}\n")


if __name__ == "__main__":
    asyncio.run(main())
