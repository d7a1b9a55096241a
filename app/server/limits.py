"""What a session may take."""

from dataclasses import dataclass

from app.settings import Settings


@dataclass(frozen=True)
class SessionLimits:
    """What a session may take.

    Attributes:
        start_timeout_s: How long the assistant may take to become ready.
        max_message_bytes: The largest message that the line takes.
        max_waiting_bytes: How much may wait for a caller that reads slowly.
        window_bytes: How much a caller may send ahead of what the assistant has taken.
        heartbeat_s: How long either side is silent at most.
        resume_window_s: How long the session waits for a caller whose connection was lost.
    """

    start_timeout_s: float
    max_message_bytes: int
    max_waiting_bytes: int
    window_bytes: int
    heartbeat_s: float
    resume_window_s: float

    @classmethod
    def of(cls, settings: Settings) -> "SessionLimits":
        """Read them off the settings."""
        return cls(
            start_timeout_s=settings.start_timeout_s,
            max_message_bytes=settings.max_message_bytes,
            max_waiting_bytes=settings.max_waiting_bytes,
            window_bytes=settings.window_bytes,
            heartbeat_s=settings.heartbeat_s,
            resume_window_s=settings.resume_window_s,
        )
