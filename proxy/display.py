"""A place on a bus for whoever shows the caller what happens there."""

from typing import Any, Protocol

from pipecat.bus.messages import BusMessage


class Display(Protocol):
    """Shows a caller what happens on a bus.

    It is called in the middle of everything: it neither waits nor raises, and keeps no message.
    """

    def noticed(self, message: BusMessage) -> None:
        """Look at a message that is sent, and is no frame."""

    def show(self, data: Any, *, task: str) -> None:
        """Show what a task has to show, if the caller looks.

        Args:
            data: Plain values, as in JSON.
            task: The task's name.
        """
