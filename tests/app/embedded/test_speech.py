"""The embedded voices and the embedded recogniser, one speaking to the other."""

import asyncio
import contextlib
import importlib.util
import io
import shutil
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soxr
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

import app.demo
from agents.acme.script import PHRASES
from app.caller.main_task import SETUP_TIMEOUT_S
from app.embedded.language_model import TrigramModel
from app.embedded.sphinx_stt import SphinxSTTService
from app.embedded.sphinx_worker import SAMPLE_RATE_HZ, Ears, run
from app.embedded.tts import EmbeddedTTSService
from app.embedded.voices import Espeak, Flite, Speech, Voice, find_voice
from app.errors import MissingExtraError, ServiceError
from tests.proxy.conversation import within


class Collector(FrameProcessor):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.news = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        self.news.set()
        await self.push_frame(frame, direction)

    async def wait_for(self, kind: type[Frame]) -> Frame:
        async with asyncio.timeout(60):
            while not any(isinstance(frame, kind) for frame in self.frames):
                self.news.clear()
                await self.news.wait()
        return next(frame for frame in reversed(self.frames) if isinstance(frame, kind))


class Running:
    """A pipeline of one service and a collector behind it."""

    def __init__(self, service: FrameProcessor) -> None:
        self.collector = Collector()
        self.worker = PipelineWorker(
            Pipeline([service, self.collector]),
            params=PipelineParams(audio_in_sample_rate=16000, audio_out_sample_rate=24000),
            idle_timeout_secs=None,
            setup_timeout_secs=SETUP_TIMEOUT_S,
        )

    async def __aenter__(self) -> "Running":
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        self._running = asyncio.create_task(runner.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.worker.queue_frame(EndFrame())
        await within(self._running)


@pytest.fixture(params=["flite", "espeak"])
async def voice(request: pytest.FixtureRequest) -> AsyncIterator[Voice]:
    made: Voice = find_voice() if request.param == "flite" else Espeak()
    assert isinstance(made, Flite if request.param == "flite" else Espeak)
    yield made
    await made.close()


def spoken(speech: Speech) -> bytes:
    samples = np.frombuffer(speech.audio, dtype=np.int16).astype(np.float32)
    return soxr.resample(samples, speech.rate_hz, SAMPLE_RATE_HZ).astype(np.int16).tobytes()  # type: ignore[no-any-return]


async def test_a_voice_speaks(voice: Voice) -> None:
    short = await voice.say("Hello.", voice.voices[0])
    long = await voice.say("Hello there, this is a much longer sentence.", voice.voices[1])
    assert len(long.audio) > 2 * len(short.audio) > 0
    assert np.abs(np.frombuffer(long.audio, dtype=np.int16)).max() > 3000


async def test_sentences_at_the_same_time_do_not_mix(voice: Voice) -> None:
    alone = [await voice.say(text, voice.voices[0]) for text in ("One.", "Two and three.")]
    together = await asyncio.gather(
        *(voice.say(text, voice.voices[0]) for text in ("One.", "Two and three."))
    )
    for one, other in zip(together, alone, strict=True):
        assert len(one.audio) == pytest.approx(len(other.audio), rel=0.02)


async def test_a_voice_that_does_not_exist_is_an_error() -> None:
    espeak = Espeak()
    with pytest.raises(ServiceError, match="has no voice 'nobody'"):
        await espeak.say("Hello.", "nobody")
    await espeak.close()
    with pytest.raises(ServiceError, match="has no voice 'nobody', only slt"):
        EmbeddedTTSService(voice="nobody")


async def test_a_synthesiser_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServiceError, match="flite did not speak"):
        await Flite("/bin/false").say("Hello.", "slt")
    with pytest.raises(ServiceError, match="flite did not speak"):
        await Flite("/no/such/program").say("Hello.", "slt")


async def test_without_a_synthesiser_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'trunkline\[embedded\]'"):
        find_voice()


