"""An assistant that pools on a broker serve, in one piece or spread over several."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from loguru import logger
from pipecat.frames.frames import Frame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.llm import LLMWorkerActivationArgs
from pipecat.workers.runner import WorkerRunner

from agents import Recipe
from app.caller.assistants import LINE_NAME, START_TIMEOUT_S, why
from app.caller.cover import cover, missing
from app.caller.going_on import GoingOn, is_lost
from app.caller.main_task import MAIN_NAME
from proxy import CloseCode, ConnectError, LinkClosedError, WebSocketProxyClientTask
from proxy.bus.claims import Claims, Offer
from proxy.bus.dialler import ChannelDialler, NotServedError
from proxy.bus.streams import NOTICE_PERIOD_S, BrokerDownError
from proxy.codec.rules import HOME, SHOWN
from proxy.handshake import TrunkOptions
from proxy.pulse import Patience

# A caller has to learn within seconds that a pool has died.
PATIENCE = Patience(heartbeat_s=1.0)

# How long to wait for pools that together have every task, while nobody is kept from talking.
OFFER_TIMEOUT_S = 10.0

# A caller whose pool dies hears another, or that there is none, within this.
TOLD_WITHIN_S = 5.0

# Missing a pool that dies without a word takes up to 3.75 s of it: two heartbeats and a look at the
# clock, the pause before dialling, and a second without its offer. Another that lives has an offer
# up at any time, so one second is enough to see it.
REPLACE_TIMEOUT_S = 1.0

# A pool that says that it goes is missed at once; one that takes its place may be about to start.
HAND_OVER_TIMEOUT_S = 4.0

# Claims that nobody takes, one after the other, before the caller gives up.
MAX_UNSERVED = 3


class NobodyServesError(Exception):
    """There are no pools that together have every task; says what to start."""


@dataclass(eq=False)
class Part:
    """Some of the assistant's tasks, and the line to the pool that has them.

    Attributes:
        offer: The pool's offer, or one like it.
        line: The line.
    """

    offer: Offer
    line: WebSocketProxyClientTask


class PooledAssistant:
    """An assistant on a broker; see `AssistantSide`.

    Attributes:
        error: Why the conversation could not be held, in words for the caller; None if it could.
    """

    def __init__(
        self,
        claims: Claims,
        assistant: str,
        recipe: Recipe | None,
        *,
        where: str,
        start_timeout_s: float = START_TIMEOUT_S,
        offer_timeout_s: float = OFFER_TIMEOUT_S,
        has_screen: bool = False,
    ) -> None:
        """Prepare; nothing is claimed yet.

        Args:
            claims: The broker.
            assistant: The assistant's name.
            recipe: The assistant, if this process knows it.
            where: The broker's URL, fit to be shown.
            start_timeout_s: How long the assistant may take to be ready.
            offer_timeout_s: How long to wait for pools that together have every task.
            has_screen: See `RemoteAssistant`.
        """
        self.error: str | None = None
        self._claims = claims
        self._assistant = assistant
        self._recipe = recipe
        self._where = where
        self._start_timeout_s = start_timeout_s
        self._offer_timeout_s = offer_timeout_s
        self._options = TrunkOptions(
            patience=PATIENCE, allowed_frames=tuple(SHOWN) if has_screen else ()
        )
        self._going_on = GoingOn()
        self._parts: list[Part] = []
        self._lines = 0
        self._unserved = 0
        # What to activate as soon as it is ready, and with which arguments.
        self._awaited: dict[str, LLMWorkerActivationArgs | None] = {}
        self._decided = asyncio.Event()
        self._runner: WorkerRunner | None = None
        self._main: PipelineWorker | None = None

    def stays(self, frame: type[Frame]) -> bool:
        """Tell whether no pool wants such frames; see `AssistantSide.stays`."""
        if not self._parts:
            return frame in HOME
        return all(part.line.stays(frame) for part in self._parts)

    async def speaks(self) -> bool:
        """Tell what the recipe says, or a pool, where this process does not know the recipe."""
        if self._recipe is not None:
            return self._recipe.speaks
        with contextlib.suppress(BrokerDownError):
            return any(offer.speaks for offer in await self._claims.offers(self._assistant))
        return False

    async def join(self, runner: WorkerRunner, main: PipelineWorker) -> None:
        """Watch who has the floor; lines are added once it is known to which pools."""
        self._runner, self._main = runner, main
        await self._going_on.join(runner, main)

    async def begin(self, main: PipelineWorker) -> None:
        """Claim the pools, and wait until the first task was activated or will never be."""
        try:
            async with asyncio.timeout(self._start_timeout_s):
                offers = await self._choose(None, self._offer_timeout_s)
                self._going_on.floor.watch(offers[0].all_tasks)
                self._awaited[offers[0].exports[0]] = None
                await self._add(offers)
                await self._decided.wait()
        except NobodyServesError as error:
            await self._give_up(str(error))
        except TimeoutError:
            await self._give_up(
                f"{self._where}: {self._assistant} was not ready within {self._start_timeout_s:g} s"
            )

    async def _choose(
        self, tasks: Collection[str] | None, timeout_s: float, *, without: str = ""
    ) -> list[Offer]:
        """Wait for offers that together have some tasks.

        Args:
            tasks: The tasks; None for all that the assistant has.
            timeout_s: How long to wait; no longer than `offer_timeout_s`.
            without: A pool that is gone, whatever it still offers.

        Raises:
            NobodyServesError: If there are none in time.
        """
        offers: list[Offer] = []
        away: BrokerDownError | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout_s, self._offer_timeout_s)):
                while True:
                    try:
                        found = await self._claims.offers(self._assistant)
                        offers, away = [offer for offer in found if offer.pool != without], None
                    except BrokerDownError as error:
                        away = error
                    wanted = tasks if tasks is not None else offers[0].all_tasks if offers else ()
                    chosen = cover(wanted, offers) if offers else None
                    if chosen:
                        return chosen
                    await asyncio.sleep(NOTICE_PERIOD_S / 2)
        raise NobodyServesError(self._why_nobody(offers, tasks, away))

    def _why_nobody(
        self, offers: list[Offer], tasks: Collection[str] | None, away: BrokerDownError | None
    ) -> str:
        name, start = self._assistant, f"trunkline agents --assistant {self._assistant}"
        if away is not None:
            return f"{self._where}: {away}"
        if not offers and tasks is None:
            return f"nobody serves {name!r} on {self._where}; start `{start} --bus {self._where}`"
        lacking = missing(tasks or offers[0].all_tasks, offers)
        if lacking:
            further = " ".join(f"--tasks {task}" for task in lacking)
            return (
                f"nobody serves {', '.join(lacking)} of {name!r} on {self._where}; start "
                f"`{start} {further} --bus {self._where}`"
            )
        return f"every pool that serves {name!r} on {self._where} is full; start another: `{start}`"

    async def _add(self, offers: Iterable[Offer]) -> None:
        assert self._runner is not None
        if self._going_on.finished:
            return
        parts = [self._part(offer) for offer in offers]
        self._parts += parts
        await self._runner.add_workers(*(part.line for part in parts))

    def _part(self, offer: Offer) -> Part:
        self._lines += 1
        exported = [task for task in offer.exports if task in offer.tasks]
        siblings = [task for task in offer.all_tasks if task not in offer.tasks]
        line = WebSocketProxyClientTask(
            LINE_NAME if self._lines == 1 else f"{LINE_NAME}-{self._lines}",
            dialler=ChannelDialler(self._claims, offer),
            remote_task_name=exported if not siblings else [*exported, *_others(offer)],
            local_task_name=[MAIN_NAME, *siblings],
            active=True,
            options=self._options,
            family=offer.all_tasks if siblings else (),
        )
        part = Part(offer, line)

        async def on_remote_ready(_: object, names: tuple[str, ...]) -> None:
            await self._ready(names)

        async def on_connect_failed(_: object, error: ConnectError) -> None:
            self._unserved += isinstance(error, NotServedError)
            if self._unserved < MAX_UNSERVED:
                self._lost(part, str(error), REPLACE_TIMEOUT_S)
            else:
                await self._give_up(f"{self._where}: {error}")

        async def on_disconnected(_: object, error: LinkClosedError) -> None:
            await self._disconnected(part, error)

        line.add_event_handler("on_remote_ready", on_remote_ready)
        line.add_event_handler("on_connect_failed", on_connect_failed)
        line.add_event_handler("on_disconnected", on_disconnected)
        return part

    async def _ready(self, names: tuple[str, ...]) -> None:
        assert self._main is not None
        self._unserved = 0
        for name in names:
            if name in self._awaited:
                arguments = self._awaited.pop(name)
                self._decided.set()
                await self._main.activate_worker(name, args=arguments)

    async def _disconnected(self, part: Part, error: LinkClosedError) -> None:
        logger.info(f"A line is gone ({error.code})")
        if part not in self._parts:
            return
        if is_lost(part.line, error):
            going = error.code == CloseCode.GOING_AWAY
            timeout_s = HAND_OVER_TIMEOUT_S if going else REPLACE_TIMEOUT_S
            # One that was silent has been without an offer, too. If it has one again, it lives: it
            # was only busy.
            silent = error.code in (CloseCode.ABNORMAL, CloseCode.PEER_SILENT)
            self._lost(part, why(error), timeout_s, without="" if silent else _pool_of(part))
            return
        if error.code != CloseCode.ENDED and not part.line.ending:
            self.error = f"the line was lost: {why(error)}"
        self._decided.set()
        assert self._runner is not None
        await self._runner.end(reason="the line is gone")

    def _lost(self, part: Part, reason: str, timeout_s: float, *, without: str = "") -> None:
        """Claim the tasks of a part elsewhere, as its pool is gone.

        Args:
            part: The part.
            reason: Why it is gone.
            timeout_s: How long to look for another pool, if the caller is kept from talking.
            without: A pool that is not to be asked again, whatever it still offers.
        """
        if part in self._parts and not self._going_on.finished:
            self._parts.remove(part)
            self._going_on.replace(self._replace(part, reason, timeout_s, without))

    async def _replace(self, part: Part, reason: str, timeout_s: float, without: str) -> None:
        tasks = part.offer.tasks
        logger.warning(f"The pool with {', '.join(tasks)} is lost: {reason}")
        try:
            if not await self._going_on.break_off(tasks):
                raise NobodyServesError(f"the pools of {self._assistant!r} keep breaking down")
            holder = self._going_on.floor.holder
            # Meanwhile it goes on with whoever has the floor elsewhere, or has not begun.
            patient = holder not in tasks
            limit_s = self._offer_timeout_s if patient else timeout_s
            offers = await self._choose(tasks, limit_s, without=without)
        except NobodyServesError as error:
            await self._give_up(f"the line was lost: {reason}; {error}")
            return
        holder = self._going_on.floor.holder
        if holder in tasks:
            self._awaited[holder] = self._going_on.first_words()
        await self._add(offers)

    async def _give_up(self, error: str) -> None:
        self.error = error
        self._decided.set()
        assert self._runner is not None
        await self._runner.cancel(reason="the assistant cannot be reached")


def _pool_of(part: Part) -> str:
    """Return the id of the pool that has a part; "" where none took the claim."""
    dialler = part.line.dialler
    return dialler.pool if isinstance(dialler, ChannelDialler) else ""


def _others(offer: Offer) -> list[str]:
    """Return the tasks of a pool that only their siblings address."""
    return [task for task in offer.tasks if task not in offer.exports]
