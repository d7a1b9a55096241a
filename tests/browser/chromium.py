"""The browser of the tests: Debian's Chromium, with a file for a microphone."""

import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser, async_playwright

# Pages of the tests never sleep, and nobody is there to click for sound.
FLAGS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
)


@contextlib.asynccontextmanager
async def chromium(microphone: Path) -> AsyncIterator[Browser]:
    """Run a browser.

    Args:
        microphone: A WAV file, which is heard from its beginning whenever a microphone is opened.
    """
    program = shutil.which("chromium")
    assert program is not None, "no Chromium: run scripts/setup --tests"
    heard = f"--use-file-for-fake-audio-capture={microphone}%noloop"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=[*FLAGS, heard], timeout=60_000
        )
        try:
            yield browser
        finally:
            await browser.close()


def ensure_an_address() -> None:
    """Give this machine an address that WebRTC takes, where it has none but 127.0.0.1.

    Of a machine without a network, browsers offer no address; a second one on loopback they do.
    """
    ip = shutil.which("ip")
    if ip is None:
        return
    shown = [ip, "-o", "address", "show", "scope", "global"]
    if not subprocess.run(shown, capture_output=True, check=False).stdout:
        more = [ip, "address", "add", "127.0.0.2/8", "dev", "lo"]
        subprocess.run(more, capture_output=True, check=False)
