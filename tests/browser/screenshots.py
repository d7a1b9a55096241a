"""Takes the pictures in docs/screenshots/: each state, by day and by night, large and small.

python -m tests.browser.screenshots
"""

import asyncio
import contextlib
import io
import logging
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

from loguru import logger
from PIL import Image
from pipecat.processors.filters.identity_filter import IdentityFilter
from playwright.async_api import Browser

from agents import Assistants, discover
from agents.handoff import script as handoff_lines
from app.services import Roles
from tests.app.server.identity.asking import asking
from tests.browser.chromium import chromium, ensure_an_address
from tests.browser.conftest import http_of
from tests.browser.microphone import Microphone
from tests.browser.visit import DESKTOP, PHONE, ROOT, WAIT_MS, Scheme, Visit, visiting
from tests.proxy.relay import Relay

FOLDER = ROOT / "docs/screenshots"
TOKEN = "a-token-of-the-pictures"
SIZES = {"desktop": DESKTOP, "phone": PHONE}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")

# Enough for type and flat colours, at a third of the size.
COLOURS = 200


async def picture(visit: Visit, state: str) -> None:
    """Take the four pictures of what is shown."""
    for size, viewport in SIZES.items():
        await visit.page.set_viewport_size(viewport)  # type: ignore[arg-type]
        for scheme in SCHEMES:
            await visit.by(scheme)
            shot = Image.open(io.BytesIO(await visit.page.screenshot())).convert("RGB")
            # Without dithering, flat colours stay flat.
            small = shot.quantize(COLOURS, dither=Image.Dither.NONE)
            small.save(FOLDER / f"{state}-{size}-{scheme}.png", optimize=True)
    await visit.page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def at(browser: Browser, base: str) -> AsyncIterator[Visit]:
    async with visiting(browser, base) as visit:
        await visit.open()
        yield visit
        visit.complaints.clear()


async def of_beginnings(browser: Browser, guarded: str, base: str) -> None:
    async with at(browser, guarded) as visit:
        await visit.page.get_by_label("Token").wait_for()
        await picture(visit, "token")
    async with at(browser, base) as visit:
        await visit.page.get_by_role("button", name="Talk to").wait_for()
        await picture(visit, "choosing")
        await visit.page.route("**/v1/calls/tickets", lambda route: asyncio.sleep(0))
        await visit.type_instead()
        await picture(visit, "connecting")


async def of_a_call(browser: Browser, base: str, relay: Relay) -> None:
    async with at(browser, base) as visit:
        await visit.choose("handoff")
        await visit.talk()
        await visit.sees_status("Speaking")
        await visit.sees("greeter of Acme")
        await visit.write("my rocket boots do not start")
        await visit.sees(handoff_lines.SUPPORT_HERE)
        await picture(visit, "speaking")
        await visit.sees_status("Listening")
        await picture(visit, "listening")
        relay.freeze()
        await visit.write("how long is the warranty")
        await visit.sees_status("Thinking")
        await picture(visit, "thinking")
        relay.refusing = True
        relay.thaw()
        relay.cut()
        await visit.sees_status("Reconnecting")
        await picture(visit, "reconnecting")
        relay.refusing = False
        await visit.sees(handoff_lines.WARRANTY)
        await visit.write("thank you goodbye")
        await visit.sees_the_end("The conversation ended.")
        await picture(visit, "ended")


async def of_work(browser: Browser, base: str) -> None:
    async with at(browser, base) as visit:
        await visit.call("debate")
        await visit.write("debate whether cats are better than dogs")
        await visit.page.locator(".job.completed").nth(2).wait_for(timeout=WAIT_MS)
        await visit.sees("The analyst says")
        await picture(visit, "debate")
    async with at(browser, base) as visit:
        await visit.call("sensor")
        await visit.write("set it to twenty five degrees")
        await visit.sees("The target is now 25.0 degrees.")
        await asyncio.sleep(20)  # for a line that is worth looking at
        await visit.write("is it stable yet")
        await visit.sees("Not yet")
        await picture(visit, "sensor")


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    ensure_an_address()
    assistants = Assistants(discover().values())
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(Roles, "stt", _deaf):
        microphone = Microphone(Path(folder) / "silence.wav")
        async with (
            chromium(microphone.path) as browser,
            asking(assistants, tokens=TOKEN) as distant,
            Relay.to(f"{distant.url}/ws").running() as relay,
            asking(assistants, calls_remote_url=relay.url.removesuffix("/ws"), token=TOKEN) as near,
        ):
            await of_beginnings(browser, http_of(distant), http_of(near))
            await of_a_call(browser, http_of(near), relay)
            await of_work(browser, http_of(near))


def _deaf(self: Roles, phrases: tuple[str, ...] = ()) -> Any:
    return IdentityFilter()


if __name__ == "__main__":
    logging.disable()
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    asyncio.run(main())
