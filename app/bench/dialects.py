"""What a caller's half of the line says, message by message, encoded in advance.

The generator of load holds a thousand lines on half a core, which no client half does. So it
writes and reads the dialects itself: one class each, here and in `app.bench.trunk_caller`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from pipecat.bus.messages import BusActivateWorkerMessage, BusFrameMessage, BusMessage
from pipecat.bus.serializers import JSONMessageSerializer
from pipecat.frames.frames import Frame, LLMContextFrame, LLMTextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from websockets.extensions.base import ClientExtensionFactory
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from app.bench.audio import microphone
from app.bench.conversations import conversation
from app.bench.names import ASSISTANT, CALLER
from app.bench.stamps import PLACEHOLDER, stamp_in, stamped

# How much was said before, in a conversation that crosses with every turn.
CONVERSATION_MESSAGES = 20


@dataclass(frozen=True)
class Heard:
    """What follows from one message of the server.

    Attributes:
        ready: Whether it says that the session can be used.
        stamp: The time in the text that it holds, or None if it holds none.
        replies: What has to be answered at once.
    """

    ready: bool = False
    stamp: float | None = None
    replies: Sequence[bytes] = ()


NOTHING = Heard()


class RawCaller(Protocol):
    """One line's caller. Implementations: `StockCaller`, `app.bench.trunk_caller.TrunkCaller`.

    Attributes:
        subprotocol: What it asks for, or None.
        extensions: What it offers.
        heartbeat_s: How often it gives a sign of life, or None for never.
    """

    subprotocol: str | None
    extensions: Sequence[ClientExtensionFactory]
    heartbeat_s: float | None

    def opening(self) -> Sequence[bytes]:
        """Return what is sent as soon as the socket is open."""

    def hear(self, data: bytes) -> Heard:
        """Take in one message of the server."""

    def heartbeat(self) -> bytes:
        """Return a sign of life."""

    def audio(self) -> bytes | None:
        """Return 20 ms of the microphone, or None where the microphone stays at home."""

    def turn(self, at_s: float) -> bytes:
        """Return a conversation whose last message holds a time; it is to be answered."""

    def text(self, at_s: float) -> bytes:
        """Return a text that holds a time; it comes back."""


class StockCaller:
    """The stock dialect: one JSON object a message.

    It offers compression and bridges the microphone, as the stock client half does. What it says
    does not depend on the line, so all lines share what is encoded.
    """

    subprotocol: str | None = None
    heartbeat_s: float | None = None

    def __init__(self) -> None:
        """Prepare one line."""
        self.extensions: Sequence[ClientExtensionFactory] = (ClientPerMessageDeflateFactory(),)
        self._messages = _stock_messages()

    def opening(self) -> Sequence[bytes]:
        """Say nothing; see `RawCaller.opening`."""
        return ()

    def hear(self, data: bytes) -> Heard:
        """Look for a ready task or a stamp; see `RawCaller.hear`."""
        # The type of the frame stands near the start; everything but text is let be.
        kind = _KIND.search(data, 0, 400)
        if kind is None:
            return NOTHING
        if kind.group() == _TEXT_KIND:
            return Heard(stamp=stamp_in(data))
        return Heard(ready=True, replies=(self._messages.activation,))

    def audio(self) -> bytes | None:
        """Return 20 ms of the microphone; see `RawCaller.audio`."""
        return self._messages.audio

    def heartbeat(self) -> bytes:
        """Say nothing; see `RawCaller.heartbeat`."""
        return b""

    def turn(self, at_s: float) -> bytes:
        """Fill in the time; see `RawCaller.turn`."""
        return self._messages.turn.replace(_PLACEHOLDER, stamped(at_s).encode())

    def text(self, at_s: float) -> bytes:
        """Fill in the time; see `RawCaller.text`."""
        return self._messages.text.replace(_PLACEHOLDER, stamped(at_s).encode())


@dataclass(frozen=True)
class _StockMessages:
    activation: bytes
    audio: bytes
    turn: bytes
    text: bytes


_PLACEHOLDER = PLACEHOLDER.encode()
_TEXT_KIND = b".LLMTextFrame"
_KIND = re.compile(rb"\.LLMTextFrame|\.BusWorkerRegistryMessage")


@cache
def _stock_messages() -> _StockMessages:
    serializer = JSONMessageSerializer()

    def frame(frame: Frame) -> bytes:
        down = FrameDirection.DOWNSTREAM
        message: BusMessage = BusFrameMessage(frame, down, source=CALLER)
        return serializer.serialize(message)

    said = [*conversation(CONVERSATION_MESSAGES - 1), {"role": "user", "content": PLACEHOLDER}]
    activation = BusActivateWorkerMessage(source=CALLER, target=ASSISTANT)
    return _StockMessages(
        activation=serializer.serialize(activation),
        audio=frame(microphone()),
        turn=frame(LLMContextFrame(LLMContext(messages=said))),
        text=frame(LLMTextFrame(PLACEHOLDER)),
    )
