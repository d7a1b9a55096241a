"""The greeter and the support agent speak with voices of their own."""

from collections.abc import AsyncIterator, Sequence

import pytest
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.text.base_text_aggregator import TextType
from pipecat.workers.base_worker import BaseWorker

from agents import SessionContext, assistant
from agents.handoff import handoff
from agents.handoff import script as lines
from agents.handoff_voices import handoff_voices
from app.caller.directory import look_up
from tests.agents.hearing import likeness
from tests.agents.overhearing import Overheard
from tests.agents.talking import TOKEN, Placed, Placement, placed, talking

# A minute of speech in pieces of a tenth of a second, no two alike; a voice makes it in one go.
SPEECH = [number.to_bytes(2, "little") * 2400 for number in range(600)]


class Orator(FrameProcessor):
    """Stands in for a model and a voice: makes a long speech, faster than anybody can listen."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        for piece in SPEECH:
            await self.push_frame(TTSAudioRawFrame(piece, 24000, 1, context_id="speech"))
        await self.push_frame(TTSTextFrame("That was it.", text_type=TextType.SENTENCE))
        await self.push_frame(LLMFullResponseEndFrame())


@assistant("orator", exports=("orator",), speaks=True, description="Makes a long speech.")
def orator(session: SessionContext) -> Sequence[BaseWorker]:
    pipeline = Pipeline([Orator()])
    return [PipelineWorker(pipeline, name="orator", bridged=(), idle_timeout_secs=None)]


@pytest.fixture(params=Placement)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Placed]:
    async with placed(request.param, handoff, handoff_voices, orator) as there:
        yield there


@pytest.mark.long
async def test_each_is_heard_in_its_own_voice(place: Placed) -> None:
    overheard = Overheard(place.side("handoff-voices"))
    async with talking(overheard) as talk:
        await talk.hear("tell me what is broken.")
        await talk.say("my rocket boots do not start")
        await talk.hear(lines.TRANSFER_TO_SUPPORT)
        await talk.hear("there is no fuel in them.")
        await talk.ask("back to the greeter please", lines.TRANSFER_TO_GREETER)
        await talk.hear(lines.ASK_GREETER)
        await talk.ask("what do you sell", "the Tornado Kit for $199.")
        await talk.ask("thank you goodbye", "Goodbye!")
    assert talk.result is not None
    assert talk.result.ended_by_assistant
    assert talk.problems == []
    for text, voice in (
        (lines.TRANSFER_TO_SUPPORT, 0),
        (lines.SUPPORT_HERE, 1),
        (lines.TRANSFER_TO_GREETER, 1),
        (lines.WELCOME_BACK, 0),
    ):
        own = await likeness(overheard.sound, text, voice)
        other = await likeness(overheard.sound, text, 1 - voice)
        assert own > 0.95 > other, text


async def test_a_long_speech_crosses_byte_for_byte(place: Placed) -> None:
    overheard = Overheard(place.side("orator"))
    async with talking(overheard, greeting_timeout_s=0.1) as talk:
        await talk.ask("talk to me", "That was it.")
    assert overheard.sound == b"".join(SPEECH)


async def test_callers_are_told_who_speaks_for_himself(place: Placed) -> None:
    assert await place.side("handoff-voices").speaks()
    assert not await place.side("handoff").speaks()


async def test_the_directory_says_who_is_behind_the_plain_address() -> None:
    async with placed(Placement.TRUNK, handoff, handoff_voices) as place:
        assert await look_up(f"{place.address}/ws", TOKEN) is None
        entry = await look_up(f"{place.address}/ws/handoff-voices", TOKEN)
        assert entry is not None
        assert (entry.name, entry.speaks, entry.default) == ("handoff-voices", True, False)
        assert await look_up(f"{place.address}/ws/handoff-voices", None) is None
        assert await look_up(f"{place.address}/elsewhere", TOKEN) is None
        assert await look_up("ws://127.0.0.1:9/ws/handoff-voices", None) is None
