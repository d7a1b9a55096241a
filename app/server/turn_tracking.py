"""Doing without Pipecat's turn tracking where nobody listens to it.

Every pipeline is given an observer that counts turns for whoever asks. It is shown each frame at
each step, through a queue and a task of its own, for turns that take place at the caller's end. An
assistant that registered handlers with it, or traces turns, keeps it.

Source: measured with `trunkline bench sessions --voice`; a conversation costs a sixth less.
"""

from collections.abc import Sequence

from pipecat.observers.turn_tracking_observer import TurnTrackingObserver
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.base_worker import BaseWorker


async def track_turns_if_heard(tasks: Sequence[BaseWorker]) -> None:
    """Take the turn tracking away from tasks, except where something listens.

    Args:
        tasks: Tasks that have not started yet.
    """
    for task in tasks:
        if isinstance(task, PipelineWorker) and task.turn_trace_observer is None:
            tracking = task.turn_tracking_observer
            if tracking is not None and not _is_heard(tracking):
                await task.remove_observer(tracking)


def _is_heard(tracking: TurnTrackingObserver) -> bool:
    return any(event.handlers for event in tracking._event_handlers.values())
