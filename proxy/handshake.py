"""What the two ends of a `trunkline.v1` line tell each other before anything else."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from loguru import logger
from pipecat.frames.frames import Frame

from proxy.carrier import Carrier
from proxy.filter import CALLER_SUFFIX, Filter
from proxy.outbox import OutboxLimits
from proxy.pulse import Patience
from proxy.resume import ResumeKey
from proxy.tap import FrameTap
from proxy.wire import VERSION, Hello, Key, Welcome

_Types = frozenset[type[Frame]]


@dataclass(frozen=True)
class TrunkOptions:
    """What one end allows.

    Attributes:
        window_bytes: How much the other end may send that was not handled here.
        max_message_bytes: The largest envelope that is taken.
        resume_window_s: How long a session waits for its caller to come back; 0 for not at all.
            The assistant's end decides.
        patience: How long this end waits for the other, and how long it is silent itself.
        outbox: How much may wait to be written.
        tap: Looks at frames that cross; None for nobody.
        allowed_frames: At the caller's end, frame types that the assistant may send beyond the
            default, for example what is for a screen.
        traceparent: Gives what the caller's hello says of the trace that it is part of.
    """

    window_bytes: int = 256 * 1024
    max_message_bytes: int = 4 * 1024 * 1024
    resume_window_s: float = 30.0
    patience: Patience = field(default_factory=Patience)
    outbox: OutboxLimits = field(default_factory=OutboxLimits)
    tap: FrameTap | None = None
    allowed_frames: tuple[type[Frame], ...] = ()
    traceparent: Callable[[], str | None] = lambda: None


class Handshake:
    """What one end says and learns when a connection begins.

    Attributes:
        peer: What the other end said last; None before it said anything.
    """

    def __init__(
        self, session: str, filter_: Filter, carrier: Carrier, options: TrunkOptions
    ) -> None:
        """Prepare one end.

        Args:
            session: The session's id, where this is the assistant's end.
            filter_: Learns the names of the other end's tasks and the frames that it wants.
            carrier: Learns the order of the other end's tasks.
            options: What this end allows.
        """
        self.peer: Hello | Welcome | None = None
        self._filter = filter_
        self._carrier = carrier
        self._options = options
        self._key = ResumeKey(session)
        self._configured = tuple(filter_.remote)

    @property
    def session(self) -> str:
        """The session's id; empty before the other end has told it."""
        return self._key.session

    @property
    def resume_window_s(self) -> float:
        """How long the session waits for the next connection."""
        peer = self.peer
        return peer.resume_window_s if isinstance(peer, Welcome) else self._options.resume_window_s

    def hello(self, received: int) -> Hello:
        """Say what the caller says.

        Args:
            received: The number of the last envelope that it has.
        """
        known = self.peer is not None
        return Hello(
            version=VERSION,
            tasks=tuple(self._filter.exported),
            wants=self._wants(),
            window_bytes=self._options.window_bytes,
            max_message_bytes=self._options.max_message_bytes,
            heartbeat_s=self._options.patience.heartbeat_s,
            session=self._key.session if known else None,
            token=self._key.token if known else None,
            received=received,
            traceparent=self._options.traceparent(),
        )

    def welcome(self, hello: Hello, received: int) -> Welcome:
        """Take in a hello and say what the assistant answers.

        Args:
            hello: What the caller said.
            received: The number of the last envelope that this end has.
        """
        resumed = self.peer is not None
        if resumed:
            self._key.rotate(hello.token)
        else:
            given = map(self._called, hello.tasks[len(self._configured) :])
            remote = [*self._configured, *given]
            self._filter.remote = remote
            self._carrier.meet(remote, {name: place for place, name in enumerate(remote)})
        self._meet(hello)
        return Welcome(
            session=self._key.session,
            token=self._key.token,
            resumed=resumed,
            received=received,
            tasks=tuple(self._filter.exported),
            wants=self._wants(),
            window_bytes=self._options.window_bytes,
            max_message_bytes=self._options.max_message_bytes,
            heartbeat_s=self._options.patience.heartbeat_s,
            resume_window_s=self._options.resume_window_s,
        )

    def greeted(self, welcome: Welcome) -> bool:
        """Take in a welcome.

        Returns:
            False if the session that was to be resumed is not there any more.
        """
        if self.peer is None:
            self._learn(welcome.tasks)
        elif not welcome.resumed or welcome.session != self._key.session:
            return False
        self._key = ResumeKey(welcome.session, welcome.token)
        self._meet(welcome)
        return True

    def knows(self, hello: Hello) -> bool:
        """Tell whether a caller that comes back belongs to this session."""
        return self._options.resume_window_s > 0 and self._key.fits(hello.session, hello.token)

    def confirm(self) -> None:
        """Note that the caller has the newest token: something else came after it."""
        self._key.confirm()

    def _called(self, name: str) -> str:
        """Say what a task of the caller's end is called here."""
        elsewhere = name in self._filter.family and name not in self._filter.exported
        return name if elsewhere else name + CALLER_SUFFIX

    def _learn(self, tasks: tuple[str, ...]) -> None:
        """Call the assistant's tasks by the names that it gives them, as far as they are fit."""
        if not self._configured:
            self._filter.learn(tasks)
        for name in set(self._configured).difference(tasks):
            logger.error(
                f"The other end has no task {name!r}; it has {', '.join(map(repr, tasks))}"
            )
        remote = self._filter.remote
        main = remote[0] if remote else tasks[0]
        places = {name: place for place, name in enumerate(tasks) if name in remote}
        self._carrier.meet([name if name in places else main for name in tasks], places)

    def _meet(self, peer: Hello | Welcome) -> None:
        self.peer = peer
        codec = self._carrier.codec
        wanted = frozenset(filter(None, map(codec.frame_class, peer.wants)))
        self._filter.home = _without(frozenset(codec.crossing_frames()), wanted)

    def _wants(self) -> tuple[Key, ...]:
        types: list[type[Frame]] = [
            cls
            for cls in self._carrier.codec.crossing_frames()
            if self._filter.hears and self._filter.inbound_frames.judge(cls) is None
        ]
        return self._carrier.wants(types)


@functools.lru_cache(maxsize=64)
def _without(all_: _Types, wanted: _Types) -> _Types:
    """Return the types that are not wanted; one set for all sessions whose peers want the same."""
    return all_ - wanted
