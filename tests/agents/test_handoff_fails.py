"""Whoever cannot hand the conversation over still has it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusDeactivateWorkerMessage,
    BusMessage,
)
from pipecat.workers.base_worker import BaseWorker

from agents import Recipe, Say, SessionContext, Turn
from agents.handoff import SUPPORT, handoff
from agents.handoff import script as lines
from agents.handoff.colleague import NOT_TRANSFERRED
from agents.handoff.products import PRODUCTS
from tests.agents.talking import Placement, placed, talking

PAINT = PRODUCTS[1].price


def failing(message_type: type[BusMessage], monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Return the recipe, with a greeter who once fails to send a message of a type."""

    def build(session: SessionContext) -> Sequence[BaseWorker]:
        tasks = list(handoff.build(session))  # type: ignore[arg-type]
        greeter: Any = tasks[0]
        send = greeter.send_bus_message
        failed: list[BusMessage] = []

        async def sends(message: BusMessage) -> None:
            about = getattr(message, "target", None) in (SUPPORT, greeter.name)
            if isinstance(message, message_type) and about and not failed:
                failed.append(message)
                raise RuntimeError("a secret of the bus")
            await send(message)

        monkeypatch.setattr(greeter, "send_bus_message", sends)
        return tasks

    return replace(handoff, build=build)


@pytest.mark.parametrize("placement", [Placement.HERE, Placement.TRUNK])
@pytest.mark.parametrize("message_type", [BusDeactivateWorkerMessage, BusActivateWorkerMessage])
async def test_a_transfer_that_fails_is_said_to_have_failed_and_the_greeter_goes_on(
    placement: Placement, message_type: type[BusMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = failing(message_type, monkeypatch)
    async with placed(placement, recipe) as place, talking(place.side("handoff")) as talk:
        await talk.hear(lines.GREETING)
        await talk.say("support")
        await talk.hear(lines.TRANSFER_TO_SUPPORT)
        await talk.hear(lines.NOBODY_THERE)
        await talk.ask("how much is the paint", PAINT)
        await talk.ask("i need support", lines.SUPPORT_HERE)
    assert talk.problems == []


async def test_what_was_said_during_a_transfer_that_fails_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = failing(BusActivateWorkerMessage, monkeypatch)
    async with (
        placed(Placement.TRUNK, recipe) as place,
        talking(place.side("handoff"), may_interrupt=True) as talk,
    ):
        await talk.hear(lines.GREETING)
        await talk.ask("support", "One moment, I am")
        await talk.ask("how much is the paint", PAINT)


@pytest.mark.parametrize("who", [lines.greeter_script, lines.support_script])
def test_a_goodbye_during_a_transfer_that_fails_is_heard(who: Any) -> None:
    messages = [
        {"role": "user", "content": "bye"},
        {"role": "developer", "content": NOT_TRANSFERRED},
    ]
    assert who(Turn(messages)) == Say(lines.FAREWELL)
