from proxy.outbox import Outbox, OutboxLimits


def drained(outbox: Outbox) -> list[bytes]:
    taken = []
    while (data := outbox.take()) is not None:
        taken.append(data)
    return taken


def test_messages_leave_in_the_order_in_which_they_came() -> None:
    outbox = Outbox()
    for data in (b"one", b"two", b"three"):
        outbox.put(data)
    assert len(outbox) == 3
    assert drained(outbox) == [b"one", b"two", b"three"]
    assert outbox.size_bytes == 0


def test_system_messages_overtake() -> None:
    outbox = Outbox()
    outbox.put(b"data")
    outbox.put(b"system 1", system=True)
    outbox.put(b"system 2", system=True)
    assert drained(outbox) == [b"system 1", b"system 2", b"data"]


def test_media_goes_overboard_oldest_first_and_is_counted() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=100, total_bytes=1000))
    outbox.put(b"a" * 40, media=True)
    outbox.put(b"text")
    outbox.put(b"b" * 40, media=True)
    outbox.put(b"c" * 40, media=True)
    assert outbox.dropped_media == 1
    assert drained(outbox) == [b"text", b"b" * 40, b"c" * 40]


def test_words_are_never_dropped() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=10, total_bytes=1000))
    for number in range(50):
        outbox.put(b"word%02d" % number)
    outbox.put(b"x" * 20, media=True)
    assert outbox.dropped_media == 1
    assert len(drained(outbox)) == 50


def test_past_the_hard_bound_it_says_so() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=10, total_bytes=20))
    outbox.put(b"x" * 20)
    assert not outbox.overflowed
    outbox.put(b"x")
    assert outbox.overflowed


def test_cleared_it_is_as_new() -> None:
    outbox = Outbox(OutboxLimits(media_bytes=10, total_bytes=20))
    outbox.put(b"x" * 30, media=True)
    outbox.put(b"y" * 30)
    outbox.clear()
    assert (len(outbox), outbox.size_bytes, outbox.overflowed) == (0, 0, False)
    outbox.put(b"z", media=True)
    assert drained(outbox) == [b"z"]
