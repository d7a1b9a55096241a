"""The envelopes of `trunkline.v1`: what one WebSocket message holds.

Every envelope is a msgpack array that begins with its kind. `docs/wire.md` describes them for
people who write the other end in another language; a test reads its examples.

Source: ours.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from proxy.errors import CodecError

VERSION = 1

# The WebSocket subprotocol. Without it, both ends speak the stock dialect.
SUBPROTOCOL = "trunkline.v1"

# The header with which a caller that comes back names its session, for whoever routes connections.
SESSION_HEADER = "Trunkline-Session"

# How a caller asks to wait for a session where there is none to spare, with the value 1.
WAIT_HEADER = "Trunkline-Wait"
WAIT_PARAMETER = "wait"

# How a caller with the stock dialect, in which nobody says what it wants, asks for what is for its
# screen, with the value 1.
SCREEN_HEADER = "Trunkline-Screen"

# A frame, message or field: its number, or its name where it has none.
Key = int | str

# An end's reason is for people; this is enough for a sentence.
MAX_REASON_LENGTH = 1024

# A later version of W3C's may be longer than the 55 characters of the first.
MAX_TRACEPARENT_LENGTH = 128

Count = Annotated[int, Meta(ge=0, le=2**53)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Names = Annotated[tuple[Name, ...], Meta(min_length=1, max_length=64)]
Wants = Annotated[tuple[Key, ...], Meta(max_length=1024)]
Bytes = Annotated[int, Meta(ge=1024, le=2**31)]
Seconds = Annotated[float, Meta(ge=0.0, le=86400.0)]
# The other end looks at the clock a few times in each: a shorter one would keep it busy.
Heartbeat = Annotated[float, Meta(ge=0.1, le=600.0)]
Secret = Annotated[str, Meta(max_length=256)]
Fields = dict[Key, Any]


class Hello(msgspec.Struct, tag=1, array_like=True, frozen=True):
    """What the caller says first on every connection.

    Attributes:
        version: The version that it speaks.
        tasks: Its tasks that the other end may address. The first is where frames come from.
        wants: The frames that it takes, by number or name.
        window_bytes: How much may be on its way to it that it has not handled.
        max_message_bytes: The largest envelope that it takes.
        heartbeat_s: How long it is silent at most.
        session: The session to resume, or None for a new one.
        token: The resume token of that session.
        received: The number of the last envelope that it received in that session.
        traceparent: The trace that the conversation is part of, as W3C's Trace Context writes it.
    """

    version: int
    tasks: Names
    wants: Wants
    window_bytes: Bytes
    max_message_bytes: Bytes
    heartbeat_s: Heartbeat
    session: Secret | None = None
    token: Secret | None = None
    received: Count = 0
    traceparent: Annotated[str, Meta(max_length=MAX_TRACEPARENT_LENGTH)] | None = None


class Welcome(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """What the server answers.

    Attributes:
        session: The session's id.
        token: What resumes it next time, once.
        resumed: Whether this is the session that was asked for.
        received: The number of the last envelope that the server received in it.
        tasks: The tasks that the caller may address. The first is the one to activate.
        wants: The frames that the server takes, by number or name.
        window_bytes: How much may be on its way to the server that it has not handled.
        max_message_bytes: The largest envelope that it takes.
        heartbeat_s: How long it is silent at most.
        resume_window_s: How long it keeps the session after a connection is lost; 0 for not at all.
    """

    session: Secret
    token: Secret
    resumed: bool
    received: Count
    tasks: Names
    wants: Wants
    window_bytes: Bytes
    max_message_bytes: Bytes
    heartbeat_s: Heartbeat
    resume_window_s: Seconds


class FrameEnvelope(msgspec.Struct, tag=3, array_like=True, frozen=True):
    """A frame.

    Attributes:
        seq: Its number, counted from 1 in each direction of a session.
        frame: The frame's class.
        fields: Its fields that differ from their defaults.
        direction: 0 downstream, 1 upstream.
        source: Which of the sender's tasks it is from, by its place in the list.
        target: Which of the receiver's tasks it is for; None for all.
        bridge: The name of the bridge it goes through, or None.
    """

    seq: Count
    frame: Key
    fields: Fields
    direction: Annotated[int, Meta(ge=0, le=1)] = 0
    source: Count = 0
    target: Count | None = None
    bridge: Name | None = None


class MessageEnvelope(msgspec.Struct, tag=4, array_like=True, frozen=True):
    """A bus message that is not a frame: an activation, or part of a job.

    Attributes:
        seq: Its number.
        message: The message's class.
        fields: Its fields that differ from their defaults.
        source: Which of the sender's tasks it is from.
        target: Which of the receiver's tasks it is for.
    """

    seq: Count
    message: Key
    fields: Fields
    source: Count
    target: Count


class Ready(msgspec.Struct, tag=5, array_like=True, frozen=True):
    """Tasks of the sender are ready to be addressed.

    Attributes:
        seq: Its number.
        tasks: Their places in the sender's list.
    """

    seq: Count
    tasks: Annotated[tuple[Count, ...], Meta(max_length=64)]


class End(msgspec.Struct, tag=6, array_like=True, frozen=True):
    """The conversation is over; everything that was said in it came before.

    Attributes:
        seq: Its number.
        reason: Why, or None.
    """

    seq: Count
    reason: Annotated[str, Meta(max_length=MAX_REASON_LENGTH)] | None = None


class Gap(msgspec.Struct, tag=7, array_like=True, frozen=True):
    """Something is missing here: the sender could not keep it until the line was back.

    Attributes:
        seq: Its number.
        lost: How many envelopes.
    """

    seq: Count
    lost: Count


class Resend(msgspec.Struct, tag=8, array_like=True, frozen=True):
    """The sender of this could not follow the last conversation, and needs it whole.

    Attributes:
        seq: Its number.
    """

    seq: Count


class Ack(msgspec.Struct, tag=9, array_like=True, frozen=True):
    """How far the sender of this has come; also its sign of life. Has no number.

    Attributes:
        received: The number of the last envelope that it received.
        handled_bytes: How many bytes of numbered envelopes it has handled in this session.
    """

    received: Count
    handled_bytes: Count


class Waiting(msgspec.Struct, tag=10, array_like=True, frozen=True):
    """There is no session to spare yet; only ahead of a welcome, to a caller that asked to wait.

    Attributes:
        position: How many callers are served before this one, and itself.
    """

    position: Annotated[int, Meta(ge=1, le=2**53)]


Numbered = FrameEnvelope | MessageEnvelope | Ready | End | Gap | Resend
Envelope = Hello | Welcome | Numbered | Ack | Waiting

_ENCODER = msgspec.msgpack.Encoder()


def encode(envelope: Envelope, encoder: msgspec.msgpack.Encoder = _ENCODER) -> bytes:
    """Write an envelope.

    Args:
        envelope: The envelope. One that has a number is written without it, see `numbered`.
        encoder: Writes values that msgpack has no form for.
    """
    return encoder.encode(envelope)


def numbered(data: bytes, seq: int) -> bytes:
    """Put its number into an envelope that was written with number 0.

    Args:
        data: The envelope: a head of one byte, the kind, the number, the rest.
        seq: The number.
    """
    return b"".join((data[:2], _ENCODER.encode(seq), data[3:]))


def make_decoder(**options: Any) -> "msgspec.msgpack.Decoder[Envelope]":
    """Build a decoder of envelopes.

    Args:
        **options: Arguments of msgspec's decoder.
    """
    return msgspec.msgpack.Decoder(Envelope, **options)


_DECODER = make_decoder()


def read_hello(data: bytes | str) -> Hello:
    """Read the first envelope of a connection.

    Raises:
        CodecError: If it is not a hello.
    """
    try:
        envelope = _DECODER.decode(data if isinstance(data, bytes) else data.encode())
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise CodecError("the first message is not a hello") from None
    if not isinstance(envelope, Hello) or not all(map(str.isprintable, envelope.tasks)):
        raise CodecError("the first message is not a hello")
    return envelope
