"""A recorded call whose parts do not do what they should."""

import asyncio
from typing import Any

import pytest
from pipecat.processors.frame_processor import FrameProcessor, FrameProcessorSetup

from agents import discover
from app.caller import call, main_task
from app.caller.assistants import LocalAssistant
from app.caller.call import Call
from app.demo import recordings
from app.services import Roles
from app.settings import Settings
from tests.proxy.conversation import within


class StillLoading(FrameProcessor):
    """A recogniser whose models are never loaded."""

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        await super().setup(setup)
        await asyncio.Event().wait()


async def test_what_does_not_start_on_this_side_is_not_blamed_on_the_assistant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(main_task, "SETUP_TIMEOUT_S", 1.5)
    monkeypatch.setattr(call, "GREETING_TIMEOUT_S", 0.1)

    def stt(*_: Any) -> FrameProcessor:
        return StillLoading()

    assistants = discover()
    async with Roles.open(Settings(), assistants) as roles:
        monkeypatch.setattr(roles, "stt", stt)
        side = LocalAssistant(assistants["acme"], roles)
        result = await within(Call(side, recordings()).hold(roles), 60)
    assert result.error == main_task.NOT_STARTED
