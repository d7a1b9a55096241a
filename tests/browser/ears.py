"""What a page plays, as somebody in front of it hears it, and what words are in that."""

import asyncio
import base64
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Page

from app.embedded.language_model import TrigramModel
from app.embedded.sphinx_worker import Ears

# Runs in the page before it does. Whatever track WebRTC brings is heard on the way to its listener,
# as 16-bit mono PCM at 16 kHz. The page has to play it: otherwise a browser leaves it silent.
TAP = """
window.heard = [];
const Connection = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Connection {
  constructor(...options) {
    super(...options);
    this.addEventListener("track", ({ track }) => {
      if (track.kind !== "audio") return;
      const context = new AudioContext({ sampleRate: 16000 });
      const tap = context.createScriptProcessor(4096, 1, 1);
      tap.onaudioprocess = ({ inputBuffer }) => {
        const samples = inputBuffer.getChannelData(0);
        window.heard.push(Int16Array.from(samples, (sample) => sample * 32767));
      };
      context.createMediaStreamSource(new MediaStream([track])).connect(tap);
      tap.connect(context.destination);
    });
  }
};
"""

TAKE = """
() => {
  const parts = window.heard.splice(0);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(new Uint8Array(part.buffer), at);
    at += part.byteLength;
  }
  return new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(new Blob([bytes]));
  });
}
"""


async def take(page: Page) -> bytes:
    """Return what was heard since the last time."""
    url: str = await page.evaluate(TAKE)
    return base64.b64decode(url.partition(",")[2])


async def words_in(audio: bytes, sentences: Iterable[str]) -> str:
    """Recognise what was said.

    Args:
        audio: What was heard.
        sentences: What may have been said, so that it can be told apart.
    """
    return await asyncio.to_thread(_recognise, audio, tuple(sentences))


def _recognise(audio: bytes, sentences: tuple[str, ...]) -> str:
    with TemporaryDirectory() as folder:
        model = Path(folder) / "sentences.arpa"
        model.write_text(TrigramModel(sentences).arpa())
        ears = Ears(str(model))
        ears.start()
        ears.hear(audio)
        return ears.finish()
