import asyncio

from pipecat.frames.frames import PipelineFlushFrame

from proxy.flush import MAX_PENDING, FlushLedger


def probe(flush_id: int = 1, *, returning: bool = False, event: bool = True) -> PipelineFlushFrame:
    return PipelineFlushFrame(
        event=asyncio.Event() if event else None,
        origin="greeter",
        flush_id=flush_id,
        returning=returning,
    )


def test_a_probe_that_returns_gets_its_event_back() -> None:
    ledger, leaving = FlushLedger(), probe()
    ledger.leaving(leaving)
    back = probe(event=False)
    ledger.returning(back)
    assert back.event is leaving.event


def test_a_probe_of_the_other_side_has_no_event_here() -> None:
    ledger, theirs = FlushLedger(), probe(event=False)
    ledger.leaving(theirs)
    ledger.returning(theirs)
    assert theirs.event is None
    assert len(ledger) == 0


def test_the_last_leg_is_confirmed_before_the_flush_is_settled() -> None:
    ledger, first = FlushLedger(), probe()
    assert first.event is not None
    ledger.leaving(first)
    sent = ledger.confirm(probe(returning=True, event=False))
    assert not sent.returning
    assert not first.event.is_set()
    last = ledger.answered(probe(event=False))
    assert last is not None
    assert last.returning
    assert first.event.is_set()
    assert len(ledger) == 0


def test_a_leg_in_the_middle_is_no_answer() -> None:
    ledger = FlushLedger()
    ledger.leaving(probe())
    assert ledger.answered(probe(event=False)) is None
    assert ledger.answered(probe(7, event=False)) is None


def test_a_last_leg_of_a_flush_that_is_not_known_goes_as_it_is() -> None:
    last = probe(returning=True, event=False)
    assert FlushLedger().confirm(last) is last


def test_flushes_that_nobody_answers_do_not_pile_up() -> None:
    ledger = FlushLedger()
    for number in range(MAX_PENDING + 10):
        ledger.leaving(probe(number))
    assert len(ledger) == MAX_PENDING


def test_everyone_is_released_when_the_line_is_gone() -> None:
    ledger, probes = FlushLedger(), [probe(number) for number in range(3)]
    for leaving in probes:
        ledger.leaving(leaving)
    ledger.settle_all()
    assert all(leaving.event is not None and leaving.event.is_set() for leaving in probes)
    assert len(ledger) == 0
