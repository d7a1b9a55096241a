"""A clock that stands still until a test moves it."""

import asyncio


class SteppedClock:
    """Moves in steps, and wakes who sleeps in order."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._slept = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, woken))
        self._slept.set()
        await woken

    async def advance(self, seconds: float) -> None:
        """Let time pass, for one sleeper who sleeps again and again."""
        end = self._now + seconds
        while True:
            while not self._sleepers:
                self._slept.clear()
                async with asyncio.timeout(20):
                    await self._slept.wait()
            due, woken = self._sleepers[0]
            if due > end:
                self._now = end
                return
            self._sleepers.clear()
            self._now = due
            if not woken.cancelled():
                woken.set_result(None)
