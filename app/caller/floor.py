"""Which of the assistant's tasks has the floor, and what it has begun and not finished.

A caller whose assistant is spread over several pools needs to know, when one of them dies, who is
to go on: whoever spoke last, or was activated since. What that one had begun is ended in its name,
so that nothing on this side waits for the rest.
"""

from collections.abc import Iterable

from pipecat.bus.messages import BusActivateWorkerMessage, BusFrameMessage, BusMessage
from pipecat.bus.subscriber import BusSubscriber
from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
)
from pipecat.processors.frame_processor import FrameDirection


class Floor(BusSubscriber):
    """Watches a caller's bus.

    Attributes:
        holder: The task that has the floor; empty before any has.
    """

    def __init__(self, listener: str) -> None:
        """Begin with nobody.

        Args:
            listener: The caller's main task, which frames are for.
        """
        self.holder = ""
        self._listener = listener
        self._tasks: frozenset[str] = frozenset()
        self._answering: set[str] = set()
        self._calls: dict[str, tuple[str, str]] = {}  # by id: the task, and the function

    @property
    def name(self) -> str:
        """The subscriber's name."""
        return f"{self._listener}::floor"

    def watch(self, tasks: Iterable[str]) -> None:
        """Say which tasks may have the floor.

        Args:
            tasks: The assistant's tasks.
        """
        self._tasks = frozenset(tasks)

    async def on_bus_message(self, message: BusMessage) -> None:
        """Follow a message.

        Args:
            message: Any message.
        """
        match message:
            case BusActivateWorkerMessage(target=target) if target in self._tasks:
                self.holder = target
            case BusFrameMessage(source=source, direction=FrameDirection.DOWNSTREAM):
                if source in self._tasks:
                    self._follow(source, message.frame)

    def ended_for(self, task: str) -> list[BusFrameMessage]:
        """End what a task has begun and cannot finish.

        Args:
            task: A task that is gone.

        Returns:
            What to send in its name.
        """
        frames: list[Frame] = [
            FunctionCallCancelFrame(function_name=function, tool_call_id=call)
            for call, (caller, function) in self._calls.items()
            if caller == task
        ]
        if task in self._answering:
            frames.append(LLMFullResponseEndFrame())
        down = FrameDirection.DOWNSTREAM
        return [
            BusFrameMessage(source=task, target=self._listener, frame=frame, direction=down)
            for frame in frames
        ]

    def _follow(self, task: str, frame: Frame) -> None:
        match frame:
            case LLMFullResponseStartFrame():
                self.holder = task
                self._answering.add(task)
            case LLMFullResponseEndFrame():
                self._answering.discard(task)
            case FunctionCallsStartedFrame():
                for call in frame.function_calls:
                    self._calls[call.tool_call_id] = (task, call.function_name)
            case FunctionCallInProgressFrame():
                self._calls[frame.tool_call_id] = (task, frame.function_name)
            case FunctionCallResultFrame() | FunctionCallCancelFrame():
                self._calls.pop(frame.tool_call_id, None)
