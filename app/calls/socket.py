"""A call over a WebSocket: Pipecat's frames in protobuf, as its own client libraries send them."""

import asyncio

from fastapi import WebSocket
from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
)
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport

from app.caller.main_task import AUDIO_IN_HZ
from app.calls.call import HostedCall

# The largest message: half a second of sound, or a text with what is around it.
MAX_MESSAGE_BYTES = 32 * 1024

# Sound that comes faster than it can have been spoken costs the detector and the recogniser what
# others need. A page that was held up catches up with what it has recorded meanwhile.
SOUND_RATE = 1.25
SOUND_BURST_S = 4.0
_BYTES_PER_S = AUDIO_IN_HZ * 2


class SoundBudget:
    """How much sound a page may send: what a microphone hears, and a little ahead."""

    def __init__(self) -> None:
        """Start with all of it."""
        self._clock = asyncio.get_running_loop().time
        self._left_bytes = SOUND_BURST_S * _BYTES_PER_S
        self._filled_at = self._clock()

    def take(self, size_bytes: int) -> bool:
        """Take some, and tell whether there was as much.

        Args:
            size_bytes: How much.
        """
        now = self._clock()
        more = (now - self._filled_at) * SOUND_RATE * _BYTES_PER_S
        self._left_bytes = min(SOUND_BURST_S * _BYTES_PER_S, self._left_bytes + more)
        self._filled_at = now
        if size_bytes > self._left_bytes:
            return False
        self._left_bytes -= size_bytes
        return True


class PageSerializer(ProtobufFrameSerializer):
    """Takes a microphone's sound and RTVI's messages from a page, and nothing else."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        super().__init__()
        self._budget = SoundBudget()
        self._dropped = 0

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """Read a message; None for what is not taken.

        Args:
            data: What came.
        """
        frame = None
        if isinstance(data, bytes) and len(data) <= MAX_MESSAGE_BYTES:
            frame = await super().deserialize(data)
        if isinstance(frame, InputTransportMessageFrame) or self._is_sound(frame):
            return frame
        self._dropped += 1
        if self._dropped == 1:
            logger.warning("The page sends what a call does not take; that is dropped")
        return None

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Write a frame; None for the end, which is told otherwise.

        Args:
            frame: What the transport sends.
        """
        if isinstance(frame, EndFrame | CancelFrame):
            return None
        return await super().serialize(frame)

    def _is_sound(self, frame: Frame | None) -> bool:
        return (
            isinstance(frame, InputAudioRawFrame)
            and frame.sample_rate == AUDIO_IN_HZ
            and frame.num_channels == 1
            and len(frame.audio) % 2 == 0
            and self._budget.take(len(frame.audio))
        )


async def hold(call: HostedCall, websocket: WebSocket) -> None:
    """Hold a call over a WebSocket.

    Args:
        call: The call.
        websocket: The WebSocket, which was accepted.
    """
    params = FastAPIWebsocketParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        serializer=PageSerializer(),
        # The door has looked at the origin.
        allowed_origins=[],
    )
    await call.run(FastAPIWebsocketTransport(websocket, params))
