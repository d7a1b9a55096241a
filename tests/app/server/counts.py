"""What there is in a process: tasks, threads, sockets, objects, memory."""

import asyncio
import gc
import os
import threading
from dataclasses import dataclass
from pathlib import Path

# Idle connections to the model, which the process keeps for the next session.
POOLED = 4


@dataclass(frozen=True)
class Counts:
    """What there is in this process."""

    tasks: int
    threads: int
    sockets: int
    objects: int
    resident_bytes: int

    @classmethod
    def now(cls) -> "Counts":
        """Count, without what is garbage."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            sockets=len(list(Path("/proc/self/fd").iterdir())),
            objects=len(gc.get_objects()),
            resident_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
        )

    def are_back_to(self, before: "Counts") -> bool:
        """Tell whether there is nothing that was not there before."""
        return (
            self.tasks <= before.tasks
            and self.threads <= before.threads
            and self.sockets <= before.sockets + POOLED
        )
