from typing import Any

from pipecat.bus.messages import BusFrameMessage
from pipecat.frames.frames import Frame, LLMTextFrame, OutputAudioRawFrame, TTSAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame

from proxy.outbox import SPARE_PLACES, Kind, Outbox, OutboxLimits, kind_of


def drained(outbox: Outbox) -> list[bytes]:
    taken = []
    while (waiting := outbox.take()) is not None:
        taken.append(waiting.data or b"%d lost" % waiting.lost)
    return taken


def test_messages_leave_in_the_order_in_which_they_came() -> None:
    outbox = Outbox()
    for data in (b"one", b"two", b"three"):
        outbox.put(data, Kind.DATA)
    assert len(outbox) == 3
    assert drained(outbox) == [b"one", b"two", b"three"]
    assert outbox.size_bytes == 0


def test_system_messages_overtake() -> None:
    outbox = Outbox()
    outbox.put(b"data", Kind.DATA)
    outbox.put(b"system 1", Kind.SYSTEM)
    outbox.put(b"system 2", Kind.SYSTEM)
    assert drained(outbox) == [b"system 1", b"system 2", b"data"]


def test_media_goes_overboard_oldest_first_and_is_counted() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=100, total_bytes=1000))
    outbox.put(b"a" * 40, Kind.MEDIA)
    outbox.put(b"text", Kind.DATA)
    outbox.put(b"b" * 40, Kind.MEDIA)
    outbox.put(b"c" * 40, Kind.MEDIA)
    assert outbox.dropped_media == 1
    assert drained(outbox) == [b"text", b"b" * 40, b"c" * 40]


def test_words_are_never_dropped() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=10, total_bytes=1000))
    for number in range(50):
        outbox.put(b"word%02d" % number, Kind.DATA)
    outbox.put(b"x" * 20, Kind.MEDIA)
    assert outbox.dropped_media == 1
    assert len(drained(outbox)) == 50


def test_past_the_hard_bound_it_says_so() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=10, total_bytes=20))
    outbox.put(b"x" * 20, Kind.DATA)
    assert not outbox.overflows()
    outbox.put(b"x", Kind.DATA)
    assert outbox.overflows()


def test_cleared_it_is_as_new() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=10, total_bytes=20))
    outbox.put(b"x" * 30, Kind.MEDIA)
    outbox.put(b"y" * 30, Kind.DATA)
    outbox.clear()
    assert (len(outbox), outbox.size_bytes, outbox.overflows()) == (0, 0, False)
    outbox.put(b"z", Kind.MEDIA)
    assert drained(outbox) == [b"z"]


def test_one_message_may_always_wait_however_large() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=10, ample_bytes=10, total_bytes=20))
    outbox.put(b"x" * 100, Kind.FRAME)
    assert not outbox.overflows()
    assert outbox.ample
    outbox.put(b"x", Kind.FRAME)
    assert outbox.overflows()


def test_where_somebody_reads_one_large_message_may_wait_beside_others() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=10, ample_bytes=10, total_bytes=20))
    outbox.put(b"x" * 100, Kind.FRAME)
    outbox.put(b"x" * 20, Kind.FRAME)
    assert not outbox.overwhelms()
    outbox.put(b"x", Kind.FRAME)
    assert outbox.overwhelms()
    drained(outbox)
    outbox.put(b"x" * 20, Kind.FRAME)
    outbox.put(b"x", Kind.FRAME)
    assert outbox.overwhelms()


def test_whoever_comes_back_is_not_too_slow_for_what_gathered_meanwhile() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=10, ample_bytes=10, total_bytes=20))
    for _ in range(4):
        outbox.put(b"x" * 5, Kind.FRAME)
    outbox.reconnected()
    outbox.put(b"y" * 20, Kind.FRAME)
    assert not outbox.overwhelms()
    outbox.put(b"y", Kind.FRAME)
    assert outbox.overwhelms()


def test_what_gathered_meanwhile_counts_until_it_is_written() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=10, ample_bytes=10, total_bytes=20))
    for _ in range(5):
        outbox.put(b"x" * 5, Kind.FRAME)
    outbox.reconnected()  # of 25, no more than the bound is let pass
    outbox.take()
    outbox.take()
    outbox.put(b"y" * 20, Kind.FRAME)
    assert not outbox.overwhelms()
    outbox.put(b"y", Kind.FRAME)
    assert outbox.overwhelms()
    drained(outbox)
    outbox.put(b"y" * 20, Kind.FRAME)
    outbox.put(b"y", Kind.FRAME)
    assert outbox.overwhelms()


def test_a_large_message_may_wait_behind_the_place_of_others_too() -> None:
    outbox = Outbox(OutboxLimits(total_bytes=20))
    outbox.put(b"x" * 15, Kind.FRAME)
    outbox.put(b"y" * 100, Kind.FRAME)
    assert outbox.give_up_frames() == 1
    assert not outbox.overflows()
    assert drained(outbox) == [b"1 lost", b"y" * 100]


def test_of_the_system_messages_only_the_lane_of_their_own_is_taken() -> None:
    outbox = Outbox()
    outbox.put(b"data", Kind.DATA)
    assert outbox.take(system_only=True) is None
    outbox.put(b"system", Kind.SYSTEM)
    taken = outbox.take(system_only=True)
    assert taken is not None
    assert taken.data == b"system"


