"""How much of what came is still held by somebody on this side.

A window bounds what is on its way. What arrived goes into the queues of pipelines, which have no
bound: a caller who sends large conversations faster than they are answered would fill the memory.
So what is large is weighed until nobody holds it any more.
"""

import asyncio
import gc
import itertools
import weakref
from collections.abc import Callable

from pipecat.bus.messages import BusFrameMessage, BusMessage

from proxy.gate import Gate

# Below this, the queues of a session hold what a conversation needs.
LARGE_BYTES = 16 * 1024

# What is held by nothing but a cycle is found by then.
COLLECT_AFTER_S = 2.0


class HeldMessages:
    """The large messages of one line that are still held."""

    def __init__(self, limit_bytes: int) -> None:
        """Begin with nothing held.

        Args:
            limit_bytes: How much may be held; one message always may.
        """
        self.size_bytes = 0
        self._limit_bytes = limit_bytes
        # By number: a frame cannot be hashed, and neither can a reference to it.
        self._refs: dict[int, weakref.ref[object]] = {}
        self._numbers = itertools.count()
        self._room = Gate()

    def fits(self, weight_bytes: int) -> bool:
        """Tell whether a message may be let in now.

        Args:
            weight_bytes: How much memory it is worth.
        """
        return weight_bytes < LARGE_BYTES or self.size_bytes < self._limit_bytes

    async def wait_room(self, timeout_s: float) -> bool:
        """Wait until large messages may be let in.

        Args:
            timeout_s: How long to wait.

        Returns:
            False if they may not by then.
        """
        for wait_s in (COLLECT_AFTER_S, max(timeout_s - COLLECT_AFTER_S, 0.0)):
            self._room.clear()
            if self.size_bytes < self._limit_bytes:
                return True
            try:
                async with asyncio.timeout(wait_s):
                    await self._room.wait()
            except TimeoutError:
                gc.collect()
        return self.size_bytes < self._limit_bytes

    def hold(self, message: BusMessage, weight_bytes: int) -> None:
        """Weigh a message until nobody holds it any more.

        Args:
            message: The message; of a frame, the frame counts.
            weight_bytes: How much memory it is worth.
        """
        if weight_bytes < LARGE_BYTES:
            return
        held = message.frame if isinstance(message, BusFrameMessage) else message
        self.size_bytes += weight_bytes
        number = next(self._numbers)
        self._refs[number] = weakref.ref(held, self._releaser(number, weight_bytes))

    def _releaser(self, number: int, weight_bytes: int) -> Callable[["weakref.ref[object]"], None]:
        def release(_: "weakref.ref[object]") -> None:
            del self._refs[number]
            self.size_bytes -= weight_bytes
            self._room.set()

        return release
