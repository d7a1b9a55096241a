"""The other processes of the server: asking them, and passing callers on to them."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx
from loguru import logger
from pydantic import BaseModel, ValidationError

from app.processes.ledger import LedgerError
from app.server.together.joining import Waiter
from app.server.together.membership import Membership
from app.server.together.relay import Destination, relay
from app.settings import Settings
from proxy.arrival import Arrival

# An answer takes milliseconds. A process that stands still is not waited for by those who want to
# know why.
ASK_TIMEOUT_S = 2.0

_JSON = {"Content-Type": "application/json"}

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Answers(Generic[Model]):
    """What the other processes said.

    Attributes:
        by_place: The answer of each that gave one.
        silent: How many gave none in time.
    """

    by_place: Mapping[int, Model]
    silent: int = 0


class Peers:
    """The other processes; there are none where one process is the server."""

    def __init__(self, settings: Settings, membership: Membership | None) -> None:
        """Prepare.

        Args:
            settings: The settings.
            membership: This process's place; None if it is alone.
        """
        self._settings = settings
        self._membership = membership
        self._relays: set[asyncio.Task[bool]] = set()

    async def ask(
        self,
        model: type[Model],
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: BaseModel | None = None,
    ) -> Answers[Model]:
        """Ask all of them at once.

        Args:
            model: What they answer.
            method: The HTTP method.
            path: The path.
            query: The query; what is None is left out.
            body: What to send.
        """
        if self._membership is None:
            return Answers({})
        try:
            places = self._membership.others()
        except LedgerError:
            return Answers({}, 1)

        async def ask_one(place: int) -> Model | None:
            return await self.ask_one(place, model, method, path, query=query, body=body)

        answers = await asyncio.gather(*(ask_one(place) for place in places))
        found = {
            place: answer
            for place, answer in zip(places, answers, strict=True)
            if answer is not None
        }
        # One that has ended meanwhile has nothing to say.
        silent = set(places) - found.keys()
        return Answers(found, sum(self._membership.socket_path(one).exists() for one in silent))

    async def ask_one(
        self,
        place: int,
        model: type[Model],
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: BaseModel | None = None,
        timeout_s: float = ASK_TIMEOUT_S,
    ) -> Model | None:
        """Ask one of them.

        Args:
            place: Which.
            model: What it answers.
            method: The HTTP method.
            path: The path.
            query: The query; what is None is left out.
            body: What to send.
            timeout_s: How long to wait.

        Returns:
            None if it gives no answer in time.
        """
        assert self._membership is not None
        given = {name: value for name, value in (query or {}).items() if value is not None}
        content = None if body is None else body.model_dump_json()
        socket = str(self._membership.socket_path(place))
        transport = httpx.AsyncHTTPTransport(uds=socket, verify=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://process", timeout=timeout_s
        ) as client:
            try:
                async with asyncio.timeout(timeout_s):
                    answer = await client.request(
                        method, path, params=given, content=content, headers=_JSON
                    )
                return model.model_validate_json(answer.raise_for_status().content)
            except (httpx.HTTPError, TimeoutError, ValidationError) as error:
                logger.warning(f"Process {place} does not answer ({type(error).__name__})")
                return None

    async def take_back(self, arrival: Arrival, principal: str) -> bool:
        """Pass a caller on that comes back, for as long as its connection lasts.

        Args:
            arrival: The caller.
            principal: Who that is.

        Returns:
            False if none of the other processes has its session, or can be asked for it.
        """
        hello, membership = arrival.hello, self._membership
        if hello is None or membership is None:
            return False
        place = membership.elsewhere(hello.session)
        if place is None:
            return False
        destination = Destination.returning(membership.socket_path(place), principal)
        return await self._relay(relay(arrival, destination, self._settings))

    async def take_in(self, waiter: Waiter, place: int) -> bool:
        """Have another process take a caller in that waits here, for as long as that lasts.

        Args:
            waiter: The caller.
            place: The process, which has room.

        Returns:
            False if it has none after all.
        """
        assert self._membership is not None
        socket = self._membership.socket_path(place)
        destination = Destination(socket, waiter.target, waiter.headers)

        def taken() -> None:
            waiter.place.elsewhere = None  # its entry is that process's

        return await self._relay(
            relay(waiter.arrival, destination, self._settings, on_connected=taken)
        )

    async def _relay(self, work: Coroutine[Any, Any, bool]) -> bool:
        relaying = asyncio.create_task(work, name="relay")
        self._relays.add(relaying)
        relaying.add_done_callback(self._relays.discard)
        try:
            await asyncio.wait({relaying})
        finally:
            relaying.cancel()
        return relaying.cancelled() or relaying.result()

    def leave(self) -> None:
        """Drop the callers that are passed on: they come back by way of another process."""
        for relaying in self._relays:
            relaying.cancel()
