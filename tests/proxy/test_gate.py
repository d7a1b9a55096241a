"""A gate opens for everybody who waits, and forgets who gave up."""

import asyncio
import sys

from proxy.gate import Gate


async def test_who_waits_goes_through_when_it_opens() -> None:
    gate = Gate()
    waiting = [asyncio.create_task(gate.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not gate.is_set()
    assert not any(task.done() for task in waiting)
    gate.set()
    await asyncio.gather(*waiting)
    assert gate.is_set()


async def test_nobody_waits_at_an_open_one() -> None:
    gate = Gate()
    gate.set()
    waiting = asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    assert waiting.done()


async def test_who_waited_goes_through_though_it_is_shut_before_their_turn() -> None:
    gate = Gate()
    waiting = asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    gate.set()
    gate.clear()
    late = asyncio.create_task(gate.wait())
    await waiting
    assert not gate.is_set()
    assert not late.done()
    late.cancel()


async def test_who_gives_up_is_forgotten_and_the_others_wait_on() -> None:
    gate = Gate()
    impatient, patient = asyncio.create_task(gate.wait()), asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.wait([impatient])
    assert impatient.cancelled()
    assert not patient.done()
    gate.set()
    await patient


async def test_who_gives_up_as_it_opens_holds_nobody_up() -> None:
    gate = Gate()
    impatient, patient = asyncio.create_task(gate.wait()), asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    impatient.cancel()
    gate.set()
    await patient
    await asyncio.wait([impatient])
    assert impatient.cancelled()


def test_one_at_which_nobody_waits_is_small() -> None:
    assert sys.getsizeof(Gate()) < 100
