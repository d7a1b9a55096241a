"""Any schedule of sends, cuts, reconnects, slow readers and ticks: once, in order, or a gap."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pipecat.bus.messages import BusJobUpdateMessage, BusJobUpdateUrgentMessage
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext

from proxy.close_codes import CloseCode
from proxy.dialect import Direction, LineState
from proxy.filter import CALLER_SUFFIX, DropReason
from proxy.handshake import TrunkOptions
from proxy.outbox import Kind, OutboxLimits
from proxy.pulse import Patience
from tests.proxy.memory_link import ASSISTANT, CALLER, End, MemoryLink

# What chance reaches is not counted as covered. Hundreds of schedules take their time where others
# have the processors too.
pytestmark = [pytest.mark.uncounted, pytest.mark.timeout(600)]

SMALL = TrunkOptions(
    window_bytes=2048,
    max_message_bytes=64 * 1024,
    resume_window_s=86_000.0,
    # A schedule may let the other end take nothing for as long as it likes.
    patience=Patience(stall_s=86_000.0),
    outbox=OutboxLimits(media_bytes=3000, ample_bytes=4000, total_bytes=8000),
)

ends = st.sampled_from(["caller", "assistant"])


class Schedules(RuleBasedStateMachine):
    """Two ends, and a model of what each was given to send."""

    options = SMALL

    def __init__(self) -> None:
        super().__init__()
        self.link = MemoryLink(caller=self.options, assistant=self.options)
        self.sent: dict[str, list[str]] = {"caller": [], "assistant": []}
        self.urgent: dict[str, list[str]] = {"caller": [], "assistant": []}
        self.sounds: dict[str, int] = {"caller": 0, "assistant": 0}
        self.contexts: list[int] = []
        self.context = LLMContext()
        self.count = 0

    @initialize()
    def begin(self) -> None:
        self.link.connect()

    def end(self, which: str) -> End:
        return self.link.caller if which == "caller" else self.link.assistant

    def peer(self, which: str) -> End:
        return self.link.assistant if which == "caller" else self.link.caller

    def may_send(self, which: str) -> bool:
        """Whether a producer that keeps to the rules would send now."""
        line = self.end(which).line
        return line.state is not LineState.OPEN or not line.ample

    @rule(which=ends, size=st.integers(0, 700), count=st.integers(1, 5))
    def send_words(self, which: str, size: int, count: int) -> None:
        for _ in range(count):
            if not self.may_send(which):
                return
            self.count += 1
            text = f"{self.count}:" + "x" * size
            self.sent[which].append(text)
            frame: Frame = TextFrame(text) if which == "caller" else LLMTextFrame(text)
            self.end(which).send(frame)

    @rule(which=ends)
    def send_urgent(self, which: str) -> None:
        source, target = (
            (CALLER, ASSISTANT) if which == "caller" else (ASSISTANT, CALLER + CALLER_SUFFIX)
        )
        self.count += 1
        text = str(self.count)
        self.urgent[which].append(text)
        kind = BusJobUpdateUrgentMessage
        self.end(which).send(kind(source=source, target=target, job_id="1", update={"n": text}))

    @rule(which=ends)
    def send_kept(self, which: str) -> None:
        if not self.may_send(which) or len(self.end(which).line._sender.outbox) > 40:
            return
        source, target = (
            (CALLER, ASSISTANT) if which == "caller" else (ASSISTANT, CALLER + CALLER_SUFFIX)
        )
        self.count += 1
        text = f"{self.count}:kept"
        self.sent[which].append(text)
        kind = BusJobUpdateMessage
        self.end(which).send(kind(source=source, target=target, job_id="1", update={"n": text}))

    @rule(count=st.integers(1, 8))
    def send_sound(self, count: int) -> None:
        for _ in range(count):
            self.sounds["assistant"] += 1
            audio = OutputAudioRawFrame(
                audio=self.sounds["assistant"].to_bytes(4, "big") * 80,
                sample_rate=16000,
                num_channels=1,
            )
            self.link.assistant.send(audio)

    @rule(change=st.booleans())
    def send_conversation(self, change: bool) -> None:
        if not self.may_send("caller"):
            return
        if change and self.context.messages:
            self.context.messages[-1]["content"] = "changed"  # type: ignore[index]
        self.context.add_message({"role": "user", "content": f"turn {len(self.contexts)}"})
        self.contexts.append(len(self.context.messages))
        self.link.caller.send(LLMContextFrame(context=self.context))

    @rule(which=ends)
    def write(self, which: str) -> None:
        self.link.pump(self.end(which))

    @rule(which=ends, count=st.integers(1, 20))
    def arrive(self, which: str, count: int) -> None:
        self.link.arrive(self.end(which), count)

    @rule(which=ends, slow=st.booleans())
    def read_slowly(self, which: str, slow: bool) -> None:
        self.end(which).slow = slow

    @rule(which=ends, count=st.integers(1, 10))
    def handle(self, which: str, count: int) -> None:
        self.end(which).handle(count)

    @rule(noticed=st.booleans())
    def cut(self, noticed: bool) -> None:
        self.link.cut(noticed=noticed)

    @rule(to_caller=st.integers(0, 5000), to_assistant=st.integers(0, 5000))
    def cut_at_a_byte(self, to_caller: int, to_assistant: int) -> None:
        self.link.break_after(to_caller, to_assistant)

    @precondition(lambda self: not self.link.up)
    @rule(lose_hello=st.booleans(), lose_welcome=st.booleans())
    def redial(self, lose_hello: bool, lose_welcome: bool) -> None:
        self.link.dial()
        if lose_hello:
            self.link.cut()
            return
        assert self.link.answer()
        self.link.pump(self.link.assistant)
        if lose_welcome:
            self.link.cut()
            return
        self.link.arrive(self.link.caller)

    @precondition(lambda self: self.link.up)
    @rule(which=ends, data=st.data())
    def duplicate(self, which: str, data: st.DataObject) -> None:
        """Let something arrive a second time, as a broken relay might."""
        way = self.link.to_caller if which == "caller" else self.link.to_assistant
        if way and self.end(which).line.state is LineState.OPEN:
            way.insert(1, way[0])

    @rule(seconds=st.floats(0.0, 3.0))
    def wait(self, seconds: float) -> None:
        self.link.now += seconds
        for end in (self.link.caller, self.link.assistant):
            end.act(end.line.tick())
            if end.closing is not None:
                self.link.cut(end.closing)

    @invariant()
    def bounded(self) -> None:
        """What waits is bounded, apart from what nobody may give up; the link looks at windows."""
        for end in (self.link.caller, self.link.assistant):
            outbox, limits = end.line._sender.outbox, self.options.outbox
            waiting = [*outbox._system, *outbox._data]
            sizes = [len(one.data) for one in waiting]
            assert outbox.size_bytes == sum(sizes)
            urgent = sum(len(one.data) for one in outbox._system)
            kept = sum(len(one.data) for one in outbox._data if one.kind is Kind.DATA)
            backlog = min(outbox._backlog_bytes, outbox.size_bytes)
            beyond = max(limits.total_bytes, urgent + kept) + backlog
            assert backlog <= limits.total_bytes
            assert outbox.size_bytes <= beyond + max(sizes, default=0)
            assert end.line.state is not LineState.CLOSED

    def teardown(self) -> None:
        self.settle()
        for which in ("caller", "assistant"):
            self.check(which)
        self.check_conversations()

    def settle(self) -> None:
        """Let everything arrive that can."""
        for end in (self.link.caller, self.link.assistant):
            end.slow = False
            end.handle()
        for _ in range(50):
            if not self.link.up:
                self.link.dial()
                assert self.link.answer()
            self.link.carry()
            if self.link.up and self.link.caller.line.drained and self.link.assistant.line.drained:
                return
        raise AssertionError("the line does not come to rest")

    def check(self, which: str) -> None:
        peer, sent = self.peer(which), self.sent[which]
        arrived = [
            frame.text for frame in peer.frames if isinstance(frame, TextFrame | LLMTextFrame)
        ]
        kept = [
            m.update["n"]
            for m in peer.messages
            if isinstance(m, BusJobUpdateMessage) and m.update is not None
        ]
        lost = peer.lost(Direction.IN)
        assert lost == self.end(which).lost(Direction.OUT)
        everything = [
            m.frame.text if hasattr(m, "frame") else m.update["n"]  # type: ignore[attr-defined]
            for m in peer.messages
            if (hasattr(m, "frame") and isinstance(m.frame, TextFrame | LLMTextFrame))
            or isinstance(m, BusJobUpdateMessage)
        ]
        order = {text: place for place, text in enumerate(sent)}
        places = [order[text] for text in everything]
        assert places == sorted(set(places)), "out of order, or twice"
        assert kept == [text for text in sent if text.endswith(":kept")], "what is kept was lost"
        missing = len(sent) - len(arrived) - len(kept)
        assert 0 <= missing <= lost
        urgent = [
            m.update["n"]
            for m in peer.messages
            if isinstance(m, BusJobUpdateUrgentMessage) and m.update is not None
        ]
        assert urgent == self.urgent[which]
        numbers = [
            int.from_bytes(frame.audio[:4], "big")
            for frame in peer.frames
            if isinstance(frame, OutputAudioRawFrame)
        ]
        assert numbers == sorted(set(numbers))
        slow = self.end(which).line.stats.drops[Direction.OUT, DropReason.SLOW]
        assert len(numbers) == self.sounds[which] - slow

    def check_conversations(self) -> None:
        arrived = [
            frame.context.messages
            for frame in self.link.assistant.frames
            if isinstance(frame, LLMContextFrame)
        ]
        lengths = [len(messages) for messages in arrived]
        assert lengths == sorted(lengths)
        if self.contexts and not self.link.caller.lost(Direction.OUT):
            assert arrived
            assert Counter(lengths).keys() == Counter(self.contexts).keys()
            assert arrived[-1] == self.context.messages


class WideSchedules(Schedules):
    """The same with room for more on the way."""

    options = replace(SMALL, window_bytes=16 * 1024)


class TightSchedules(Schedules):
    """The same with hardly any room."""

    options = replace(
        SMALL,
        window_bytes=1024,
        outbox=OutboxLimits(media_bytes=700, ample_bytes=900, total_bytes=2500),
    )


for machine in (Schedules, WideSchedules, TightSchedules):
    machine.TestCase.settings = settings(
        max_examples=800,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


@given(sizes=st.lists(st.integers(1, 3000), max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_producer_that_waits_for_nobody_is_cut_off_at_the_bound_and_not_before(
    sizes: list[int],
) -> None:
    link = MemoryLink(caller=SMALL, assistant=SMALL)
    link.connect()
    end, total_bytes = link.assistant, SMALL.outbox.total_bytes
    for size in sizes:
        end.send(LLMTextFrame("x" * size))
        waiting_bytes = sum(len(one.data) for one in end.line._sender.outbox._data)
        if end.closing is not None:
            assert end.closing is CloseCode.PEER_TOO_SLOW
            assert waiting_bytes > total_bytes
            return
        assert waiting_bytes <= total_bytes


TestSchedules = Schedules.TestCase
TestWideSchedules = WideSchedules.TestCase
TestTightSchedules = TightSchedules.TestCase
