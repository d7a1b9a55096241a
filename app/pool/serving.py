"""Running a pool: the broker, signals, and an end that tells every caller."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from agents import Assistants, Recipe
from app.brokers import open_broker
from app.errors import AppError
from app.loops import log_loop
from app.pool.listening import telling
from app.pool.pool import Pool
from app.pool.share import share_of
from app.server.building import Builder
from app.server.garbage import collecting_rarely
from app.server.isolation import contain_exits
from app.server.lifetime import Lifetimes
from app.server.limits import SessionLimits
from app.services import Roles
from app.settings import Settings
from app.stopping import LEAVE_TIMEOUT_S, leave, stop_on_signals
from app.telemetry.tracing import flush_traces
from proxy import CloseCode, LineError

# On a broker a caller has to learn within seconds that its pool has died.
HEARTBEAT_S = 1.0


@contextlib.asynccontextmanager
async def running_pool(
    settings: Settings, assistants: Assistants, recipe: Recipe, tasks: Sequence[str]
) -> AsyncIterator[Pool]:
    """Serve while the block runs; drains and stops afterwards.

    Args:
        settings: The settings.
        assistants: The assistants that this process knows.
        recipe: The one that is served.
        tasks: Which of its tasks; none for all.

    Raises:
        AppError: If the broker cannot be used, or the assistant has no such task.
    """
    contain_exits(asyncio.get_running_loop())
    builder = Builder()
    heartbeat_s = min(settings.heartbeat_s, HEARTBEAT_S)
    limits = SessionLimits.of(settings.model_copy(update={"heartbeat_s": heartbeat_s}))
    async with Roles.open(settings, assistants) as roles, open_broker(settings) as broker:
        timeout_s = settings.start_timeout_s
        share = await share_of(recipe, tasks, roles, builder, timeout_s=timeout_s)
        pool = Pool(broker, share, roles, builder, limits, settings.max_sessions)
        lifetimes = Lifetimes(
            pool.sessions,
            idle_timeout_s=settings.idle_timeout_s,
            max_session_s=settings.max_session_s,
        )
        watching = asyncio.create_task(lifetimes.watch(), name="lifetimes")
        try:
            async with pool.serving(settings.drain_timeout_s):
                yield pool
        except LineError as error:
            raise AppError(f"the broker cannot be used: {error}") from None
        finally:
            watching.cancel()
            await flush_traces()


async def serve_pool(
    settings: Settings,
    assistants: Assistants,
    recipe: Recipe,
    tasks: Sequence[str],
    *,
    on_serving: Callable[[Pool, str | None], None],
) -> None:
    """Serve until the process is told to stop by SIGINT or SIGTERM, and end it with 0.

    Does not return, see `app.server.serving.serve`.

    Args:
        settings: The settings.
        assistants: The assistants that this process knows.
        recipe: The one that is served.
        tasks: Which of its tasks; none for all.
        on_serving: Called with the pool once it takes claims, and with the address at which it
            tells of itself, if it does.

    Raises:
        AppError: If the broker cannot be used, or the assistant has no such task.
    """
    log_loop()
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    timeout_s = settings.drain_timeout_s + LEAVE_TIMEOUT_S

    serving: list[Pool] = []

    def stop() -> None:
        loop.call_soon_threadsafe(asked.set)

    def hurry() -> None:
        for pool in serving:
            loop.call_soon_threadsafe(pool.sessions.end_all, CloseCode.GOING_AWAY)

    with stop_on_signals(stop, hurry, timeout_s):
        async with (
            running_pool(settings, assistants, recipe, tasks) as pool,
            telling(settings, pool) as url,
            collecting_rarely(lambda: len(pool.sessions) == 0),
        ):
            serving.append(pool)
            on_serving(pool, url)
            await asked.wait()
        leave()
