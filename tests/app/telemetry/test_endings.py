"""Why sessions ended in the last hour, by a clock that only the test moves."""

import pytest

from app.telemetry.endings import RecentEndings


class Watched:
    """Endings, and their clock."""

    def __init__(self, began_at: float) -> None:
        self.now = began_at
        self.endings = RecentEndings(lambda: self.now)

    def at(self, now: float, *reasons: str) -> None:
        self.now = now
        for reason in reasons:
            self.endings.add(reason)


@pytest.fixture
def watched() -> Watched:
    return Watched(began_at=600.0)


def test_endings_are_counted_by_the_minute_and_the_reason(watched: Watched) -> None:
    watched.at(610.0, "ended", "ended", "idle")
    watched.at(659.9, "ended")
    watched.at(660.0, "abnormal")
    assert watched.endings.by_minute() == {1: {"ended": 3, "idle": 1}, 0: {"abnormal": 1}}
    watched.at(840.0)
    assert watched.endings.by_minute() == {4: {"ended": 3, "idle": 1}, 3: {"abnormal": 1}}


def test_what_is_an_hour_ago_is_not_told_and_not_kept(watched: Watched) -> None:
    watched.at(600.0, "ended")
    watched.at(4199.0)
    assert watched.endings.by_minute() == {59: {"ended": 1}}
    watched.at(4200.0)
    assert watched.endings.by_minute() == {}
    for minute in range(200):
        watched.at(4200.0 + 60 * minute, "ended")
    assert sorted(watched.endings.by_minute()) == list(range(60))
    assert len(watched.endings._minutes) == 60


def test_it_says_how_far_back_it_reaches(watched: Watched) -> None:
    assert watched.endings.covers_s == 0.0
    watched.at(900.0)
    assert watched.endings.covers_s == 300.0
    watched.at(90_000.0)
    assert watched.endings.covers_s == 3600.0
