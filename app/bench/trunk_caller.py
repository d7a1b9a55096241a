"""A caller's half of the line in `trunkline.v1`, as the generator of load speaks it.

It says what our client half would say, no less: a hello, a number on every envelope, a conversation
as the difference to the one before, acknowledgements, and a sign of life every few seconds. What it
hears it counts as our client half does, and fails if a number is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipecat.bus.messages import BusActivateWorkerMessage
from pipecat.frames.frames import Frame, LLMContextFrame, LLMTextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from websockets.extensions.base import ClientExtensionFactory

from app.bench.conversations import conversation, turn_message
from app.bench.dialects import CONVERSATION_MESSAGES, NOTHING, Heard
from app.bench.names import ASSISTANT, CALLER
from app.bench.stamps import stamp_in, stamped
from proxy.codec.trunk import TrunkCodec, read_envelope, write_envelope
from proxy.dialect import Role
from proxy.filter import FROM_ASSISTANT, Filter
from proxy.handshake import TrunkOptions
from proxy.protocol import TrunkLine
from proxy.pulse import TICKS_PER_HEARTBEAT
from proxy.sequence import Receiver
from proxy.wire import (
    SUBPROTOCOL,
    Ack,
    FrameEnvelope,
    MessageEnvelope,
    Ready,
    Welcome,
    encode,
    numbered,
)

_OPTIONS = TrunkOptions()


class TrunkCaller:
    """One line's caller; see `app.bench.dialects.RawCaller`."""

    subprotocol: str | None = SUBPROTOCOL
    extensions: Sequence[ClientExtensionFactory] = ()

    # Our client half looks at the clock so often, and gives its sign before it could be late.
    heartbeat_s: float | None = _OPTIONS.patience.heartbeat_s * (1 - 1 / TICKS_PER_HEARTBEAT)

    def __init__(self) -> None:
        """Prepare one line."""
        self._codec = TrunkCodec()
        self._conversation = LLMContext(messages=conversation(CONVERSATION_MESSAGES - 2))
        self._receiver = Receiver(_OPTIONS.window_bytes, _OPTIONS.max_message_bytes)
        self._sent = 0

    def opening(self) -> Sequence[bytes]:
        """Say hello; see `RawCaller.opening`."""
        return (_greeting().hello,)

    def hear(self, data: bytes) -> Heard:
        """Count, and look for a ready task or a stamp; see `RawCaller.hear`."""
        envelope = read_envelope(data)
        if isinstance(envelope, Ack):
            return NOTHING
        if isinstance(envelope, Welcome):
            return Heard(replies=(self.heartbeat(),))
        seq: int = envelope.seq  # type: ignore[union-attr]
        self._receiver.take(seq, len(data))
        self._receiver.handled(len(data))
        replies = (self.heartbeat(),) if self._receiver.ack_due else ()
        if isinstance(envelope, Ready):
            return Heard(ready=True, replies=(*replies, self._number(_greeting().activation)))
        return Heard(stamp=stamp_in(data), replies=replies)

    def heartbeat(self) -> bytes:
        """Say how far this end has come; see `RawCaller.heartbeat`."""
        return self._receiver.ack()

    def audio(self) -> bytes | None:
        """Keep the microphone at home; see `RawCaller.audio`."""
        return None

    def turn(self, at_s: float) -> bytes:
        """Let the conversation grow by an answer and a question; see `RawCaller.turn`."""
        said: Any = {"role": "user", "content": stamped(at_s)}
        self._conversation.add_messages([turn_message(1), said])
        return self._frame(LLMContextFrame(self._conversation))

    def text(self, at_s: float) -> bytes:
        """Write a text with the time; see `RawCaller.text`."""
        return self._frame(LLMTextFrame(stamped(at_s)))

    def _frame(self, frame: Frame) -> bytes:
        key, fields = self._codec.pack_frame(frame)
        return self._number(write_envelope(FrameEnvelope(0, key, fields)))

    def _number(self, data: bytes) -> bytes:
        self._sent += 1
        return numbered(data, self._sent)


@dataclass(frozen=True)
class _Greeting:
    hello: bytes
    activation: bytes


@cache
def _greeting() -> _Greeting:
    """Encode what every line begins with."""
    filter_ = Filter(exported=(CALLER,), remote=[ASSISTANT], inbound_frames=FROM_ASSISTANT)
    line = TrunkLine(Role.CALLER, filter_, options=_OPTIONS)
    line.connected()
    hello = line.next_outgoing()
    assert hello is not None
    activation = BusActivateWorkerMessage(source=CALLER, target=ASSISTANT)
    key, fields = TrunkCodec().pack_message(activation)
    return _Greeting(hello, encode(MessageEnvelope(0, key, fields, 0, 0)))
