"""How one end of a line takes its leave: what waits goes out, the other end gets time to close."""

import asyncio

from proxy.dialect import Dialect, LineState
from proxy.gate import Gate
from proxy.pump import Signals

# How long what waits in the outbox may take to go out before a close.
DRAIN_TIMEOUT_S = 2.0

# After an end was said, the other side closes as soon as it has wound up. One that does not is
# closed on.
END_GRACE_S = 5.0


async def part(dialect: Dialect, signals: Signals, gone: Gate, *, ended: bool) -> None:
    """Wait until the line may be closed, or is; bounded.

    Args:
        dialect: This end.
        signals: Say when nothing waits any more.
        gone: Set when the line is gone for good.
        ended: Whether the other end was told that the conversation is over. One whose connection
            is lost may come back for that, for as long as the session waits for it.
    """
    if gone.is_set():
        return
    await _within(DRAIN_TIMEOUT_S, signals.drained)
    up = True
    while ended:
        was_up, up = up, dialect.state is LineState.OPEN
        if await _within(END_GRACE_S, gone) or (was_up and up):
            return


async def _within(timeout_s: float, event: Gate) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
