"""Taking a session apart once it has ended, so that its memory is free at once.

Pipecat's objects point at each other in circles: worker and runner, worker and bus, a processor and
the next, a model and the tools that are methods of its worker. Only the garbage collector frees
circles, and with a thousand sessions open it has a million objects to look at. So the links that
make the circles are cut here; what a recipe's own objects hold is left to them.

Source: measured; without this 870 objects of a session of one `LLMWorker` wait for the collector.
"""

from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.utils.base_object import BaseObject
from pipecat.workers.runner import WorkerRunner

from app.server.parts import ENTRIES, parts_of, processors_of, workers_of

# Attributes of Pipecat's that lead from a worker or processor to what it is part of, or beside it.
_WORKER_LINKS = ("_bus", "_registry", "_worker_runner")
# The same of the line's task.
_LINE_LINKS = ("_delivery", "_filter", "_dialect", "_dialling", "_serving", "_ticking", "_closing")
_PROCESSOR_LINKS = (
    "_prev",
    "_next",
    "_setup",
    "_task",
    "_upstream_push_frame",
    "_downstream_push_frame",
)

# Attributes of Pipecat's that hold many such: the tools of a model, and who waits for a worker.
_TOOLS = "_functions"
_WATCHES = "_watches"


async def release(runner: WorkerRunner) -> None:
    """Cut the links of a session whose runner has finished; nothing of it is to be used again.

    Args:
        runner: The runner.
    """
    for worker in workers_of(runner):
        await runner.bus.unsubscribe(worker)
        _forget_handlers(worker)
        for processor in processors_of(worker):
            _release_processor(processor)
        _cut(worker, _WORKER_LINKS + _LINE_LINKS)
    await runner.bus.unsubscribe(runner)
    _forget_handlers(runner)
    vars(runner.registry)[_WATCHES].clear()
    vars(runner)[ENTRIES].clear()


def _release_processor(processor: FrameProcessor) -> None:
    _forget_handlers(processor)
    _cut(processor, _PROCESSOR_LINKS)
    vars(processor).get(_TOOLS, {}).clear()
    for part in vars(processor).values():
        if isinstance(part, LLMContext):
            part.set_tools()  # methods of the worker; the messages stay
    for part in parts_of(processor):
        _forget_handlers(part)
        _cut(part, _PROCESSOR_LINKS)


def _forget_handlers(owner: BaseObject) -> None:
    for handler in vars(owner)["_event_handlers"].values():
        handler.handlers.clear()


def _cut(owner: object, links: tuple[str, ...]) -> None:
    attributes = vars(owner)
    for link in links:
        if link in attributes:
            attributes[link] = None
