"""A recorded call whose parts do not do what they should."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor, FrameProcessorSetup

from agents import discover
from app.caller import call, main_task
from app.caller.call import Call
from app.caller.local import LocalAssistant
from app.caller.recording import RecordedMicrophone, Recording
from app.caller.transcript import Line, Speaker, Transcript
from app.demo import recordings
from app.services import Roles
from app.settings import Settings
from proxy import DirectBus
from tests.proxy.conversation import within

FIRST, LAST = recordings()

AT_THE_LAST = f"the assistant ended the conversation at {LAST.name}, recording 2 of 2"


class StillLoading(FrameProcessor):
    """A recogniser whose models are never loaded."""

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        await super().setup(setup)
        await asyncio.Event().wait()


async def test_what_does_not_start_on_this_side_is_not_blamed_on_the_assistant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(main_task, "SETUP_TIMEOUT_S", 1.5)
    monkeypatch.setattr(call, "GREETING_TIMEOUT_S", 0.1)

    def stt(*_: Any) -> FrameProcessor:
        return StillLoading()

    assistants = discover()
    async with Roles.open(Settings(), assistants) as roles:
        monkeypatch.setattr(roles, "stt", stt)
        side = LocalAssistant(assistants["acme"], roles)
        result = await within(Call(side, recordings()).hold(roles), 60)
    assert result.error == main_task.NOT_STARTED


class Talkative(LocalAssistant):
    """Greets with two lines."""

    def __init__(self, said: Callable[..., None]) -> None:
        self._said = said

    async def begin(self, main: PipelineWorker) -> None:
        self._said("a", "a")


class Microphone(RecordedMicrophone):
    """Has each recording followed by lines of the caller (c) and of the assistant (a)."""

    def __init__(self, said: Callable[..., None], *turns: str) -> None:
        super().__init__()
        self._said = said
        self._turns = iter(turns)
        self.spoken = asyncio.Event()

    async def say(self, recording: Recording) -> None:
        self._said(*next(self._turns))
        if recording is LAST:
            self.spoken.set()


@pytest.mark.parametrize(
    ("turns", "error"),
    [
        (("caa", "ca"), None),
        (("caa", "c"), AT_THE_LAST),
        (("caa", ""), AT_THE_LAST),
        (("ccaa", ""), AT_THE_LAST),
    ],
)
async def test_an_assistant_that_ends_the_call_has_answered_every_recording(
    monkeypatch: pytest.MonkeyPatch, turns: tuple[str, ...], error: str | None
) -> None:
    monkeypatch.setattr(call, "PAUSE_S", 0.0)
    transcript = Transcript()

    def said(*speakers: str) -> None:
        for speaker in speakers:
            who = Speaker.CALLER if speaker == "c" else Speaker.ASSISTANT
            transcript.lines.append(Line(0.0, who, "words"))

    held = Call(Talkative(said), [FIRST, LAST])
    held._transcript = transcript
    main = main_task.build_main_task(DirectBus(), main_task.Parts(), stays=lambda frame: False)
    main.started.set()
    microphone = Microphone(said, *turns)
    talking = asyncio.create_task(held._talk(main, microphone))
    await within(microphone.spoken.wait())
    talking.cancel()
    await asyncio.wait({talking})
    assert held._judge(talking) == error
