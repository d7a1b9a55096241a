"""Takes the pictures of the operator's page, of a real server with callers who talk.

.venv/bin/python -m tests.browser.operator_pictures            those of the documentation
.venv/bin/python -m tests.browser.operator_pictures FOLDER     every state, to be looked at
"""

import asyncio
import contextlib
import io
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
from PIL import Image
from playwright.async_api import Browser

from app.caller.assistants import RemoteAssistant
from app.logs import configure_logs
from app.server.identity.token_file import add_to_file
from app.server.identity.tokens import new_token
from tests.agents.talking import talking
from tests.app.cli.programs import ended, read_until, start
from tests.app.server.identity.asking import bearer
from tests.app.telemetry.desk import FOUND, GREETING
from tests.browser.chromium import chromium
from tests.browser.operating import Operator, operating
from tests.browser.screenshots import COLOURS
from tests.browser.visit import PHONE, Scheme
from tests.proxy.relay import Relay
from tests.tools import ROOT

ADMIN = "an-admin-of-the-tests"
DOCUMENTED = ROOT / "docs" / "screenshots"
# How many callers each principal has, and whom they talk to.
CALLERS = {
    "kiosk-lobby": ("desk", "desk", "handoff"),
    "front-desk": ("handoff", "debate"),
    "mobile-app": ("desk", "acme", "desk", "sensor", "desk"),
    "partner.example": ("acme", "debate"),
}
# Long enough for lines to be drawn.
TALK_S = 60.0

DESKTOP = {"width": 1440, "height": 900}
VIEWS: tuple[tuple[str, dict[str, int], Scheme], ...] = (
    ("desktop-light", DESKTOP, "light"),
    ("desktop-dark", DESKTOP, "dark"),
    ("phone-light", PHONE, "light"),
    ("phone-dark", PHONE, "dark"),
)


async def talk(url: str, assistant: str, token: str) -> None:
    """Hold one conversation after the other, over a network that is not always there."""
    while True:
        async with Relay.to(f"{url}/ws/{assistant}").running() as relay:
            side = RemoteAssistant(relay.url, token=token)
            async with talking(side) as talk:
                await talk.hear(GREETING if assistant == "desk" else "\n")
                for _ in range(random.randint(6, 20)):
                    await asyncio.sleep(random.uniform(1.0, 4.0))
                    if random.random() < 0.1:
                        relay.cut()
                    if assistant == "desk":
                        await talk.ask("which bird?", FOUND)
                    else:
                        await talk.ask("what do the rocket boots cost?", "\n")


async def be_refused(url: str) -> None:
    """Ask with a wrong token now and then."""
    async with httpx.AsyncClient(base_url=url.replace("ws://", "http://")) as client:
        while True:
            await client.get("/v1/assistants", headers=bearer("a-wrong-token"))
            with contextlib.suppress(Exception):
                side = RemoteAssistant(f"{url}/ws/desk", token="a-wrong-token")
                async with talking(side) as talk:
                    await talk.hear(GREETING)
            await asyncio.sleep(12.0)


