"""The bridge in a caller's pipeline, where the assistants' output comes in.

Pipecat's own bridge hands every frame to the bus and lets go of it; whatever the caller's pipeline
needs comes back from the assistant's. Over a network that is a round trip, and during an outage it
is nothing at all. This one keeps at home what the assistants do not want, and stops speaking the
moment the caller interrupts, whether or not the assistant has heard of it yet. After an outage what
the assistant said before it heard comes late, and all at once; that is not spoken either.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from pipecat.bus.bridge_processor import BusBridgeProcessor
from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    SystemFrame,
    TTSSpeakFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from proxy.codec.rules import HOME
from proxy.outage import BusLineResumedMessage

# The assistant's interruption follows the caller's within a round trip, if there is an assistant
# to be interrupted. If there is none, what comes later is new.
STALE_FOR_S = 2.0

# What begins something new, so that nothing after it can be stale; unless the line was lost, when
# it may have been begun before the assistant heard.
_BEGINNINGS = (LLMFullResponseStartFrame, TTSSpeakFrame)


def _stays_home(frame: type[Frame]) -> bool:
    return frame in HOME


class CallerBridge(BusBridgeProcessor):
    """Joins a caller's pipeline to the assistants, wherever they are.

    Takes the place of Pipecat's `BusBridgeProcessor` and has the same arguments.
    """

    def __init__(
        self, *, stays: Callable[[type[Frame]], bool] = _stays_home, **options: Any
    ) -> None:
        """Prepare the bridge.

        Args:
            stays: Tells which frames the assistants do not want; by default the microphone, the
                camera, metrics, and ticks while somebody speaks.
            **options: Arguments of `BusBridgeProcessor`.
        """
        super().__init__(**options)
        self._stays = stays
        self._interrupted_at = 0.0
        self._stale_until: float | None = None
        self._replaying = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass a frame on to the assistants, or along this pipeline.

        Args:
            frame: The frame.
            direction: Which way it goes.
        """
        if self._stays(type(frame)):
            await super(BusBridgeProcessor, self).process_frame(frame, direction)
            await self.push_frame(frame, direction)
            return
        if isinstance(frame, InterruptionFrame) and direction is FrameDirection.DOWNSTREAM:
            await super(BusBridgeProcessor, self).process_frame(frame, direction)
            self._interrupted_at = asyncio.get_running_loop().time()
            self._stale_until = self._interrupted_at + STALE_FOR_S
            self._replaying = False
            told = BusFrameMessage(
                source=self._worker_name,
                frame=InterruptionFrame(),
                direction=direction,
                bridge=self._bridge,
            )
            await self._bus.send(told)
            await _let_through()
            await self.push_frame(frame, direction)
            return
        await super().process_frame(frame, direction)

    async def on_bus_message(self, message: BusMessage) -> None:
        """Take in what an assistant sent, unless it was interrupted before it arrived.

        Args:
            message: Any message.
        """
        if isinstance(message, BusLineResumedMessage):
            self._resumed(message.missed_s)
        if isinstance(message, BusFrameMessage):
            if self._is_stale(message):
                return
            if isinstance(message.frame, InterruptionFrame):
                await _let_through()
        await super().on_bus_message(message)

    def _resumed(self, missed_s: float) -> None:
        """Wait anew for the assistant's answer to an interruption that it did not hear."""
        now = asyncio.get_running_loop().time()
        if self._stale_until is not None and self._interrupted_at >= now - missed_s - STALE_FOR_S:
            self._stale_until = now + STALE_FOR_S
            self._replaying = True

    def _is_stale(self, message: BusFrameMessage) -> bool:
        if self._stale_until is None or message.source == self._worker_name:
            return False
        if message.direction is not FrameDirection.DOWNSTREAM:
            return False
        frame = message.frame
        late = asyncio.get_running_loop().time() >= self._stale_until
        new = isinstance(frame, _BEGINNINGS) and not self._replaying
        if late or new:
            self._stale_until = None
            return False
        if isinstance(frame, InterruptionFrame):
            # The assistant has heard; the caller's pipeline was interrupted before.
            self._stale_until = None
            return True
        return frame.interruptible and not isinstance(frame, SystemFrame)


async def _let_through() -> None:
    """Let what was pushed just now be sorted into what waits, which an interruption throws away.

    It overtakes whatever has only arrived; the last words of a burst would be spoken after it.
    """
    await asyncio.sleep(0)