def test_frames_are_given_up_oldest_first_and_leave_their_place() -> None:
    outbox = Outbox(OutboxLimits(total_bytes=50))
    outbox.put(b"kept 1", Kind.DATA)
    for number in range(10):
        outbox.put(b"frame %04d" % number, Kind.FRAME)
    assert outbox.give_up_frames() == 6
    outbox.put(b"kept 2", Kind.DATA)
    assert len(outbox) == 7
    assert outbox.size_bytes <= 52
    assert drained(outbox) == [
        b"kept 1",
        b"6 lost",
        b"frame 0006",
        b"frame 0007",
        b"frame 0008",
        b"frame 0009",
        b"kept 2",
    ]
    assert len(outbox) == 0


def test_frames_given_up_later_join_those_before_while_they_wait() -> None:
    outbox = Outbox(OutboxLimits(total_bytes=10))
    for _ in range(3):
        outbox.put(b"x" * 8, Kind.FRAME)
        outbox.give_up_frames()
    assert drained(outbox) == [b"2 lost", b"x" * 8]
    outbox.put(b"y" * 8, Kind.FRAME)
    outbox.put(b"z" * 8, Kind.FRAME)
    assert outbox.give_up_frames() == 1
    assert drained(outbox) == [b"1 lost", b"z" * 8]


def test_what_is_not_a_frame_is_never_given_up() -> None:
    outbox = Outbox(OutboxLimits(total_bytes=10))
    outbox.put(b"x" * 8, Kind.DATA)
    outbox.put(b"y" * 8, Kind.SYSTEM)
    assert outbox.give_up_frames() == 0
    assert outbox.overflows()


def test_sound_that_nobody_wants_to_hear_is_dropped_at_once() -> None:
    outbox = Outbox()
    outbox.put(b"sound", Kind.MEDIA)
    outbox.put(b"word", Kind.FRAME)
    outbox.put(b"sound", Kind.MEDIA)
    assert outbox.drop_media() == 2
    assert (len(outbox), outbox.size_bytes) == (1, 4)
    assert drained(outbox) == [b"word"]


def test_speech_is_kept_however_much_waits_until_it_is_interrupted() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=10, total_bytes=1000))
    for number in range(20):
        outbox.put(b"speech %02d" % number, Kind.SPEECH)
        outbox.put(b"word %02d" % number, Kind.FRAME)
    assert outbox.dropped_media == 0
    assert outbox.take() is not None
    assert outbox.drop_media() == 19
    assert drained(outbox) == [b"word %02d" % number for number in range(20)]
    assert outbox.size_bytes == 0


def test_speech_is_given_up_in_order_while_there_is_no_connection() -> None:
    outbox = Outbox(OutboxLimits(total_bytes=20))
    for piece in (b"speech 1", b"word   1", b"speech 2", b"word   2"):
        outbox.put(piece, Kind.SPEECH if piece.startswith(b"s") else Kind.FRAME)
    assert outbox.give_up_frames() == 2
    assert outbox.drop_media() == 1
    assert drained(outbox) == [b"2 lost", b"word   2"]


def test_the_frame_says_whether_it_is_speech() -> None:
    def kind(frame: Frame) -> Kind:
        message = BusFrameMessage(source="a", frame=frame, direction=FrameDirection.DOWNSTREAM)
        return kind_of(message)

    sound: dict[str, Any] = {"audio": b"", "sample_rate": 24000, "num_channels": 1}
    assert kind(TTSAudioRawFrame(**sound)) is Kind.SPEECH
    assert kind(OutputAudioRawFrame(**sound)) is Kind.MEDIA
    assert kind(LLMTextFrame("x")) is Kind.FRAME


def test_one_bound_gives_the_others() -> None:
    limits = OutboxLimits.within(4000)
    assert (limits.media_bytes, limits.ample_bytes, limits.total_bytes) == (1000, 2000, 4000)


def test_what_was_dropped_leaves_nothing_behind_however_long_nobody_reads() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=100, total_bytes=100))
    outbox.put(b"the first", Kind.DATA)
    for number in range(2000):
        outbox.put(b"sound %04d" % number, Kind.MEDIA)
        outbox.put(b"word %04d" % number, Kind.FRAME)
        outbox.give_up_frames()
        assert len(outbox._data) < 3 * len(outbox) + SPARE_PLACES < 200
    assert drained(outbox)[:3] == [b"the first", b"1990 lost", b"word 1990"]


def test_what_is_for_a_screen_is_kept_in_order_and_given_up_like_any_frame() -> None:
    news = RTVIServerMessageFrame(data={"kind": "order"})
    message = BusFrameMessage(source="a", frame=news, direction=FrameDirection.DOWNSTREAM)
    assert kind_of(message) is Kind.SHOWN
    outbox = Outbox(OutboxLimits(total_bytes=20))
    outbox.put(b"word", Kind.FRAME)
    outbox.put(b"n" * 20, Kind.SHOWN)
    outbox.put(b"data", Kind.DATA)
    assert outbox.drop_media() == 0
    assert outbox.give_up_frames() == 2
    assert drained(outbox) == [b"2 lost", b"data"]
