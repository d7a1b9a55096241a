"""A gate that tasks of one event loop wait at.

Every conversation has more than a dozen of them, and hardly ever does anybody wait at one. An
`asyncio.Event` keeps room for many who wait, 0.7 kB of it, from the start; a gate takes it when
somebody does.
"""

import asyncio


class Gate:
    """Open or shut; shut at first."""

    __slots__ = ("_open", "_waiters")

    def __init__(self) -> None:
        """Begin shut."""
        self._open = False
        self._waiters: list[asyncio.Future[None]] | None = None

    def is_set(self) -> bool:
        """Tell whether it is open."""
        return self._open

    def set(self) -> None:
        """Open it: whoever waits goes through, even if it is shut again before their turn."""
        self._open = True
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        """Shut it."""
        self._open = False

    async def wait(self) -> None:
        """Wait until it opens; returns at once if it is open."""
        if self._open:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiters = self._waiters or []
        waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            waiters.remove(waiter)
            raise
