"""How late an event loop is, and whether it stood still.

What blocks a loop holds up every session on it. A loop that stood still for long is not to be sent
more callers for a while: what blocked it is likely to do so again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

# Often enough to see what a caller hears, seldom enough to cost nothing.
PERIOD_S = 0.25

# How long a loop must be punctual after it stood still. Longer than orchestrators take to act on
# one failed probe.
RECOVERY_S = 15.0


class LoopLag:
    """Measures how late the running loop calls back.

    Attributes:
        stall_timeout_s: A loop that is so late stood still.
    """

    def __init__(
        self, stall_timeout_s: float, on_lag: Callable[[float], None] = lambda lag_s: None
    ) -> None:
        """Prepare; nothing is measured before `measuring`.

        Args:
            stall_timeout_s: A loop that is so late stood still.
            on_lag: Called with every measurement, in seconds.
        """
        self.stall_timeout_s = stall_timeout_s
        self._on_lag = on_lag
        self._due: float | None = None
        self._stalled_at: float | None = None

    def stalled(self, now: float) -> bool:
        """Tell whether the loop stood still of late.

        Args:
            now: The time on the loop's clock.
        """
        if self._due is not None:
            # Who asks may come before the measurement does.
            self._judge(now, now - self._due)
        return self._stalled_at is not None and now - self._stalled_at < RECOVERY_S

    def expect(self, due: float) -> None:
        """Say when the next measurement is due.

        Args:
            due: The time on the loop's clock.
        """
        self._due = due

    def measure(self, now: float) -> None:
        """Measure how late it is.

        Args:
            now: The time on the loop's clock.
        """
        assert self._due is not None
        lag_s = max(0.0, now - self._due)
        self._on_lag(lag_s)
        self._judge(now, lag_s)

    @contextlib.asynccontextmanager
    async def measuring(self) -> AsyncIterator[None]:
        """Measure while the block runs."""
        task = asyncio.create_task(self._measure(), name="loop-lag")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self.expect(loop.time() + PERIOD_S)
            await asyncio.sleep(PERIOD_S)
            self.measure(loop.time())

    def _judge(self, now: float, lag_s: float) -> None:
        if lag_s >= self.stall_timeout_s:
            self._stalled_at = now
