"""What a report says of its numbers."""

import json

import pytest
from rich.console import Console

from app.bench.report import Aim, Better, Measure, Peer, Samples, document_of, percentile, table_of

OURS, STOCK = Peer.OURS, Peer.STOCK


def test_a_ratio_says_how_many_times_better_ours_is() -> None:
    assert Measure("cost", "ms", {OURS: 2.0, STOCK: 8.0}).ratio == 4.0
    assert Measure("rate", "a second", {OURS: 8.0, STOCK: 2.0}, Better.MORE).ratio == 4.0
    assert Measure("cost", "ms", {OURS: 2.0}).ratio is None


@pytest.mark.parametrize(
    ("aim", "holds"),
    [
        (None, None),
        (Aim(times=4), True),
        (Aim(times=4.1), False),
        (Aim(at_most=2), True),
        (Aim(at_most=1.9), False),
        (Aim(times=4, at_most=1), False),
    ],
)
def test_an_aim_holds_or_not(aim: Aim | None, holds: bool | None) -> None:
    assert Measure("cost", "ms", {OURS: 2.0, STOCK: 8.0}, aim=aim).holds is holds


def test_an_aim_against_a_peer_that_was_not_measured_is_open() -> None:
    assert Measure("cost", "ms", {OURS: 2.0}, aim=Aim(times=4)).holds is None
    assert Measure("cost", "ms", {OURS: 2.0}, aim=Aim(at_most=4)).holds is True
    assert Measure("call over", "ms", {}, aim=Aim(at_most=4)).holds is None


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile(range(100), 99) == 99
    assert percentile([5.0, 1.0, 3.0], 50) == 3.0
    assert percentile([7.0], 99) == 7.0
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


def test_medians_are_taken_for_each_peer() -> None:
    samples = Samples()
    for value in (1.0, 100.0, 2.0):
        samples.add(OURS, value)
    samples.add_all(STOCK, [4.0, 6.0])
    assert samples.medians() == {OURS: 2.0, STOCK: 5.0}


def test_the_table_and_the_document_say_the_same() -> None:
    measures = [
        Measure("cost", "ms", {OURS: 2.0, STOCK: 8.0}, aim=Aim(times=6)),
        Measure("rate", "a second", {OURS: 1234.0, STOCK: 617.0}, Better.MORE, note="fast"),
    ]
    console = Console(width=120)
    with console.capture() as shown:
        console.print(table_of("bench", measures))
    assert "missed" in shown.get()
    assert "1,234" in shown.get()
    found = json.loads(document_of("bench", {"quick": True}, measures))["measures"]
    assert found[0] == {
        "name": "cost",
        "unit": "ms",
        "ours": 2.0,
        "stock": 8.0,
        "ratio": 4.0,
        "better": "less",
        "aim": ">= 6x",
        "holds": False,
        "note": "",
    }
    assert found[1]["note"] == "fast"
