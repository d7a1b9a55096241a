"""What runs on the servers that are measured: the same tasks for both peers."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from openai import AsyncOpenAI
from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import Frame, LLMContextFrame, LLMTextFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.openai.base_llm import OpenAILLMSettings
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import LLMWorker

from agents import Recipe, SessionContext
from app.bench.names import (
    ASSISTANT,
    GOODBYE,
    GREETER,
    HAND_OVER,
    HELLO,
    LAST_WORDS,
    SUPPORT,
    Scene,
)
from app.bench.stamps import PLACEHOLDER, stamp_in, stamped
from app.services.language_models import SharedOpenAILLMService

# Of a service that is never called.
DUMMY_KEY = "sk-none"
NOWHERE = "http://127.0.0.1:9/v1"

INSTRUCTION = "You are a friendly assistant. Keep responses brief, this is a voice conversation."

# What a language model streams while it answers: ten pieces of text a second, for a second.
WORDS_A_TURN = 10
WORD_INTERVAL_S = 0.1

# What is said to one who reads nothing: 20 MiB.
POURED_TEXT = "x" * 16 * 1024
POURED_TEXTS = 1280

DOWN = FrameDirection.DOWNSTREAM


class Echo(BaseWorker):
    """Sends every text back, without a pipeline; and very many for one that has no time in it."""

    async def on_bus_message(self, message: BusMessage) -> None:
        """Answer a text with a new frame of the same text."""
        await super().on_bus_message(message)
        if not isinstance(message, BusFrameMessage) or message.source == self.name:
            return
        if isinstance(message.frame, LLMTextFrame):
            if message.frame.text == PLACEHOLDER:
                self.create_task(self._pour(), "pour")
            else:
                await self._say(message.frame.text)

    async def _pour(self) -> None:
        for _ in range(POURED_TEXTS):
            await self._say(POURED_TEXT)

    async def _say(self, text: str) -> None:
        await self.send_bus_message(BusFrameMessage(LLMTextFrame(text), DOWN, source=self.name))


class Talker(OpenAILLMService):
    """The real service, which answers by the clock instead of over the network.

    A conversation whose last message holds the time of its sending is answered with words that
    hold the time at which each was due. Everything else goes where it goes in the real service.
    """

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a conversation; see `OpenAILLMService.process_frame`."""
        if not isinstance(frame, LLMContextFrame):
            await super().process_frame(frame, direction)
            return
        last: Any = frame.context.messages[-1]
        sent = stamp_in(str(last["content"]).encode())
        assert sent is not None
        self.create_task(self._talk(sent), "talk")

    async def _talk(self, due: float) -> None:
        for _ in range(WORDS_A_TURN):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self.push_frame(LLMTextFrame(stamped(due)))
            due += WORD_INTERVAL_S


class SharedTalker(Talker, SharedOpenAILLMService):
    """The same on a client that all sessions share."""


class Leaves:
    """How long it took the tasks of this process to leave their callers, by what was asked."""

    def __init__(self) -> None:
        """Start with none."""
        self._took_s: defaultdict[str, list[float]] = defaultdict(list)
        self._one_more = asyncio.Event()

    def add(self, asked: str, took_s: float) -> None:
        """Note one."""
        self._took_s[asked].append(took_s)
        self._one_more.set()

    async def take(self, asked: str, count: int) -> list[float]:
        """Wait until there are so many, and return them; they are counted anew afterwards."""
        while len(self._took_s[asked]) < count:
            self._one_more.clear()
            await self._one_more.wait()
        return self._took_s.pop(asked)


leaves = Leaves()


class DeskService(LLMService[Any]):
    """A language model that says a few words, then leaves as it was asked to.

    Attributes:
        asked_at: When the handover was asked for, in seconds of the monotonic clock.
    """

    def __init__(self) -> None:
        """Start with nothing asked for."""
        super().__init__()
        self.asked_at = 0.0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Speak, and leave behind the last word; pass everything else on."""
        await super().process_frame(frame, direction)
        asked = frame.text if isinstance(frame, LLMTextFrame) else ""
        if asked not in (HAND_OVER, GOODBYE):
            await self.push_frame(frame, direction)
            return
        for word in LAST_WORDS:
            await self.push_frame(LLMTextFrame(word))
        self.create_task(self._leave(asked), "leave")

    async def _leave(self, asked: str) -> None:
        self.asked_at = time.monotonic()
        if asked == HAND_OVER:
            await self.pipeline_worker.activate_worker(SUPPORT, deactivate_self=True)
            return
        await self.pipeline_worker.end(reason=GOODBYE)
        leaves.add(GOODBYE, time.monotonic() - self.asked_at)


class Greeter(LLMWorker):
    """The desk that is called; it says when it is there."""

    async def on_activated(self, args: dict[str, Any] | None) -> None:
        """Say hello; see `BaseWorker.on_activated`."""
        await super().on_activated(args)
        await self.queue_frame(LLMTextFrame(HELLO))


class Support(LLMWorker):
    """The desk that takes over, and notes how long that took."""

    def __init__(self, greeter: DeskService) -> None:
        """Build the task.

        Args:
            greeter: Who knows when the handover was asked for.
        """
        super().__init__(SUPPORT, llm=DeskService(), bridged=())
        self._greeter = greeter

    async def on_activated(self, args: dict[str, Any] | None) -> None:
        """Note the handover; see `BaseWorker.on_activated`."""
        await super().on_activated(args)
        leaves.add(HAND_OVER, time.monotonic() - self._greeter.asked_at)


def stock_tasks(scene: Scene) -> list[BaseWorker]:
    """Build the tasks of one session as Pipecat's examples do."""
    if scene is Scene.MODEL:
        return [_llm_worker(OpenAILLMService(api_key=DUMMY_KEY, settings=_settings()))]
    if scene is Scene.VOICE:
        return [_llm_worker(Talker(api_key=DUMMY_KEY, settings=_settings()))]
    return _plain_tasks(scene)


def recipe(scene: Scene) -> Recipe:
    """Return the same tasks as an assistant of ours."""
    client = AsyncOpenAI(api_key=DUMMY_KEY, base_url=NOWHERE)

    def build(session: SessionContext) -> Sequence[BaseWorker]:
        if scene is Scene.MODEL:
            return [_llm_worker(session.services.llm(ASSISTANT, instruction=INSTRUCTION))]
        if scene is Scene.VOICE:
            return [_llm_worker(SharedTalker(client, settings=_settings(), timeout_s=60.0))]
        return _plain_tasks(scene)

    return Recipe(name=scene.value, exports=exports(scene), build=build)


def exports(scene: Scene) -> tuple[str, ...]:
    """Return the names of the tasks that a caller may address."""
    return (GREETER, SUPPORT) if scene is Scene.DESKS else (ASSISTANT,)


def _plain_tasks(scene: Scene) -> list[BaseWorker]:
    if scene is Scene.ECHO:
        return [Echo(ASSISTANT)]
    service = DeskService()
    return [Greeter(GREETER, llm=service, bridged=()), Support(service)]


def _llm_worker(llm: Any) -> LLMWorker:
    return LLMWorker(ASSISTANT, llm=llm, bridged=())


def _settings() -> OpenAILLMSettings:
    return OpenAILLMSettings(system_instruction=INSTRUCTION)
