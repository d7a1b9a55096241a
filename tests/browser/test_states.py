"""What the page shows when nobody talks: how it comes, who may use it, and who can."""

import gzip
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Response, expect

from agents import Assistants
from tests.app.server.identity.asking import Asking, asking
from tests.browser.conftest import http_of
from tests.browser.visit import PHONE, WAIT_MS, Scheme, Visit, visiting

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("deaf")]

TOKEN = "a-token-of-the-tests"

# What a first visit may cost, over the wire.
MAX_FIRST_LOAD_BYTES = 300_000

SCHEMES: tuple[Scheme, ...] = ("light", "dark")


async def assert_usable(visit: Visit) -> None:
    """Assert that nothing keeps anybody from using what is shown, by day and by night."""
    for scheme in SCHEMES:
        await visit.by(scheme)
        faults = await visit.faults()
        assert faults == [], f"{scheme}: {faults}"


async def test_a_first_visit_is_small(visit: Visit, capsys: pytest.CaptureFixture[str]) -> None:
    answers: list[Response] = []
    visit.page.on("response", lambda answer: answers.append(answer))
    await visit.open()
    await expect(visit.page.get_by_role("button", name="Talk to")).to_be_enabled()
    await visit.page.evaluate("document.fonts.ready.then(() => true)")
    ready_ms = await visit.page.evaluate("performance.now()")
    sizes = {answer.url: await _size(answer) for answer in answers}
    assert len(sizes) > 4
    with capsys.disabled():
        print(f"\n  first load: {sum(sizes.values())} bytes, ready after {ready_ms:.0f} ms")  # noqa: T201
    assert sum(sizes.values()) < MAX_FIRST_LOAD_BYTES, sizes


async def _size(answer: Response) -> int:
    """Count the bytes of an answer as they came, and of its headers."""
    sizes = await answer.request.sizes()
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]


async def test_what_is_chosen_from_can_be_used_by_everybody(visit: Visit) -> None:
    await visit.open()
    await expect(visit.page.get_by_role("button", name="Talk to Acme")).to_be_enabled()
    await assert_usable(visit)


async def test_assistants_are_chosen_and_called_with_the_keyboard_alone(visit: Visit) -> None:
    await visit.open()
    await expect(visit.page.get_by_role("radio", name="Acme")).to_be_checked()
    keys = visit.page.keyboard
    for key in ("Tab", "ArrowDown", "Tab", "Tab", "Enter"):
        await keys.press(key)
    await expect(visit.page.get_by_role("heading", level=1)).to_have_text("A call with Code")
    await expect(visit.writing).to_be_enabled(timeout=WAIT_MS)
    await visit.page.get_by_role("button", name="End", exact=True).press("Enter")
    await visit.sees_the_end("You hung up.")
    await keys.press("Tab")
    await keys.press("Enter")
    await expect(visit.page.get_by_role("radio", name="Code")).to_be_checked()


async def test_a_call_can_be_used_by_everybody_from_beginning_to_end(visit: Visit) -> None:
    await visit.open()
    await visit.choose("sensor")
    await visit.type_instead()
    await visit.page.get_by_text("Connecting to Sensor").wait_for()
    await assert_usable(visit)
    await expect(visit.writing).to_be_enabled(timeout=WAIT_MS)
    await visit.write("what is the temperature")
    await visit.sees("and the target is 21.0")
    await visit.page.get_by_role("img", name="The temperature is").wait_for()
    await assert_usable(visit)
    await visit.page.get_by_role("button", name="End", exact=True).click()
    await visit.sees_the_end("You hung up.")
    await assert_usable(visit)


async def test_a_phone_is_wide_enough(browser: Browser, server: Asking) -> None:
    async with visiting(browser, http_of(server), viewport=PHONE, has_touch=True) as visit:
        await visit.open()
        await visit.page.get_by_role("button", name="Talk to Acme").wait_for()
        await expect(visit.page.get_by_role("button", name="Talk to Acme")).to_be_in_viewport()
        assert await _overhang(visit.page) == 0
        await visit.call("debate")
        await visit.write("debate whether cats are better than dogs")
        await visit.page.locator(".job.completed").nth(2).wait_for(timeout=WAIT_MS)
        assert await _overhang(visit.page) == 0
        await expect(visit.page.get_by_role("button", name="End", exact=True)).to_be_in_viewport()
        await assert_usable(visit)


async def _overhang(page: Page) -> int:
    """Tell how much wider than the screen the page is."""
    wider: int = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return wider


async def test_a_server_with_tokens_asks_for_one_and_keeps_it_out_of_addresses(
    browser: Browser, assistants: Assistants
) -> None:
    async with (
        asking(assistants, tokens=TOKEN) as server,
        visiting(browser, http_of(server)) as visit,
    ):
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url))
        visit.page.on("websocket", lambda socket: asked.append(socket.url))
        await visit.open()
        token = visit.page.get_by_label("Token")
        await token.wait_for()
        await assert_usable(visit)
        await token.fill("a-wrong-token")
        await token.press("Enter")
        await expect(visit.page.get_by_role("alert")).to_contain_text("The server refused")
        await token.fill(TOKEN)
        await token.press("Enter")
        await visit.type_instead()
        await visit.sees("welcome to Acme")
        assert not [url for url in asked if TOKEN in url]
        # Refusals are what the browser complains of here.
        visit.complaints[:] = [one for one in visit.complaints if "/v1/" not in one]


async def test_what_is_compressed_is_what_was_built() -> None:
    static = Path(__file__).parents[2] / "app/page/static"
    compressed = list(static.rglob("*.gz"))
    assert compressed
    for path in compressed:
        assert gzip.decompress(path.read_bytes()) == path.with_suffix("").read_bytes()
