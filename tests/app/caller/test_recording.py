import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest
from pipecat.frames.frames import EndFrame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.workers.runner import WorkerRunner

from app.caller.recording import MAX_RECORDING_S, RecordedMicrophone, Recording, RecordingSpeaker
from app.errors import AppError
from tests.app.embedded.test_speech import Collector
from tests.proxy.conversation import within


def write(
    path: Path, *, rate_hz: int = 8000, channels: int = 1, width: int = 2, s: float = 0.5
) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        tone = np.sin(np.arange(int(rate_hz * s)) * 440 * 2 * np.pi / rate_hz) * 10000
        samples = np.repeat(tone.astype(np.int16), channels)
        file.writeframes(samples.tobytes() if width == 2 else bytes(len(samples) * width))
    return path


@pytest.mark.parametrize(("rate_hz", "channels"), [(8000, 1), (16000, 1), (44100, 2), (48000, 2)])
def test_any_rate_and_number_of_channels_becomes_16_khz_mono(
    tmp_path: Path, rate_hz: int, channels: int
) -> None:
    path = write(tmp_path / "a.wav", rate_hz=rate_hz, channels=channels)
    recording = Recording.load(path)
    assert recording.name == "a.wav"
    assert len(recording.audio) == pytest.approx(16000, rel=0.01)
    assert np.abs(np.frombuffer(recording.audio, dtype=np.int16)).max() > 9000


def test_what_is_no_recording_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(AppError, match=r"gone.wav: No such file"):
        Recording.load(tmp_path / "gone.wav")
    text = tmp_path / "text.wav"
    text.write_text("hello")
    with pytest.raises(AppError, match=r"text.wav: not a WAV file"):
        Recording.load(text)
    with pytest.raises(AppError, match="not a file"):
        Recording.load(tmp_path)
    with pytest.raises(AppError, match="empty, or longer than 120 s"):
        Recording.load(write(tmp_path / "empty.wav", s=0))
    with pytest.raises(AppError, match="empty, or longer than 120 s"):
        Recording.load(write(tmp_path / "long.wav", rate_hz=1000, s=MAX_RECORDING_S + 1))


async def test_the_microphone_delivers_recordings_and_silence_between_them() -> None:
    microphone, collector = RecordedMicrophone(), Collector()
    worker = PipelineWorker(
        Pipeline([microphone, collector]),
        params=PipelineParams(audio_in_sample_rate=16000),
        idle_timeout_secs=None,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await collector.wait_for(InputAudioRawFrame)
    await within(microphone.say(Recording("a", b"\x01\x02" * 700)))
    await worker.queue_frame(EndFrame())
    await within(running)
    heard = [frame.audio for frame in collector.frames if isinstance(frame, InputAudioRawFrame)]
    assert {len(audio) for audio in heard} == {640}
    assert heard[0] == bytes(640)
    assert b"".join(heard).count(b"\x01\x02") == 700


async def test_the_speaker_keeps_what_it_plays(tmp_path: Path) -> None:
    speaker = RecordingSpeaker()
    worker = PipelineWorker(
        Pipeline([speaker]),
        params=PipelineParams(audio_out_sample_rate=24000),
        idle_timeout_secs=None,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await worker.queue_frame(OutputAudioRawFrame(b"\x01\x02" * 4800, 24000, 1))
    await worker.queue_frame(EndFrame())
    await within(running)
    assert bytes(speaker.heard).count(b"\x01\x02") == 4800
    speaker.write_wav(tmp_path / "out.wav")
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert (file.getframerate(), file.getnchannels()) == (24000, 1)
        assert file.readframes(file.getnframes()) == bytes(speaker.heard)
    with pytest.raises(AppError, match="No such file or directory"):
        speaker.write_wav(tmp_path / "no" / "out.wav")


def test_asking_whether_it_can_be_written_leaves_all_as_it_is(tmp_path: Path) -> None:
    new, old = tmp_path / "new.wav", tmp_path / "old.wav"
    old.write_bytes(b"kept")
    for path in (new, old):
        RecordingSpeaker.ensure_writable(path)
    assert (new.exists(), old.read_bytes()) == (False, b"kept")
    with pytest.raises(AppError, match="Is a directory"):
        RecordingSpeaker.ensure_writable(tmp_path)
