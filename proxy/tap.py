"""A place to look at frames as they cross a line, for whoever measures conversations."""

from typing import Protocol

from pipecat.bus.messages import BusFrameMessage
from pipecat.frames.frames import Frame


class FrameTap(Protocol):
    """Looks at frames at one end of a line.

    It is called in the middle of everything: it neither waits nor raises, and keeps no frame.

    Attributes:
        arriving: Exactly which types of the other end it is shown; any other costs nothing.
        leaving: The same of this end.
    """

    arriving: frozenset[type[Frame]]
    leaving: frozenset[type[Frame]]

    def arrived(self, message: BusFrameMessage) -> None:
        """Look at a frame of the other end that passed the filter."""

    def left(self, message: BusFrameMessage) -> None:
        """Look at a frame of this end that is about to be written."""
