"""Connections to a Postgres: a pool for all statements, and what its errors mean to us."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from proxy.bus.streams import BrokerDownError
from proxy.dial import public_url
from proxy.errors import ConnectError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record]
    Borrowed = Connection | PoolConnectionProxy[asyncpg.Record]
    Row = asyncpg.Record
    _Base = asyncpg.Connection[asyncpg.Record]
else:
    Borrowed = Any
    _Base = asyncpg.Connection  # which is generic for type checkers only

# A statement takes a millisecond. A server that needs longer than this is as good as away, and a
# line would rather dial again than wait.
ANSWER_TIMEOUT_S = 5.0

# Leaving takes a round trip.
CLOSE_TIMEOUT_S = 2.0

# Statements are short, so few connections do for many sessions.
MAX_CONNECTIONS = 8

# A connection that broke, two that waited for each other, or a server that starts: tried again
# after so long each, before the server counts as away.
RETRIES_S = (0.05, 0.25)

# Everything that asyncpg raises, and the network.
FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_WORDS: dict[type[Exception], str] = {
    asyncpg.InvalidAuthorizationSpecificationError: "refuses this user or password",
    asyncpg.InvalidCatalogNameError: "has no such database",
    asyncpg.InsufficientPrivilegeError: "does not let this user do that; docs/distributed.md says"
    " what it needs",
    asyncpg.TooManyConnectionsError: "has no connection left for us",
    # A certificate of `sslrootcert`, or a socket.
    FileNotFoundError: "names a file that is not there",
    ssl.SSLError: "speaks no TLS that we trust, see sslmode",
    # Also where a file is missing that `sslmode` asks for.
    asyncpg.ClientConfigurationError: "comes with options that asyncpg cannot follow",
    ValueError: "is not a URL that asyncpg understands",
}

# SQL, and its values.
Statement = tuple[Any, ...]

T = TypeVar("T")

# Uses a connection.
Work = Callable[[Borrowed], Coroutine[Any, Any, T]]


class _Plain(_Base):
    """A connection whose session is never changed, and need not be reset after each use."""

    def get_reset_query(self) -> str:
        """Say that nothing is to be done."""
        return ""


class Database:
    """A pool of connections to one database.

    Attributes:
        where: Its URL without user and password.
    """

    def __init__(self, url: str) -> None:
        """Prepare; nothing is connected.

        Args:
            url: A `postgresql://` URL; all that asyncpg knows is honoured, `sslmode` for one.
        """
        self.where = public_url(url)
        self._url = url
        self._pool: Pool | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectError: If the server refuses us or cannot be reached.
        """
        if not self._url.startswith(("postgresql://", "postgres://")):
            raise ConnectError(f"{self.where} is not a postgresql:// URL")
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                self._pool = await asyncpg.create_pool(
                    self._url,
                    # None is kept: while a server is away the pool would dial it by itself.
                    min_size=0,
                    max_size=MAX_CONNECTIONS,
                    timeout=ANSWER_TIMEOUT_S,
                    connection_class=_Plain,
                    # What a crash loses is sent again; see `proxy.bus.pgmq_sql`.
                    server_settings={
                        "synchronous_commit": "off",
                        "application_name": "trunkline",
                    },
                )
                async with self._pool.acquire():
                    pass  # connected
        except (*FAILURES, ValueError) as error:
            await self.close()
            raise ConnectError(self._words(error)) from None

    async def close(self) -> None:
        """Disconnect; bounded, and safe to call again."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await pool.close()
            except FAILURES:
                pool.terminate()

    async def connect(self) -> "Connection":
        """Return a connection apart from the pool, for whoever listens.

        Raises:
            BrokerDownError: If the server cannot be reached.
        """
        try:
            return await asyncpg.connect(self._url, timeout=ANSWER_TIMEOUT_S)
        except FAILURES as error:
            raise self.down(error) from None

    async def fetch(self, sql: str, *values: Any) -> "list[Row]":
        """Run a statement that may be run twice, and return its rows; tries again at first.

        Raises:
            BrokerDownError: If the server cannot be reached, or not in time.
        """
        for pause_s in RETRIES_S:
            with contextlib.suppress(BrokerDownError):
                return await self.fetch_once(sql, *values)
            await asyncio.sleep(pause_s)
        return await self.fetch_once(sql, *values)

    async def fetch_once(self, sql: str, *values: Any) -> "list[Row]":
        """Run a statement that must not be run twice, and return its rows.

        Raises:
            BrokerDownError: If the server cannot be reached, or not in time.
        """
        return await self._use(lambda connection: connection.fetch(sql, *values))

    async def run(self, *statements: Statement) -> None:
        """Run statements together or not at all; otherwise like `fetch`.

        Args:
            *statements: Each with its values.

        Raises:
            BrokerDownError: If the server cannot be reached, or not in time.
        """
        for pause_s in RETRIES_S:
            with contextlib.suppress(BrokerDownError):
                return await self.run_once(*statements)
            await asyncio.sleep(pause_s)
        return await self.run_once(*statements)

    async def run_once(self, *statements: Statement) -> None:
        """Run statements together or not at all that must not be run twice.

        Args:
            *statements: Each with its values.

        Raises:
            BrokerDownError: If the server cannot be reached, or not in time.
        """

        async def one_by_one(connection: "Borrowed") -> None:
            for sql, *values in statements:
                await connection.execute(sql, *values)

        await self.together(one_by_one)

    async def together(self, work: Work[T]) -> T:
        """Run statements that come about together or not at all; must not be run twice.

        Args:
            work: Runs them on a connection; asks nothing else of it, and waits for nothing else.

        Returns:
            What it returns.

        Raises:
            BrokerDownError: If the server cannot be reached, or not in time.
        """

        async def in_transaction(connection: "Borrowed") -> T:
            async with connection.transaction():
                return await work(connection)

        return await self._use(in_transaction)

    async def _use(self, work: Work[T]) -> T:
        pool = self._pool
        if pool is None:
            raise BrokerDownError(f"{self.where} is not connected")
        try:
            # Its timeout also bounds the return of a connection.
            async with pool.acquire(timeout=ANSWER_TIMEOUT_S) as connection:
                return await _bounded(work(connection), connection)
        except FAILURES as error:
            raise self.down(error) from None

    def down(self, error: BaseException) -> BrokerDownError:
        """Return what we raise for a failure; its own text may hold anything."""
        return BrokerDownError(self._words(error))

    def _words(self, error: BaseException) -> str:
        for kind, words in _WORDS.items():
            if isinstance(error, kind):
                return f"{self.where} {words}"
        return f"{self.where} does not answer ({type(error).__name__})"


async def _bounded(working: Coroutine[Any, Any, T], connection: "Borrowed") -> T:
    """Wait for what uses a connection; one on which that did not end is closed.

    The work itself is never cancelled: asyncpg would dial the server again to have the statement
    stopped, and could hand the connection back inside a transaction.

    Raises:
        TimeoutError: If nothing comes back.
    """
    task = asyncio.ensure_future(working)
    try:
        done, _ = await asyncio.wait({task}, timeout=ANSWER_TIMEOUT_S)
        if not done:
            raise TimeoutError
        return task.result()
    finally:
        if not task.done():
            connection.terminate()
            # Its statement fails at once, and so does every one after it.
            await asyncio.gather(task, return_exceptions=True)
        _ = task.cancelled() or task.exception()  # seen, also where nobody waits any more
