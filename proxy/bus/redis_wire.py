"""A connection to Redis on which many ask at once.

What is asked while an answer is under way goes out together, in one write, as soon as that answer
is there. Whoever asks waits no longer than the broker takes, and never longer than a bound.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from proxy.bus.streams import BrokerDownError
from proxy.dial import public_url
from proxy.errors import ConnectError

# A broker answers within milliseconds, and a large one that forks to write its data in a second.
ANSWER_TIMEOUT_S = 3.0

# Far more than the sessions of one process ask at a time.
MAX_WAITING = 10_000

# What the `redis` package raises for a URL: in parts, options that it does not know among them.
_UNUSABLE = (ValueError, TypeError, RedisError)

Word = str | bytes | int | float
Command = tuple[Word, ...]


class Connection(Protocol):
    """What we use of a connection of the `redis` package."""

    async def connect(self) -> None:
        """Connect, unless it is connected."""

    async def disconnect(self, nowait: bool = False) -> None:
        """Close; may be called again."""

    def pack_commands(self, commands: list[Command]) -> list[bytes]:
        """Write commands as bytes."""

    async def send_packed_command(self, command: list[bytes]) -> None:
        """Send bytes."""

    async def read_response(self, disable_decoding: bool = False) -> Any:
        """Wait for an answer."""


Connect = Callable[[], Connection]


def connector(url: str) -> Connect:
    """Return what makes connections to a server; they are not open yet.

    Args:
        url: A `redis://`, `rediss://` or `unix://` URL, which may name a user and a password.

    Raises:
        ConnectError: If it is none.
    """
    try:
        return _connector(url)
    except _UNUSABLE:
        raise ConnectError(_problem(url)) from None


def _connector(url: str) -> Connect:
    pool: Any = ConnectionPool.from_url(url)
    # Whatever the URL says of these: answers have one form, and every wait here a bound of its own.
    pool.connection_kwargs.update(
        protocol=2,
        socket_timeout=None,
        socket_connect_timeout=ANSWER_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    # Loading the authorities that are trusted holds up everybody for 35 ms: it is done once.
    tls = getattr(pool.make_connection(), "ssl_context", None)

    def connect() -> Connection:
        connection = pool.make_connection()
        if tls is not None:
            connection.ssl_context = tls
        made: Connection = connection
        return made

    return connect


def _problem(url: str) -> str:
    """Say what is wrong with a URL; names an option of it, and never a value."""
    where = public_url(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{where} is not a redis:// or rediss:// URL"
    wrong = [
        name
        for name, value in parse_qsl(parts.query)
        if not _usable(parts._replace(query=urlencode({name: value})).geturl())
    ]
    if not wrong or not _usable(parts._replace(query="").geturl()):
        return f"{where} is not a redis:// or rediss:// URL"
    return (
        f"{where}: {parts.scheme}:// has no option {wrong[0]!r}, or none with this value; "
        "correct it behind the ? of the URL"
    )


def _usable(url: str) -> bool:
    try:
        _connector(url)
    except _UNUSABLE:
        return False
    return True


async def guarded(connection: Connection, asking: Awaitable[Any], timeout_s: float) -> Any:
    """Wait for a broker, in bounds; a connection on which that failed is closed.

    Args:
        connection: Where it is asked.
        asking: The asking.
        timeout_s: How long it may take.

    Raises:
        BrokerDownError: If the broker cannot be reached, or answers with an error.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await asking
    except (RedisError, OSError) as error:
        await connection.disconnect(nowait=True)
        raise down(error) from None
    except BaseException:
        await connection.disconnect(nowait=True)
        raise


def down(error: Exception) -> BrokerDownError:
    """Say what an exception of the `redis` package means; its text may hold what was asked."""
    if isinstance(error, ResponseError):
        code = str(error).partition(" ")[0]
        return BrokerDownError(f"the broker answers with an error ({type(error).__name__}, {code})")
    if isinstance(error.__context__, ssl.SSLError):
        kind = type(error.__context__).__name__
        return BrokerDownError(f"the broker speaks no TLS that we trust ({kind})")
    return BrokerDownError(f"the broker is away ({type(error).__name__})")


async def ask_alone(connection: Connection, commands: list[Command]) -> list[Any]:
    """Ask on a connection that nobody else uses.

    Args:
        connection: The connection; opened if it is not.
        commands: The commands.

    Returns:
        An answer for each; one that is an error is returned as an exception.
    """
    await connection.connect()
    await connection.send_packed_command(connection.pack_commands(commands))
    return [await _answer(connection) for _ in commands]


async def _answer(connection: Connection) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error


class RedisWire:
    """One connection that is shared by everybody in this process who has something short to ask."""

    def __init__(self, connect: Connect) -> None:
        """Prepare; the connection is made when somebody asks.

        Args:
            connect: Makes connections.
        """
        self._connection = connect()
        self._waiting: deque[tuple[Command, asyncio.Future[Any]]] = deque()
        self._wake = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._closed = True

    def open(self) -> None:
        """Let people ask."""
        self._closed = False

    async def ask(self, *commands: Command) -> list[Any]:
        """Ask, and wait for the answers.

        Args:
            *commands: Commands; they follow each other, with nothing of others in between.

        Returns:
            An answer for each.

        Raises:
            BrokerDownError: If the broker cannot be reached, or answers one with an error. Some, or
                all, may have been carried out.
        """
        if self._closed or len(self._waiting) > MAX_WAITING:
            raise BrokerDownError("the broker is not connected, or far behind")
        loop = asyncio.get_running_loop()
        if self._asking is None:
            self._asking = loop.create_task(self._run(), name="redis-wire")
        answers = [loop.create_future() for _ in commands]
        self._waiting.extend(zip(commands, answers, strict=True))
        self._wake.set()
        found = await asyncio.gather(*answers)
        for answer in found:
            if isinstance(answer, Exception):
                raise down(answer)
        return found

    async def close(self) -> None:
        """Let go of whoever waits, and disconnect; safe to call again."""
        self._closed = True
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            await asyncio.wait({asking})
        self._fail(list(self._waiting), ConnectionError())
        self._waiting.clear()
        await self._connection.disconnect(nowait=True)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch = list(self._waiting)
            self._waiting.clear()
            try:
                await self._ask_all(batch)
            except asyncio.CancelledError:
                self._fail(batch, ConnectionError())
                raise

    async def _ask_all(self, batch: list[tuple[Command, "asyncio.Future[Any]"]]) -> None:
        connection = self._connection
        asking = ask_alone(connection, [command for command, _ in batch])
        try:
            answers = await guarded(connection, asking, ANSWER_TIMEOUT_S)
        except BrokerDownError:
            self._fail(batch, ConnectionError())
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
        if any(isinstance(answer, Exception) for answer in answers):
            # Who answered may have become a replica; the next is asked of whoever is there now.
            await connection.disconnect(nowait=True)

    def _fail(self, batch: list[tuple[Command, "asyncio.Future[Any]"]], error: Exception) -> None:
        for _, future in batch:
            if not future.done():
                future.set_result(error)
