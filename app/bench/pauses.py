"""How long an event loop stood still, and how much of that was garbage collection.

A loop is late when it was busy, and when other work of the machine kept it from running. Only the
first says something of the server, so a pause is never longer than the CPU time used in it. (It
follows that waiting for a disk or a name server would go unnoticed; nothing here does either.)
"""

import asyncio
import gc
import time
from typing import Any

# Short enough to notice every pause that a caller could hear, long enough to cost nothing.
NAP_S = 0.005

_OLDEST_GENERATION = 2


class PauseWatch:
    """Watches the event loop of this process from `start` on.

    Attributes:
        longest_s: The longest time that the loop was late.
        longest_collection_s: The longest garbage collection.
        full_collections: How many collections looked at every object.
    """

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.longest_s = 0.0
        self.longest_collection_s = 0.0
        self.full_collections = 0
        self._collection_began = 0.0
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch, or begin anew."""
        self.longest_s = self.longest_collection_s = 0.0
        self.full_collections = 0
        if self._watching is None:
            gc.callbacks.append(self._on_collection)
            self._watching = asyncio.create_task(self._watch(), name="pause-watch")

    def stop(self) -> None:
        """Watch no longer."""
        if self._watching is not None:
            gc.callbacks.remove(self._on_collection)
            self._watching.cancel()
            self._watching = None

    def as_dict(self) -> dict[str, float]:
        """Tell what was seen."""
        return {
            "longest_ms": self.longest_s * 1000,
            "longest_collection_ms": self.longest_collection_s * 1000,
            "full_collections": self.full_collections,
        }

    async def _watch(self) -> None:
        while True:
            before, cpu_before = time.monotonic(), time.thread_time()
            await asyncio.sleep(NAP_S)
            late_s = time.monotonic() - before - NAP_S
            self.longest_s = max(self.longest_s, min(late_s, time.thread_time() - cpu_before))

    def _on_collection(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._collection_began = time.thread_time()
            return
        took_s = time.thread_time() - self._collection_began
        self.longest_collection_s = max(self.longest_collection_s, took_s)
        self.full_collections += info["generation"] == _OLDEST_GENERATION


def full_collection_s() -> float:
    """Collect everything now, and tell how much CPU time that took."""
    began = time.thread_time()
    gc.collect()
    return time.thread_time() - began
