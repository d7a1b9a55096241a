"""Names decide what crosses a line.

A `Filter` stands at one end of one line. Inbound, a message must be addressed to a task that this
end exports, and its source is overwritten with the other end's name: nobody can speak in another
task's name. Outbound, a message must come from an exported task and be addressed to the other end.
Broadcasts and local messages never cross. Frames have no address of their own; for them the type
decides.

Source: the security notes of Pipecat's remote proxy example, made true.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusDeactivateWorkerMessage,
    BusFlushProgressMessage,
    BusFrameMessage,
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobResponseUrgentMessage,
    BusJobStreamDataMessage,
    BusJobStreamEndMessage,
    BusJobStreamStartMessage,
    BusJobUpdateMessage,
    BusJobUpdateRequestMessage,
    BusJobUpdateUrgentMessage,
    BusLocalMessage,
    BusMessage,
    BusTTSSpeakMessage,
)
from pipecat.frames.frames import Frame

from proxy.codec import rules

# Long enough for any name a person gives; short enough that a hostile one fills no log.
MAX_NAME_LENGTH = 128

# Tasks of the other end that are known by name; a session exports a handful.
MAX_REMOTE_NAMES = 64

# What a session calls a caller's task: its name and this, which no task of a session may end with.
# So a caller who takes the name of a task that the session starts later gets none of its messages.
CALLER_SUFFIX = "@caller"

JOB_MESSAGES: tuple[type[BusMessage], ...] = (
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobResponseUrgentMessage,
    BusJobStreamDataMessage,
    BusJobStreamEndMessage,
    BusJobStreamStartMessage,
    BusJobUpdateMessage,
    BusJobUpdateRequestMessage,
    BusJobUpdateUrgentMessage,
)

_ADDRESSED = frozenset({*JOB_MESSAGES, BusFlushProgressMessage, BusTTSSpeakMessage})
_SWITCHING = frozenset({BusActivateWorkerMessage, BusDeactivateWorkerMessage})


# Every message that crosses, frames aside.
CROSSING_MESSAGES = _ADDRESSED | _SWITCHING


class DropReason(StrEnum):
    """Why a message did not cross."""

    HOME = "home"  # a frame that stays where it began
    LOCAL = "local"  # a broadcast, a local message, or one between tasks of this side
    TARGET = "target"  # addressed to a task that is not exported
    SOURCE = "source"  # from a task that is not exported
    TYPE = "type"  # a message or frame type that is refused in this direction
    CODEC = "codec"  # a value that does not fit its type
    SLOW = "slow"  # media dropped because the other side does not keep up
    STALE = "stale"  # sound that was interrupted before it was sent
    LOST = "lost"  # given up while there was no connection
    TOO_BIG = "too_big"  # larger than a message may be
    CLOSED = "closed"  # there was no line any more


@dataclass(slots=True)
class Verdict:
    """What a filter says of a message that came.

    Attributes:
        messages: What passes: nothing, the message, or copies with their addresses set right.
        dropped: The reason where nothing passes.
    """

    messages: tuple[BusMessage, ...] = ()
    dropped: DropReason | None = None


@dataclass(frozen=True)
class FrameTypes:
    """Which frame types this end takes from the other.

    Attributes:
        refused: Types that are refused and counted against the other side.
        home: Types that the other side should keep; dropped without a word.
    """

    refused: frozenset[type[Frame]]
    home: frozenset[type[Frame]] = rules.HOME

    def judge(self, frame: type[Frame]) -> DropReason | None:
        """Tell why a frame of this type is not taken, or None if it is."""
        if frame in self.home:
            return DropReason.HOME
        return DropReason.TYPE if frame in self.refused else None

    def allowing(self, *types: type[Frame]) -> "FrameTypes":
        """Return the same with these types taken as well."""
        if not types:
            return self
        return FrameTypes(self.refused - set(types), self.home - set(types))


FROM_CALLER = FrameTypes(rules.LIFECYCLE | rules.SETTINGS | rules.CONVERSATION)
FROM_ASSISTANT = FrameTypes(rules.LIFECYCLE | rules.SETTINGS)


def _nobody(_: str) -> bool:
    return False


@dataclass
class Filter:
    """The filter at one end of one line.

    Attributes:
        exported: Names of the tasks here that the other end may address.
        remote: Names of the other end's tasks; the first is the one that its messages come from.
            Empty until the other end has given its name.
        inbound_frames: The frame types that this end takes.
        home: The frame types that this end never sends.
        may_switch: Whether the other end may activate and deactivate exported tasks.
        reserved: Names that the other end's task may not have: every task of this side.
        family: Names of an assistant's tasks that several lines join, on either side of this one.
            They exchange messages with each other, may switch each other, and get nothing from
            anybody else. Known from this side's own configuration, never from the wire.
        is_local: Tells whether a name is that of a task of this side now. What is for such a task
            never leaves, whatever the other end calls its own.
    """

    exported: Sequence[str]
    remote: Sequence[str]
    inbound_frames: FrameTypes
    home: frozenset[type[Frame]] = rules.HOME
    may_switch: bool = False
    reserved: frozenset[str] = frozenset()
    family: frozenset[str] = frozenset()
    is_local: Callable[[str], bool] = _nobody
    _exported: frozenset[str] = field(init=False, repr=False)
    _audience: tuple[str, ...] = field(init=False, repr=False)  # whom frames are for

    def __post_init__(self) -> None:
        """Index the exported names."""
        self._exported = frozenset(self.exported)
        self._audience = tuple(name for name in self.exported if name not in self.family)
        self.reserved |= self._exported

    @property
    def hears(self) -> bool:
        """Whether there is a task on this side that frames are for."""
        return bool(self._audience)

    def inbound(self, message: BusMessage) -> Verdict:
        """Judge a message that arrived over the line.

        Returns:
            The message with its source overwritten, one copy for each exported task where it is a
            frame without an address; or why it is dropped.
        """
        if isinstance(message, BusFrameMessage):
            return self._inbound_frame(message)
        kind, related = type(message), message.target in self.family
        may_switch = self.may_switch or related
        if kind not in _ADDRESSED and not (may_switch and kind in _SWITCHING):
            return Verdict(dropped=DropReason.TYPE)
        source = self._source_of(message)
        if message.target not in self._exported or (related and source not in self.family):
            return Verdict(dropped=DropReason.TARGET)
        message.source = source
        return Verdict((message,))

    def outbound(self, message: BusMessage) -> DropReason | None:
        """Judge a message that a task of this side sent.

        Returns:
            Why it stays, or None if it crosses.
        """
        if isinstance(message, BusFrameMessage):
            return self._outbound_frame(message)
        if message.target is None or not self._is_remote(message.target):
            return DropReason.LOCAL
        if isinstance(message, BusLocalMessage):
            return DropReason.LOCAL
        if message.source not in self._exported:
            return DropReason.SOURCE
        if message.source in self.family and message.target not in self.family:
            return DropReason.SOURCE
        if type(message) not in _ADDRESSED and type(message) not in _SWITCHING:
            return DropReason.TYPE
        return None

    def learn(self, names: Iterable[str]) -> None:
        """Take the names that the other end's tasks give themselves, as many as are fit.

        Args:
            names: What came over the wire.
        """
        fit = [name for name in dict.fromkeys(names) if self._may_have(name)]
        self.remote = fit[:MAX_REMOTE_NAMES]

    def _inbound_frame(self, message: BusFrameMessage) -> Verdict:
        reason = self.inbound_frames.judge(type(message.frame))
        if reason is not None:
            return Verdict(dropped=reason)
        message.source = self._source_of(message)
        if message.target is not None:
            if message.target not in self._audience:
                return Verdict(dropped=DropReason.TARGET)
            return Verdict((message,))
        if len(self._audience) == 1:
            message.target = self._audience[0]
            return Verdict((message,))
        return Verdict(tuple(replace(message, target=name) for name in self._audience))

    def _outbound_frame(self, message: BusFrameMessage) -> DropReason | None:
        if message.target is not None and not self._is_remote(message.target):
            return DropReason.LOCAL
        if message.source not in self._audience:
            return DropReason.LOCAL if message.target is None else DropReason.SOURCE
        if type(message.frame) in self.home:
            return DropReason.HOME
        if type(message.frame) in rules.LIFECYCLE:
            return DropReason.TYPE
        return None

    def _is_remote(self, name: str) -> bool:
        return name in self.remote and not self.is_local(name)

    def _may_have(self, name: str) -> bool:
        return valid_name(name, self.reserved) and not self.is_local(name)

    def _source_of(self, message: BusMessage) -> str:
        return message.source if message.source in self.remote else self.remote[0]


def valid_name(name: object, taken: Iterable[str] = ()) -> bool:
    """Tell whether a name that came over the wire may be used for the other end's task.

    Args:
        name: What the other end calls its task.
        taken: Names that are in use on this side.
    """
    return (
        isinstance(name, str)
        and 0 < len(name) <= MAX_NAME_LENGTH
        and name.isprintable()
        and name not in taken
    )
