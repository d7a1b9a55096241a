"""Names and types decide what crosses."""

import pytest
from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusAddWorkerMessage,
    BusCancelMessage,
    BusCancelWorkerMessage,
    BusDeactivateWorkerMessage,
    BusEndMessage,
    BusEndWorkerMessage,
    BusFlushProgressMessage,
    BusFrameMessage,
    BusJobRequestMessage,
    BusMessage,
    BusTTSSpeakMessage,
    BusWorkerErrorMessage,
    BusWorkerReadyMessage,
    BusWorkerRegistryMessage,
)
from pipecat.bus.ui.messages import BusUIEventMessage
from pipecat.frames.frames import (
    BotSpeakingFrame,
    CancelFrame,
    EndFrame,
    EndWorkerFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMMessagesUpdateFrame,
    LLMSetToolsFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    MetricsFrame,
    StopWorkerFrame,
    TextFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame

from proxy.codec import rules
from proxy.filter import (
    FROM_ASSISTANT,
    FROM_CALLER,
    MAX_NAME_LENGTH,
    DropReason,
    Filter,
    valid_name,
)

AUDIO = InputAudioRawFrame(audio=bytes(640), sample_rate=16000, num_channels=1)


def server_filter(*exported: str) -> Filter:
    return Filter(
        exported=exported or ("assistant",),
        remote=["acme"],
        inbound_frames=FROM_CALLER,
        may_switch=True,
    )


def client_filter() -> Filter:
    return Filter(exported=("acme",), remote=["assistant"], inbound_frames=FROM_ASSISTANT)


def carried(frame: Frame, source: str = "acme", target: str | None = None) -> BusFrameMessage:
    return BusFrameMessage(
        source=source, target=target, frame=frame, direction=FrameDirection.DOWNSTREAM
    )


def test_a_message_to_an_exported_task_passes() -> None:
    message = BusJobRequestMessage(source="acme", target="assistant", job_id="1")
    assert server_filter().inbound(message).messages == (message,)


def test_a_message_to_any_other_task_does_not() -> None:
    for target in ("secret-worker", "gateway", "acme", None):
        message = BusJobRequestMessage(source="acme", target=target, job_id="1")
        assert server_filter().inbound(message).dropped is DropReason.TARGET


def test_the_source_is_overwritten() -> None:
    message = BusJobRequestMessage(source="assistant", target="assistant", job_id="1")
    (passed,) = server_filter().inbound(message).messages
    assert passed.source == "acme"


@pytest.mark.parametrize(
    "message",
    [
        BusEndMessage(source="acme", target="assistant"),
        BusEndWorkerMessage(source="acme", target="assistant"),
        BusCancelMessage(source="acme", target="assistant"),
        BusCancelWorkerMessage(source="acme", target="assistant"),
        BusWorkerRegistryMessage(source="acme", target="assistant", runner="r", workers=[]),
        BusWorkerReadyMessage(source="acme", target="assistant", runner="r"),
        BusWorkerErrorMessage(source="acme", target="assistant", error="e"),
        BusUIEventMessage(source="acme", target="assistant", event_name="x"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_caller_may_not_end_or_reconfigure_anything(message: BusMessage) -> None:
    assert server_filter().inbound(message).dropped is DropReason.TYPE


def test_only_a_caller_may_switch_tasks_on_and_off() -> None:
    activate = BusActivateWorkerMessage(source="acme", target="assistant")
    deactivate = BusDeactivateWorkerMessage(source="acme", target="assistant")
    assert server_filter().inbound(activate).messages
    assert server_filter().inbound(deactivate).messages
    theirs = BusDeactivateWorkerMessage(source="assistant", target="acme")
    assert client_filter().inbound(theirs).dropped is DropReason.TYPE


@pytest.mark.parametrize(
    "frame",
    [
        EndFrame(),
        CancelFrame(),
        EndWorkerFrame(),
        StopWorkerFrame(),
        ErrorFrame("x"),
        LLMUpdateSettingsFrame(settings={"model": "other"}),
        LLMMessagesUpdateFrame(messages=[]),
        LLMSetToolsFrame(tools=[]),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_a_caller_may_not_send_privileged_frames(frame: Frame) -> None:
    assert server_filter().inbound(carried(frame)).dropped is DropReason.TYPE


def test_a_recipe_may_allow_a_frame_type_by_name() -> None:
    allowing = server_filter()
    allowing.inbound_frames = FROM_CALLER.allowing(LLMUpdateSettingsFrame, InputAudioRawFrame)
    assert allowing.inbound(carried(LLMUpdateSettingsFrame(settings={}))).messages
    assert allowing.inbound(carried(AUDIO)).messages
    assert allowing.inbound(carried(LLMSetToolsFrame(tools=[]))).dropped is DropReason.TYPE


@pytest.mark.parametrize("frame", [AUDIO, BotSpeakingFrame(), MetricsFrame(data=[])])
def test_what_stays_at_home_is_dropped_in_both_directions(frame: Frame) -> None:
    assert server_filter().inbound(carried(frame)).dropped is DropReason.HOME
    assert client_filter().outbound(carried(frame)) is DropReason.HOME


def test_a_frame_without_an_address_reaches_every_exported_task_and_no_other() -> None:
    passed = server_filter("greeter", "support").inbound(carried(TextFrame("hi"))).messages
    assert [message.target for message in passed] == ["greeter", "support"]
    assert {message.source for message in passed} == {"acme"}
    (only,) = server_filter("greeter").inbound(carried(TextFrame("hi"))).messages
    assert only.target == "greeter"


def test_a_frame_with_an_address_reaches_that_task_if_it_is_exported() -> None:
    both = server_filter("greeter", "support")
    (passed,) = both.inbound(carried(TextFrame("hi"), target="support")).messages
    assert passed.target == "support"
    hidden = carried(TextFrame("hi"), target="hidden")
    assert both.inbound(hidden).dropped is DropReason.TARGET


def test_an_exported_task_speaks_to_the_caller() -> None:
    filter_ = server_filter()
    for message in (
        carried(LLMTextFrame("hi"), source="assistant"),
        BusTTSSpeakMessage(source="assistant", target="acme", text="hi"),
        BusFlushProgressMessage(source="assistant", target="acme", flush_id=1),
    ):
        assert filter_.outbound(message) is None


def test_nobody_else_does() -> None:
    filter_ = server_filter()
    hidden = BusTTSSpeakMessage(source="hidden", target="acme", text="hi")
    assert filter_.outbound(hidden) is DropReason.SOURCE
    frame = carried(LLMTextFrame("hi"), source="hidden")
    assert filter_.outbound(frame) is DropReason.LOCAL


@pytest.mark.parametrize(
    "message",
    [
        BusJobRequestMessage(source="assistant", target="hidden", job_id="1"),
        BusJobRequestMessage(source="assistant", job_id="1"),
        carried(LLMTextFrame("hi"), source="assistant", target="hidden"),
        BusEndMessage(source="assistant"),
        BusWorkerReadyMessage(source="assistant", runner="r"),
        BusAddWorkerMessage(source="assistant", worker=None),  # type: ignore[arg-type]
        BusAddWorkerMessage(source="assistant", target="acme", worker=None),  # type: ignore[arg-type]
    ],
    ids=lambda message: type(message).__name__,
)
def test_broadcasts_and_messages_between_tasks_stay(message: BusMessage) -> None:
    assert server_filter().outbound(message) is DropReason.LOCAL


def test_messages_of_other_types_stay_even_when_addressed_to_the_caller() -> None:
    message = BusEndWorkerMessage(source="assistant", target="acme")
    assert server_filter().outbound(message) is DropReason.TYPE


def test_lifecycle_frames_never_leave() -> None:
    for cls in rules.LIFECYCLE:
        message = carried(cls(), source="assistant")
        assert server_filter().outbound(message) is DropReason.TYPE


def test_an_assistant_may_change_the_conversation_but_not_the_services() -> None:
    tools = carried(LLMSetToolsFrame(tools=[]), source="assistant")
    assert client_filter().inbound(tools).messages
    settings = carried(LLMUpdateSettingsFrame(settings={}), source="assistant")
    assert client_filter().inbound(settings).dropped is DropReason.TYPE
    assert client_filter().inbound(carried(InterruptionFrame(), source="assistant")).messages


def test_a_second_task_of_the_other_side_keeps_its_name() -> None:
    filter_ = client_filter()
    filter_.remote = ["greeter", "support"]
    (passed,) = filter_.inbound(carried(TextFrame("hi"), source="support")).messages
    assert passed.source == "support"
    (passed,) = filter_.inbound(carried(TextFrame("hi"), source="acme")).messages
    assert passed.source == "greeter"


def test_a_name_from_the_wire_is_short_printable_and_free() -> None:
    assert valid_name("acme")
    assert valid_name("a" * MAX_NAME_LENGTH)
    for bad in ("", "a" * (MAX_NAME_LENGTH + 1), "a\nb", None, 3, ["a"]):
        assert not valid_name(bad)
    assert not valid_name("assistant", taken=["assistant"])


def test_what_is_for_a_screen_crosses_only_to_who_asked_and_only_that_way() -> None:
    news = carried(RTVIServerMessageFrame(data={"kind": "order"}), "assistant")
    server, client = server_filter(), client_filter()
    assert server.outbound(news) is DropReason.HOME
    assert client.inbound(news).dropped is DropReason.HOME
    server.home -= rules.SHOWN
    client.inbound_frames = FROM_ASSISTANT.allowing(*rules.SHOWN)
    assert server.outbound(news) is None
    assert client.inbound(news).messages == (news,)
    assert server.outbound(carried(news.frame, "worker")) is DropReason.LOCAL
    assert server.inbound(carried(news.frame)).dropped is DropReason.HOME
    assert client.outbound(carried(news.frame)) is DropReason.HOME
