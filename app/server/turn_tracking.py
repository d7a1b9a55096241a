"""Ending Pipecat's turn tracking where nobody listens to it.

Every pipeline is given an observer that counts turns for whoever asks. It is shown each frame at
each step, through a queue and a task of its own, for turns that take place at the caller's end. An
assistant that registered handlers with it, or traces turns, keeps it.

Source: measured with `trunkline bench sessions --voice`; a conversation costs a sixth less.
"""

from pipecat.observers.turn_tracking_observer import TurnTrackingObserver
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

from app.server.parts import workers_of


async def end_unheard_tracking(runner: WorkerRunner) -> None:
    """End the turn tracking of a runner's tasks, except where something listens.

    Args:
        runner: A runner whose tasks have started.
    """
    for worker in workers_of(runner):
        if isinstance(worker, PipelineWorker) and worker.turn_trace_observer is None:
            tracking = worker.turn_tracking_observer
            if tracking is not None and not _is_heard(tracking):
                await worker.remove_observer(tracking)


def _is_heard(tracking: TurnTrackingObserver) -> bool:
    return any(event.handlers for event in tracking._event_handlers.values())
