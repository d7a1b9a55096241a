"""Numbers, acknowledgements and windows, one direction at a time."""

from typing import Any

import msgspec
import pytest

from proxy.close_codes import CloseCode
from proxy.outbox import Kind, OutboxLimits
from proxy.sequence import (
    ACK_EVERY,
    SYSTEM_OVERSHOOT_BYTES,
    Receiver,
    Sender,
    SequenceError,
)
from proxy.wire import Resend, encode

SMALL = encode(Resend(0))  # three bytes until it is numbered


def blank(size: int) -> bytes:
    """An envelope of so many bytes with number 0."""
    return b"\x93\x03\x00" + b"x" * (size - 3)


def number_of(data: bytes | None) -> int:
    assert data is not None
    return int(data[2])


def sender(window_bytes: int = 1000) -> Sender:
    made = Sender()
    made.window_bytes = window_bytes
    return made


def written(one: Sender) -> list[int]:
    numbers = []
    while (data := one.next()) is not None:
        numbers.append(number_of(data))
    return numbers


class TestSender:
    def test_numbers_count_from_one_and_are_given_on_the_way_out(self) -> None:
        one = sender()
        for _ in range(3):
            one.put(SMALL, Kind.DATA)
        one.put(SMALL, Kind.SYSTEM)
        assert one.sent == 0
        assert written(one) == [1, 2, 3, 4]
        assert (one.sent, one.acknowledged) == (4, 0)

    def test_nothing_goes_before_the_window_is_known(self) -> None:
        one = Sender()
        one.put(SMALL, Kind.DATA)
        assert one.next() is None

    def test_one_envelope_may_begin_in_the_last_byte_of_the_window(self) -> None:
        one = sender(window_bytes=100)
        for size in (99, 5000, 10):
            one.put(blank(size), Kind.DATA)
        assert written(one) == [1, 2]
        assert one.under_way_bytes == 5099

    def test_the_window_opens_by_what_was_handled_and_not_by_what_arrived(self) -> None:
        one = sender(window_bytes=100)
        for _ in range(4):
            one.put(blank(60), Kind.DATA)
        assert written(one) == [1, 2]
        assert not one.acknowledge(2, 0)
        assert one.acknowledged == 2
        assert one.next() is None
        assert one.acknowledge(2, 60)
        assert written(one) == [3]

    def test_system_messages_pass_a_full_window_up_to_their_own_bound(self) -> None:
        one = sender(window_bytes=100)
        one.put(blank(100), Kind.DATA)
        one.put(blank(100), Kind.DATA)
        assert written(one) == [1]
        for _ in range(3):
            one.put(blank(SYSTEM_OVERSHOOT_BYTES // 2), Kind.SYSTEM)
        assert written(one) == [2, 3]
        one.acknowledge(3, 1)
        assert written(one) == [4]

    def test_an_acknowledgement_that_says_nothing_new_moves_nothing(self) -> None:
        one = sender()
        one.put(SMALL, Kind.DATA)
        written(one)
        assert one.acknowledge(1, 3)
        assert not one.acknowledge(1, 3)
        assert not one.acknowledge(0, 0)  # an older one, late
        assert one.under_way_bytes == 0

    @pytest.mark.parametrize(("received", "handled"), [(3, 0), (2, 7), (0, -1), (0, 1), (1, 4)])
    def test_more_than_was_sent_cannot_be_acknowledged(self, received: int, handled: int) -> None:
        one = sender()
        for _ in range(2):
            one.put(SMALL, Kind.DATA)
        written(one)
        with pytest.raises(SequenceError) as refused:
            one.acknowledge(received, handled)
        assert refused.value.code is CloseCode.PROTOCOL_ERROR

    def test_what_did_not_arrive_is_written_again_with_its_number(self) -> None:
        one = sender()
        for _ in range(5):
            one.put(SMALL, Kind.DATA)
        assert written(one) == [1, 2, 3, 4, 5]
        one.acknowledge(1, 3)
        one.put(SMALL, Kind.DATA)
        one.rewind(3)
        assert written(one) == [4, 5, 6]
        one.rewind(3)
        assert written(one) == [4, 5, 6]
        assert one.under_way_bytes == 6 * 3 - 3

    @pytest.mark.parametrize("received", [0, 3])
    def test_what_is_not_there_any_more_or_never_was_cannot_be_written(self, received: int) -> None:
        one = sender()
        for _ in range(2):
            one.put(SMALL, Kind.DATA)
        written(one)
        one.acknowledge(1, 0)
        with pytest.raises(SequenceError) as refused:
            one.rewind(received)
        assert refused.value.code is CloseCode.PROTOCOL_ERROR

    def test_frames_that_were_given_up_become_one_gap_with_a_number(self) -> None:
        one = Sender(OutboxLimits(total_bytes=100))
        one.window_bytes = 1000
        for _ in range(4):
            one.put(blank(60), Kind.FRAME)
        assert one.outbox.give_up_frames() == 3
        gap = one.next()
        assert gap is not None
        assert msgspec.msgpack.decode(gap) == [7, 1, 3]
        assert written(one) == [2]
        one.rewind(0)
        assert one.next() == gap

    def test_cleared_it_keeps_nothing(self) -> None:
        one = sender()
        one.put(SMALL, Kind.DATA)
        one.put(SMALL, Kind.DATA)
        one.next()
        one.rewind(0)
        one.clear()
        assert one.next() is None
        assert len(one.outbox) == 0


class TestReceiver:
    def test_each_number_is_taken_once_and_in_order(self) -> None:
        one = Receiver(1000, 1000)
        assert one.take(1, 10)
        assert one.take(2, 10)
        assert not one.take(1, 10)
        assert not one.take(2, 10)
        assert not one.take(0, 10)
        assert one.received == 2

    def test_a_hole_asks_for_a_new_connection(self) -> None:
        one = Receiver(1000, 1000)
        one.take(1, 10)
        with pytest.raises(SequenceError) as refused:
            one.take(3, 10)
        assert refused.value.code is CloseCode.RESYNC
        assert one.received == 1

    def test_the_bound_is_the_window_a_message_and_the_overshoot(self) -> None:
        one = Receiver(1000, 500)
        assert one.take(1, 1500 + SYSTEM_OVERSHOOT_BYTES)
        with pytest.raises(SequenceError) as refused:
            one.take(2, 1)
        assert refused.value.code is CloseCode.WINDOW_EXCEEDED
        one = Receiver(1000, 500)
        one.take(1, 1500 + SYSTEM_OVERSHOOT_BYTES)
        one.handled(1)
        assert one.take(2, 1)

    def test_what_comes_twice_costs_no_window(self) -> None:
        one = Receiver(1000, 0)
        one.take(1, 10)
        for _ in range(100):
            one.take(1, SYSTEM_OVERSHOOT_BYTES)
        assert one.take(2, 10)

    def test_an_acknowledgement_is_due_after_so_many_envelopes(self) -> None:
        one = Receiver(10**6, 0)
        for seq in range(1, ACK_EVERY):
            one.take(seq, 1)
            assert not one.ack_due
        one.take(ACK_EVERY, 1)
        assert one.ack_due
        assert decoded(one.ack()) == [9, ACK_EVERY, 0]
        assert not one.ack_due

    def test_an_acknowledgement_is_due_when_a_quarter_of_the_window_was_handled(self) -> None:
        one = Receiver(1000, 0)
        one.take(1, 400)
        due = [one.ack_due]
        for size_bytes in (249, 1):
            one.handled(size_bytes)
            due.append(one.ack_due)
        assert decoded(one.ack()) == [9, 1, 250]
        assert [*due, one.ack_due] == [False, False, True, False]


def decoded(data: bytes) -> Any:
    return msgspec.msgpack.decode(data)