async def test_what_is_said_is_not_in_the_list_of_processes() -> None:
    seen: list[str] = []
    speaking = asyncio.create_task(find_voice().say("The word is xylophone. " * 60, "slt"))
    while not speaking.done():
        seen += await asyncio.to_thread(processes)
    assert any("flite" in command for command in seen)
    assert not any("xylophone" in command for command in seen)


def processes() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text())
    return found


async def test_the_voice_is_a_pipecat_service() -> None:
    async with Running(EmbeddedTTSService()) as running:
        await running.worker.queue_frame(TTSSpeakFrame("Hello there."))
        await running.collector.wait_for(TTSStoppedFrame)
        audio = [frame for frame in running.collector.frames if isinstance(frame, TTSAudioRawFrame)]
    assert {frame.sample_rate for frame in audio} == {24000}
    assert sum(len(frame.audio) for frame in audio) > 24000


async def test_a_sentence_that_cannot_be_spoken_is_an_error_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = EmbeddedTTSService()
    monkeypatch.setattr(service, "_synthesiser", Flite("/bin/false"))
    errors: asyncio.Queue[ErrorFrame] = asyncio.Queue()
    running = Running(service)
    running.worker.add_event_handler("on_pipeline_error", lambda _, e: errors.put_nowait(e))
    async with running:
        await running.worker.queue_frame(TTSSpeakFrame("Hello there."))
        assert "flite did not speak" in (await within(errors.get())).error


@pytest.mark.parametrize(
    "said",
    [
        "How much are the rocket boots?",
        "Does the tornado kit need batteries?",
        "Thank you, goodbye.",
        "What is the temperature right now?",
    ],
)
async def test_what_one_says_the_other_hears(said: str) -> None:
    audio = spoken(await find_voice().say(said, "rms"))
    expected = said.lower().rstrip(".?").replace(",", "")
    async with Running(SphinxSTTService(PHRASES)) as running:
        await hear(running, audio)
        final = await running.collector.wait_for(TranscriptionFrame)
        partial = await running.collector.wait_for(InterimTranscriptionFrame)
    assert isinstance(final, TranscriptionFrame)
    assert isinstance(partial, InterimTranscriptionFrame)
    assert final.text == expected
    assert final.finalized


async def hear(running: Running, audio: bytes) -> None:
    """Play audio to a recogniser; the detector reports speech a little late."""
    late = 4 * 640
    for start in range(0, late, 640):
        await play(running, audio[start : start + 640])
    await running.worker.queue_frame(VADUserStartedSpeakingFrame(), FrameDirection.UPSTREAM)
    for start in range(late, len(audio), 640):
        await play(running, audio[start : start + 640])
    await running.worker.queue_frame(VADUserStoppedSpeakingFrame())


async def play(running: Running, audio: bytes) -> None:
    await running.worker.queue_frame(InputAudioRawFrame(audio.ljust(640, b"\0"), 16000, 1))
    await asyncio.sleep(0)


def test_the_decoders_process_answers_frames_in_order(tmp_path: Path) -> None:
    phrases = tmp_path / "phrases.arpa"
    phrases.write_text(TrigramModel(PHRASES).arpa())
    with wave.open(io.BytesIO(_recording())) as file:
        audio = file.readframes(file.getnframes())
    frames = io.BytesIO()
    for kind, payload in ((b"E", b""), (b"S", b""), (b"A", audio), (b"E", b""), (b"?", b"x")):
        frames.write(kind + len(payload).to_bytes(4, "big") + payload)
    frames.seek(0)
    answers = io.BytesIO()
    run(frames, answers, str(phrases))
    lines = answers.getvalue().decode().splitlines()
    assert lines[0] == '{"ready": true}'
    assert lines[1] == '{"final": ""}'
    assert lines[-1] == '{"final": "how much are the rocket boots"}'
    assert any("partial" in line for line in lines)


def test_silence_is_nothing() -> None:
    ears = Ears(None)
    ears.hear(bytes(640))
    assert ears.finish() == ""
    ears.start()
    assert ears.finish() == ""


def _recording() -> bytes:
    return (Path(app.demo.__file__).parent / app.demo.SCRIPT[0]).read_bytes()
