"""Signs of life: when one is due, when the other end is gone, and when it only seems so."""

from proxy.close_codes import CloseCode
from proxy.pulse import Patience, Pulse


class Clock:
    """A clock that only the test moves, with the ticks of whoever watches the pulse."""

    def __init__(self, **patience: float) -> None:
        self.now = 500.0
        self.pulse = Pulse(Patience(**patience), lambda: self.now)

    def run(self, seconds: float, *, talking: bool = False) -> CloseCode | None:
        """Let time pass in steps as short as promised; tell the first complaint."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + self.pulse.tick_s)
            if talking:
                self.pulse.heard()
            code = self.pulse.check()
            if code is not None:
                return code
        return None


def test_a_peer_is_gone_when_two_of_its_heartbeats_are_missing() -> None:
    clock = Clock()
    clock.pulse.meet(4.0)
    assert clock.run(8.0) is None
    assert clock.run(0.5) is CloseCode.PEER_SILENT
    assert clock.pulse.silent


def test_anything_that_comes_is_a_sign_of_life() -> None:
    clock = Clock()
    clock.pulse.meet(4.0)
    assert clock.run(60.0, talking=True) is None


def test_a_greeting_may_take_its_own_time() -> None:
    clock = Clock(greeting_s=3.0)
    assert clock.run(3.0) is None
    assert clock.run(1.5) is CloseCode.PEER_SILENT


def test_a_new_connection_begins_without_a_peer() -> None:
    clock = Clock(greeting_s=3.0)
    clock.pulse.meet(0.5)
    clock.pulse.begin()
    assert clock.run(3.0) is None


def test_the_clock_is_looked_at_four_times_in_the_shortest_wait() -> None:
    clock = Clock(heartbeat_s=4.0, stall_s=12.0)
    assert clock.pulse.tick_s == 1.0
    clock.pulse.meet(2.0)
    assert clock.pulse.tick_s == 0.5
    assert Clock(heartbeat_s=4.0, stall_s=2.0).pulse.tick_s == 0.5


def test_a_sign_is_due_before_the_promise_is_broken() -> None:
    clock = Clock(heartbeat_s=4.0)
    due = []
    for seconds in (2.9, 0.1):
        clock.now += seconds
        due.append(clock.pulse.sign_due)
    clock.pulse.told()
    assert [*due, clock.pulse.sign_due] == [False, True, False]


def test_a_peer_that_takes_nothing_is_too_slow() -> None:
    clock = Clock(stall_s=6.0)
    clock.pulse.blocked()
    assert clock.run(5.0, talking=True) is None
    clock.pulse.blocked()  # still: it does not begin anew
    assert clock.run(1.0, talking=True) is None
    assert clock.run(1.25, talking=True) is CloseCode.PEER_TOO_SLOW


def test_a_peer_that_took_something_has_all_its_time_again() -> None:
    clock = Clock(stall_s=6.0)
    for _ in range(5):
        clock.pulse.blocked()
        assert clock.run(5.0, talking=True) is None
        clock.pulse.moved()
    assert clock.run(30.0, talking=True) is None


def test_a_process_that_was_stopped_blames_nobody_for_it() -> None:
    clock = Clock(stall_s=6.0)
    clock.pulse.meet(4.0)
    clock.pulse.blocked()
    clock.now += 3600.0
    assert clock.pulse.check() is None
    assert clock.run(4.0, talking=True) is None  # what came meanwhile is read, little by little
    assert clock.run(2.5, talking=True) is CloseCode.PEER_TOO_SLOW


def test_a_peer_that_was_gone_before_is_gone_soon_after() -> None:
    clock = Clock()
    clock.pulse.meet(4.0)
    clock.now += 3600.0
    assert clock.pulse.check() is None
    assert clock.run(8.0) is CloseCode.PEER_SILENT