@contextlib.asynccontextmanager
async def serving(home: Path) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Run a server of two processes; gives its address, and a token of each principal."""
    principals = home / "principals.toml"
    tokens = {}
    for name in CALLERS:
        tokens[name], entry = new_token(name, assistants=["*"])
        add_to_file(principals, entry)
    further = {
        "PYTHONPATH": f"{home}:{ROOT}",
        "TRUNKLINE_ASSISTANT_MODULES": "tests.app.telemetry.desk",
        **{"TRUNKLINE_PRINCIPALS_FILE": str(principals), "TRUNKLINE_ADMIN_TOKENS": ADMIN},
        **{"TRUNKLINE_HOST": "127.0.0.1", "TRUNKLINE_MAX_SESSIONS": "20"},
        "TRUNKLINE_MAX_WAITING_CALLERS": "10",
    }
    server = await start("serve", "--port", "0", "--processes", "2", home=home, further=further)
    async with ended(server):
        assert server.stderr is not None
        line = await read_until(server.stderr, "listens on")
        reading = asyncio.create_task(drained(server.stderr))
        yield line.split("listens on ")[1].strip().removesuffix("/ws"), tokens
        with contextlib.suppress(ProcessLookupError):  # one that was drained has ended
            server.terminate()
        await server.wait()
        reading.cancel()


async def drained(stream: asyncio.StreamReader) -> None:
    """Read what nobody wants, so that the server is not held up."""
    while await stream.readline():
        pass


@contextlib.asynccontextmanager
async def calling(url: str, tokens: dict[str, str]) -> AsyncIterator[None]:
    """Have callers talk while the block runs."""
    calls = [
        asyncio.create_task(talk(url, assistant, tokens[name]))
        for name, assistants in CALLERS.items()
        for assistant in assistants
    ]
    calls.append(asyncio.create_task(be_refused(url)))
    try:
        yield
    finally:
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)


class Camera:
    """Takes a picture of every view, and puts it where it belongs."""

    def __init__(self, folder: Path, operators: dict[str, Operator]) -> None:
        self._folder = folder
        self._operators = operators

    async def take(
        self, state: str, prepare: Callable[[Operator], Awaitable[object]] | None = None
    ) -> None:
        """Bring each view into a state, and take its picture."""
        for name, shown in self._operators.items():
            if prepare is not None:
                await prepare(shown)
            path = self._folder / f"operator-{state}-{name}.png"
            # A question darkens what is in the window, and nothing beneath it.
            whole = not await shown.question.count()
            await shown.page.screenshot(path=path, full_page=whole)
            sys.stdout.write(f"{path}\n")


async def every_state(browser: Browser, folder: Path, home: Path) -> None:
    """Take every picture there is."""
    async with contextlib.AsyncExitStack() as stack:
        serve = await stack.enter_async_context(contextlib.AsyncExitStack())
        url, tokens = await serve.enter_async_context(serving(home))
        operators = {
            name: await stack.enter_async_context(
                operating(browser, url, viewport=size, color_scheme=scheme)
            )
            for name, size, scheme in VIEWS
        }
        camera = Camera(folder, operators)
        await camera.take("door", lambda one: one.button("Open").wait_for())
        await camera.take("wrong-rights", lambda one: refused(one, tokens["front-desk"]))
        await camera.take("empty", lambda one: entered(one, "Nobody is talking"))
        calls = await serve.enter_async_context(contextlib.AsyncExitStack())
        await calls.enter_async_context(calling(url, tokens))
        await asyncio.sleep(TALK_S)
        await camera.take("live")
        await camera.take("details", details)
        await camera.take("question-end", lambda one: one.button("End session").first.click())
        await camera.take("filtered", filtered)
        await camera.take("question-all", lambda one: one.button("End all of").click())
        await camera.take("question-drain", ask_to_drain)
        first = next(iter(operators.values()))
        await first.button("Drain and stop").click()
        await camera.take("draining", lambda one: seen(one, "The server drains."))
        await camera.take("stopped", lambda one: seen(one, "The server has stopped"))
        await calls.aclose()


async def entered(one: Operator, words: str) -> None:
    await one.enter(ADMIN)
    await one.sees(words)


async def refused(one: Operator, token: str) -> None:
    await one.enter(token)
    await one.page.get_by_role("alert").wait_for()


async def details(one: Operator) -> None:
    await one.page.locator("button.disclose").nth(1).click()


async def cancelled(one: Operator) -> None:
    await one.page.keyboard.press("Escape")
    await one.question.wait_for(state="hidden")


async def filtered(one: Operator) -> None:
    await cancelled(one)
    await one.page.get_by_label("Principal").fill("mobile-app")
    await one.button("End all of").wait_for()


async def ask_to_drain(one: Operator) -> None:
    await cancelled(one)
    await one.button("Clear").click()
    await one.button("Drain…").click()


async def seen(one: Operator, words: str) -> None:
    if await one.question.count():
        await cancelled(one)
    await one.sees(words)


async def documented(browser: Browser, home: Path) -> None:
    """Take the pictures that the documentation shows."""
    async with contextlib.AsyncExitStack() as stack:
        url, tokens = await stack.enter_async_context(serving(home))
        await stack.enter_async_context(calling(url, tokens))
        shown = {
            "operator": await stack.enter_async_context(operating(browser, url, viewport=DESKTOP)),
            "operator-phone": await stack.enter_async_context(
                operating(browser, url, viewport=PHONE, color_scheme="dark")
            ),
        }
        for one in shown.values():
            await one.enter(ADMIN)
        await asyncio.sleep(TALK_S)
        await end_one(url)
        for name, one in shown.items():
            await one.sees("ended_by_operator")
            await one.page.mouse.move(0, 0)
            whole = name == "operator"  # a phone's is long
            shot = Image.open(io.BytesIO(await one.page.screenshot(full_page=whole)))
            small = shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            small.save(DOCUMENTED / f"{name}.png", optimize=True)


async def end_one(url: str) -> None:
    """End a session, so that there is more than one reason."""
    base = url.replace("ws://", "http://")
    async with httpx.AsyncClient(base_url=base, headers=bearer(ADMIN)) as client:
        page = (await client.get("/v1/admin/sessions", params={"assistant": "sensor"})).json()
        for session in page["sessions"][:1]:
            await client.delete(f"/v1/admin/sessions/{session['id']}")


async def main() -> None:
    """Take them."""
    configure_logs("CRITICAL")
    with tempfile.TemporaryDirectory(prefix="tl-") as name:
        async with chromium(Path(name) / "no microphone") as browser:
            if len(sys.argv) > 1:
                await every_state(browser, Path(sys.argv[1]), Path(name))
            else:
                await documented(browser, Path(name))


if __name__ == "__main__":
    asyncio.run(main())
