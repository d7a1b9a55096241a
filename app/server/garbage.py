"""When the garbage collector of a process that serves looks at what.

A full collection looks at every object there is: 180 ms for the modules of an empty server, a
second with a thousand sessions, and every session stands still meanwhile. So what is there to stay
is frozen, which takes it out of the collector's sight: the modules when the server has started, the
sessions in batches as they grow old. Full collections then look only at what came after, and are
cheap.

What is frozen is still freed when nothing refers to it any more, as the objects of an ended session
are (see `app.server.release`). Only circles among frozen objects stay. They are looked for when no
session is open that would notice.

When to collect the collector decides by a count: what was made, less what was freed, whether that
was young, old or frozen. A session that goes on makes a timer for each one that runs out, and so
leaves the count as it is; with a thousand of them, 90,000 objects came together before it was due.
So they are also looked for by the clock, and really counted.

Source: measured on CPython 3.11; the numbers are at the constants.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

from loguru import logger

# A young collection looks at some 700 objects, a middle one at up to ten times that: 5 ms.
YOUNG_THRESHOLD = 700
MIDDLE_THRESHOLD = 4

# Never by itself; see `_Collector`.
FULL_THRESHOLD = 1_000_000_000

# After so many middle collections there are some 15,000 objects to look at and freeze, those of ten
# sessions: 15 ms.
FREEZE_EVERY = 2

# How often to count what is young, and how much is enough for a middle collection. A thousand
# sessions that say little make 5,000 objects in that time, which takes 3 ms to look at. At 0.1 s
# the collector took a twelfth of a server busy with voices; at 0.5 s it paused twice as long.
COUNT_INTERVAL_S = 0.25
ENOUGH = 5_000

# How often to look whether no session is open.
QUIET_INTERVAL_S = 30.0

_YOUNG, _MIDDLE = 0, 1


@contextlib.asynccontextmanager
async def collecting_rarely(is_quiet: Callable[[], bool]) -> AsyncIterator[None]:
    """Run the garbage collector of this process for a server while the block runs.

    It is the process's only one, so this is for processes that do nothing but serve.

    Args:
        is_quiet: Tells whether a pause of a fifth of a second would be noticed by nobody.
    """
    collector = _Collector(asyncio.get_running_loop(), is_quiet)
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_THRESHOLD, MIDDLE_THRESHOLD, FULL_THRESHOLD)
    gc.callbacks.append(collector.on_collection)
    sweeping = asyncio.create_task(collector.sweep_when_quiet(), name="garbage")
    counting = asyncio.create_task(collector.collect_when_enough(), name="count-garbage")
    try:
        yield
    finally:
        sweeping.cancel()
        counting.cancel()
        gc.callbacks.remove(collector.on_collection)
        gc.set_threshold(*thresholds)
        gc.unfreeze()


class _Collector:
    """Decides when to freeze and when to look at what is frozen."""

    def __init__(self, loop: asyncio.AbstractEventLoop, is_quiet: Callable[[], bool]) -> None:
        self._loop = loop
        self._is_quiet = is_quiet
        self._middle = 0
        self._frozen_since_sweep = False

    def on_collection(self, phase: str, info: dict[str, Any]) -> None:
        """Count collections. Called by the collector, in whichever thread it runs."""
        if phase != "stop" or info["generation"] != _MIDDLE:
            return
        self._middle += 1
        if self._middle == FREEZE_EVERY:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._freeze)
        elif self._middle > 2 * FREEZE_EVERY:
            # The loop is far behind, and by the time it gets there, looking at it all would take
            # long. Middle collections have looked at it twice.
            gc.freeze()
            self._middle = FREEZE_EVERY
            self._frozen_since_sweep = True

    def _freeze(self) -> None:
        """Free what is garbage among what came since the last time, and freeze the rest."""
        self._middle = 0
        gc.collect()
        gc.freeze()
        self._frozen_since_sweep = True

    async def collect_when_enough(self) -> None:
        """Make a middle collection whenever there is enough for one that was not counted."""
        while True:
            await asyncio.sleep(COUNT_INTERVAL_S)
            if len(gc.get_objects(_YOUNG)) + len(gc.get_objects(_MIDDLE)) >= ENOUGH:
                gc.collect(_MIDDLE)

    async def sweep_when_quiet(self) -> None:
        """Look for garbage among what is frozen, whenever nobody would notice."""
        while True:
            await asyncio.sleep(QUIET_INTERVAL_S)
            if self._frozen_since_sweep and self._is_quiet():
                gc.unfreeze()
                freed = gc.collect()
                gc.freeze()
                self._frozen_since_sweep = False
                logger.debug(f"Garbage: {freed} objects that had grown old")
