"""Who has the floor, and what ends in the name of a task that is gone."""

from collections.abc import Sequence

import pytest
from pipecat.bus.messages import BusActivateWorkerMessage, BusFrameMessage
from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection

from app.caller.floor import Floor

DOWN, UP = FrameDirection.DOWNSTREAM, FrameDirection.UPSTREAM


@pytest.fixture
def floor() -> Floor:
    floor = Floor("caller")
    floor.watch(("greeter", "support"))
    return floor


async def sent(floor: Floor, source: str, *frames: Frame, direction: FrameDirection = DOWN) -> None:
    for frame in frames:
        await floor.on_bus_message(
            BusFrameMessage(source=source, target="caller", frame=frame, direction=direction)
        )


def in_progress(call: str) -> FunctionCallInProgressFrame:
    return FunctionCallInProgressFrame("look_up", call, {}, cancel_on_interruption=False)


def ended(floor: Floor, task: str) -> Sequence[Frame]:
    messages = floor.ended_for(task)
    assert {message.source for message in messages} <= {task}
    assert {message.target for message in messages} <= {"caller"}
    return [message.frame for message in messages]


async def test_whoever_speaks_has_the_floor(floor: Floor) -> None:
    assert floor.holder == ""
    await sent(floor, "greeter", LLMFullResponseStartFrame())
    await sent(floor, "caller", LLMFullResponseStartFrame())
    await sent(floor, "support", LLMFullResponseStartFrame(), direction=UP)
    assert floor.holder == "greeter"


async def test_whoever_is_activated_has_the_floor(floor: Floor) -> None:
    await floor.on_bus_message(BusActivateWorkerMessage(source="greeter", target="support"))
    await floor.on_bus_message(BusActivateWorkerMessage(source="greeter", target="line"))
    await sent(floor, "greeter", LLMFullResponseEndFrame())
    assert floor.holder == "support"


async def test_an_answer_that_was_begun_is_ended(floor: Floor) -> None:
    await sent(floor, "greeter", LLMFullResponseStartFrame())
    await sent(floor, "support", LLMFullResponseStartFrame(), LLMFullResponseEndFrame())
    (frame,) = ended(floor, "greeter")
    assert isinstance(frame, LLMFullResponseEndFrame)
    assert ended(floor, "support") == []
    await sent(floor, "greeter", frame)
    assert ended(floor, "greeter") == []


async def test_a_tool_that_was_called_is_cancelled(floor: Floor) -> None:
    called = FunctionCallFromLLM("look_up", "1", {}, LLMContext())
    await sent(floor, "greeter", FunctionCallsStartedFrame([called]), in_progress("2"))
    await sent(floor, "greeter", in_progress("3"), FunctionCallResultFrame("look_up", "3", {}, {}))
    frames = ended(floor, "greeter")
    assert all(isinstance(frame, FunctionCallCancelFrame) for frame in frames)
    assert [frame.tool_call_id for frame in frames] == ["1", "2"]  # type: ignore[attr-defined]
    await sent(floor, "greeter", *frames)
    assert ended(floor, "greeter") == []
