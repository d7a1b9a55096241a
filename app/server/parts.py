"""What the runner of a session is made of: its tasks, their processors, and the parts of those."""

from collections.abc import Iterator

from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.utils.base_object import BaseObject
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

# An attribute of Pipecat's that holds the workers of a runner.
ENTRIES = "_entries"


def workers_of(runner: WorkerRunner) -> list[BaseWorker]:
    """Return the workers that were added to a runner."""
    return [entry.worker for entry in vars(runner)[ENTRIES].values()]


def processors_of(worker: BaseWorker) -> Iterator[FrameProcessor]:
    """Iterate over all processors of a worker, those inside of others first."""
    if isinstance(worker, PipelineWorker):
        yield from _inside(worker.pipeline)


def parts_of(owner: BaseObject) -> Iterator[BaseObject]:
    """Iterate over what an object is made of, such as the controllers of an aggregator."""
    for part in vars(owner).values():
        if isinstance(part, BaseObject) and not isinstance(part, FrameProcessor | BaseWorker):
            yield part


def _inside(processor: FrameProcessor) -> Iterator[FrameProcessor]:
    for inner in processor.processors:
        yield from _inside(inner)
    yield processor
