"""What a session tells of itself to whoever traces it; by default, nobody."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from pipecat.workers.base_worker import BaseWorker

Value = str | int | float | bool

NOTHING: Mapping[str, Value] = MappingProxyType({})


class SessionSpans(Protocol):
    """The spans of one session.

    Implementations: `NoSpans`, `app.telemetry.otel.OtelSpans`.

    Attributes:
        on: Whether somebody traces.
    """

    on: bool

    def begin(self, session_id: str) -> str | None:
        """Begin the session's own span, make it the current one, and give its trace's id."""

    def follow(self, tasks: Sequence[BaseWorker]) -> None:
        """Let the services of these tasks trace what they do."""

    def turn_began(self) -> None:
        """Begin a turn: the caller has asked."""

    def turn_ended(
        self, task: str, *, ended_ns: int, attributes: Mapping[str, Value] = NOTHING
    ) -> None:
        """End the turn.

        Args:
            task: Who answered; empty if nobody did.
            ended_ns: When, since the epoch.
            attributes: What there is to say of it.
        """

    def opened(
        self, key: tuple[str, ...], name: str, attributes: Mapping[str, Value] = NOTHING
    ) -> None:
        """Begin a span inside the turn, or inside the session between turns.

        Args:
            key: What it is ended by.
            name: Its name.
            attributes: What there is to say of it.
        """

    def closed(
        self,
        key: tuple[str, ...],
        attributes: Mapping[str, Value] = NOTHING,
        *,
        failed: str = "",
    ) -> None:
        """End such a span.

        Args:
            key: What it was begun by; one that is not known is passed over.
            failed: The type of the error, if it failed.
            attributes: What there is to say of it.
        """

    def finish(self, reason: str, *, failed: bool) -> None:
        """End everything.

        Args:
            reason: Why the session ended.
            failed: Whether that is an error.
        """


class NoSpans:
    """Nobody traces.

    Attributes:
        on: False.
    """

    on = False

    def begin(self, session_id: str) -> str | None:
        """Do nothing; see `SessionSpans`."""
        return None

    def follow(self, tasks: Sequence[BaseWorker]) -> None:
        """Do nothing; see `SessionSpans`."""

    def turn_began(self) -> None:
        """Do nothing; see `SessionSpans`."""

    def turn_ended(
        self, task: str, *, ended_ns: int, attributes: Mapping[str, Value] = NOTHING
    ) -> None:
        """Do nothing; see `SessionSpans`."""

    def opened(
        self, key: tuple[str, ...], name: str, attributes: Mapping[str, Value] = NOTHING
    ) -> None:
        """Do nothing; see `SessionSpans`."""

    def closed(
        self,
        key: tuple[str, ...],
        attributes: Mapping[str, Value] = NOTHING,
        *,
        failed: str = "",
    ) -> None:
        """Do nothing; see `SessionSpans`."""

    def finish(self, reason: str, *, failed: bool) -> None:
        """Do nothing; see `SessionSpans`."""
