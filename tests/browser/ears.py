"""What a page plays, as somebody in front of it hears it, and what words are in that."""

import asyncio
import base64
import io
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from av.audio.resampler import AudioResampler
from playwright.async_api import Page
from pocketsphinx import Decoder

from app.caller.main_task import AUDIO_IN_HZ
from app.embedded.language_model import TrigramModel
from app.embedded.sphinx_worker import _dictionary_of

# Runs in the page before it does, and records the track that WebRTC brings on its way to whoever
# listens. The page has to play it: otherwise a browser leaves it silent.
TAP = """
const Connection = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Connection {
  constructor(...options) {
    super(...options);
    this.addEventListener("track", ({ track }) => {
      if (track.kind === "audio") window.track = track;
    });
  }
};
window.listen = () => {
  window.parts = [];
  window.recorder = new MediaRecorder(new MediaStream([window.track]));
  window.recorder.start();
};
window.heard = () =>
  new Promise((done) => {
    window.recorder.ondataavailable = ({ data }) => {
      window.parts.push(data);
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.readAsDataURL(new Blob(window.parts));
    };
    window.recorder.requestData();
  });
"""

HEAR_TIMEOUT_S = 90.0


async def listen(page: Page) -> None:
    """Begin to listen to what the page plays."""
    await page.evaluate("window.listen()")


async def hear(page: Page, words: str, sentences: Iterable[str]) -> None:
    """Wait until some words were heard. Sound may be behind the text, on a busy machine far behind.

    Args:
        page: The page, which is listened to.
        words: The words.
        sentences: What may be said, so that it can be told apart.
    """
    heard = ""
    try:
        async with asyncio.timeout(HEAR_TIMEOUT_S):
            while words not in heard:
                await asyncio.sleep(1.0)  # there is nothing to wait on but what was recorded
                url: str = await page.evaluate("window.heard()")
                recording = base64.b64decode(url.partition(",")[2])
                heard = await asyncio.to_thread(_words_in, recording, tuple(sentences))
    except TimeoutError:
        raise AssertionError(f"{words!r} was not heard, but {heard!r}") from None


def _words_in(recording: bytes, sentences: tuple[str, ...]) -> str:
    """Recognise what is said in a recording of a browser's."""
    with TemporaryDirectory() as folder:
        model = Path(folder) / "sentences.arpa"
        model.write_text(TrigramModel(sentences).arpa())
        # With the whole dictionary it would take seconds to load, each time.
        words = str(_dictionary_of(model))
        decoder = Decoder(samprate=AUDIO_IN_HZ, lm=str(model), dict=words, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(_decoded(recording), full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return "" if found is None else str(found.hypstr)


def _decoded(recording: bytes) -> bytes:
    """Return a recording as the recogniser wants it."""
    resampler = AudioResampler(format="s16", layout="mono", rate=AUDIO_IN_HZ)
    with av.open(io.BytesIO(recording), "r") as container:
        pieces = [
            piece.to_ndarray().tobytes()
            for frame in container.decode(audio=0)
            for piece in resampler.resample(frame)
        ]
    return b"".join(pieces)
