"""What the caller's screen shows of an assistant: who talks, which jobs are at work, and the rest.

A session's bus is looked at, so that every recipe is shown without a line of its own, wherever it
runs. What there is to show goes to the caller's task as Pipecat's frame for the screens of RTVI
clients, which its own observer passes on. Where nobody looks, no frame is made, and nothing is kept
but the jobs at work, of which there are none.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusFrameMessage,
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobResponseUrgentMessage,
    BusJobStreamDataMessage,
    BusJobStreamEndMessage,
    BusJobUpdateMessage,
    BusJobUpdateUrgentMessage,
    BusMessage,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.workers.base_worker import BaseWorker

from agents.jobs.asking import TIMED_OUT, TOO_LATE
from agents.jobs.serving import FAILED, NO_HANDLER, NOT_NOW
from agents.recipe import Recipe
from proxy import CALLER_SUFFIX, JOB_FAILURES, DirectBus, LineError

# The key by which a screen knows our kinds of news from a recipe's own.
KIND = "trunkline"

# The most that is shown of what a worker said: some minutes of speech.
MAX_TEXT = 2000

# Jobs under way that are shown; a conversation has a handful.
MAX_JOBS = 256

# Where a worker's words are, in an update or an answer. What else is in there is between the tasks.
_WORDS = ("text", "answer")

# Why a job failed, where it is we who say so. A recipe's own reason may hold anything.
_REASONS = JOB_FAILURES | {FAILED, NOT_NOW, NO_HANDLER, TIMED_OUT, TOO_LATE}


def show(task: BaseWorker, data: Any) -> None:
    """Show the caller something, if it has a screen and looks; costs nothing else.

    Neither waits nor raises. It gets to the caller's task as an `RTVIServerMessageFrame`, and from
    there to the page as a `server-message`, after everything that the task has sent before.

    Args:
        task: Whose news it is, a task that runs.
        data: Plain values as in JSON, for example `{"kind": "order", "items": 3}`. A mapping with
            the key `trunkline` is one of our own.
    """
    try:
        bus = task.bus
    except RuntimeError:
        return  # it is not part of a session yet, or not any more
    if isinstance(bus, DirectBus) and bus.display is not None:
        bus.display.show(data, task=task.name)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A job under way: what was asked, and who did."""

    name: str | None
    by: str


class CallerDisplay:
    """Shows a caller what happens on the bus of its session; see `proxy.display.Display`."""

    __slots__ = ("_bus", "_jobs", "_names", "_shows_jobs", "_speakers", "_viewer")

    def __init__(
        self,
        bus: DirectBus,
        recipe: Recipe,
        tasks: Iterable[BaseWorker],
        viewer: Callable[[], str | None],
        *,
        family: Collection[str] = (),
    ) -> None:
        """Look at nothing yet: the bus is to be given this as its `display`.

        Args:
            bus: The bus.
            recipe: The assistant.
            tasks: Its tasks on this bus; what others do is not shown.
            viewer: Gives the name of the caller's task, or None while nobody looks.
            family: Tasks that may not talk to the caller although they are exported; see
                `proxy.Filter`.
        """
        self._bus = bus
        self._names = tuple(task.name for task in tasks)
        self._speakers = tuple(name for name in recipe.exports if name not in family)
        self._viewer = viewer
        self._shows_jobs = recipe.shows_jobs
        self._jobs: dict[tuple[str, str], _Asked] | None = None

    def show(self, data: Any, *, task: str) -> None:
        """Show what a task has to show; see `Display.show`."""
        viewer = self._viewer()
        if viewer is None or not self._speakers:
            return
        news = BusFrameMessage(
            source=task if task in self._speakers else self._speakers[0],
            target=viewer,
            frame=RTVIServerMessageFrame(data=data),
            direction=FrameDirection.DOWNSTREAM,
        )
        try:
            self._bus.hand(news)
        except LineError:
            return  # the caller is so far behind that it has other worries

    def noticed(self, message: BusMessage) -> None:
        """Look at a message, and show what follows from it; see `Display.noticed`."""
        match message:
            case BusActivateWorkerMessage(target=str(target)) if target in self._speakers:
                self.show({KIND: "active", "task": target}, task=target)
            case BusJobRequestMessage(target=str(target)) if self._shows_jobs:
                self._asked(message, target)
            case _ if self._jobs:
                self._follow(message)

    def _asked(self, message: BusJobRequestMessage, target: str) -> None:
        if message.source not in self._names or self._viewer() is None:
            return
        jobs = self._jobs = {} if self._jobs is None else self._jobs
        job = message.job_id, target
        if job not in jobs and len(jobs) < MAX_JOBS:
            jobs[job] = asked = _Asked(message.job_name, message.source)
            self._show_job(job, asked, "started")

    def _follow(self, message: BusMessage) -> None:
        """Look at what concerns a job that was shown."""
        match message:
            case BusJobUpdateMessage() | BusJobUpdateUrgentMessage():
                self._update(message, _words(message.update))
            case BusJobStreamDataMessage():
                self._update(message, _words(message.data), piece=True)
            case BusJobResponseMessage() | BusJobResponseUrgentMessage():
                text = _words(message.response) or _reason(message.response)
                self._over((message.job_id, message.source), str(message.status), text)
            case BusJobStreamEndMessage():
                self._over((message.job_id, message.source), "completed", _words(message.data))
            case BusJobCancelMessage(target=str(target)):
                late = message.reason == TIMED_OUT
                self._over(
                    *((message.job_id, target), "failed" if late else "cancelled"),
                    TIMED_OUT if late else None,
                )

    def _update(self, message: Any, text: str | None, *, piece: bool = False) -> None:
        job = message.job_id, message.source
        asked = None if self._jobs is None else self._jobs.get(job)
        if asked is not None:
            self._show_job(job, asked, "update", text, piece=piece)

    def _over(self, job: tuple[str, str], state: str, text: str | None) -> None:
        asked = None if self._jobs is None else self._jobs.pop(job, None)
        if asked is not None:
            self._show_job(job, asked, state, text)

    def _show_job(
        self,
        job: tuple[str, str],
        asked: _Asked,
        state: str,
        text: str | None = None,
        *,
        piece: bool = False,
    ) -> None:
        job_id, worker = job
        news = {
            KIND: "job",
            "id": job_id,
            "task": worker.removesuffix(CALLER_SUFFIX),
            "asked_by": asked.by,
            "name": asked.name,
            "state": state,
        }
        if text:
            news["text"] = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
        self.show(news | {"piece": True} if piece else news, task=asked.by)


def _words(said: Mapping[str, Any] | None) -> str | None:
    """Return the words of a worker, or None."""
    found = [said[key] for key in _WORDS if isinstance(said.get(key), str)] if said else []
    return found[0] if found else None


def _reason(answer: Mapping[str, Any] | None) -> str | None:
    """Return why a job failed, if the words are ours."""
    reason = answer.get("error") if answer else None
    return reason if isinstance(reason, str) and reason in _REASONS else None
