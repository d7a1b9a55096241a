"""Pipecat's OpenAI service, as recipes get it, against a server that misbehaves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from loguru import logger
from openai import APITimeoutError
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from agents import Say, Turn, discover
from app.loopback import serve_on_loopback
from app.services import Roles
from app.services.language_models import APOLOGY
from app.settings import Settings
from tests.emulators import openai
from tests.emulators.openai import OpenAIEmulator
from tests.proxy.conversation import within


def script(turn: Turn) -> Say:
    return Say(f"You said {turn.user_texts[-1]}.")


class Answers(FrameProcessor):
    """Collects answers."""

    def __init__(self) -> None:
        super().__init__()
        self.said = ""
        self.over: asyncio.Queue[str] = asyncio.Queue()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            self.said += frame.text
        elif isinstance(frame, LLMFullResponseEndFrame):
            said, self.said = self.said, ""
            self.over.put_nowait(said)
        await self.push_frame(frame, direction)


class Assistant:
    """A pipeline of the service that recipes get."""

    def __init__(self, roles: Roles) -> None:
        self.answers = Answers()
        self.errors: list[ErrorFrame] = []
        service = roles.llm(script="acme/assistant", instruction="Be brief.")
        self.worker = PipelineWorker(Pipeline([service, self.answers]), idle_timeout_secs=None)
        self.worker.add_event_handler("on_pipeline_error", self._on_error)

    async def _on_error(self, _: PipelineWorker, frame: ErrorFrame) -> None:
        self.errors.append(frame)

    async def ask(self, text: str) -> str:
        messages: list[Any] = [{"role": "user", "content": text}]
        await self.worker.queue_frame(LLMContextFrame(LLMContext(messages=messages)))
        return str(await within(self.answers.over.get()))


@contextlib.asynccontextmanager
async def answering(settings: Settings) -> AsyncIterator[Assistant]:
    async with Roles.open(settings, discover()) as roles:
        assistant = Assistant(roles)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(assistant.worker)
        running = asyncio.create_task(runner.run())
        try:
            yield assistant
        finally:
            await assistant.worker.queue_frame(EndFrame())
            await within(running)


def settings_for(url: str, **further: Any) -> Settings:
    return Settings(
        openai_api_key=openai.KEY,  # type: ignore[arg-type]
        openai_base_url=f"{url}/v1",
        llm_timeout_s=1.0,
        **further,
    )


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        ("[hang]", APOLOGY),
        ("[429]", APOLOGY),
        ("[500]", APOLOGY),
        ("[401]", APOLOGY),
        ("[stall]", f"You said... {APOLOGY}"),
        ("[break]", f"You said... {APOLOGY}"),
    ],
)
async def test_a_model_that_does_not_answer_is_apologised_for_and_the_conversation_goes_on(
    ask: str, answer: str
) -> None:
    model = OpenAIEmulator(script)
    records: list[str] = []
    sink = logger.add(lambda record: records.append(str(record)), level="ERROR")
    async with serve_on_loopback(model.app) as url, answering(settings_for(url)) as assistant:
        assert await assistant.ask(ask) == answer
        assert await assistant.ask("thanks") == "You said thanks."
        assert len(assistant.errors) == 1
        model.release()
    logger.remove(sink)
    assert any("The language model of SharedOpenAILLMService" in record for record in records)


async def test_a_refusal_is_heard_in_the_models_words() -> None:
    model = OpenAIEmulator(script)
    async with serve_on_loopback(model.app) as url, answering(settings_for(url)) as assistant:
        assert await assistant.ask("[refuse]") == "I cannot help with that."
        assert await assistant.ask("thanks") == "You said thanks."


async def test_an_answer_without_anything_in_it_is_apologised_for() -> None:
    model = OpenAIEmulator(lambda turn: Say(""))
    async with serve_on_loopback(model.app) as url, answering(settings_for(url)) as assistant:
        assert await assistant.ask("hello") == APOLOGY


async def test_a_model_that_is_asked_outside_of_a_pipeline_has_a_deadline_too() -> None:
    model = OpenAIEmulator(script)
    messages: list[Any] = [{"role": "user", "content": "[hang]"}]
    async with (
        serve_on_loopback(model.app) as url,
        Roles.open(settings_for(url), discover()) as roles,
    ):
        service = roles.llm(script="acme/assistant", instruction="Be brief.")
        with pytest.raises((TimeoutError, APITimeoutError)):
            await service.run_inference(LLMContext(messages=messages))
        messages[0]["content"] = "hello"
        assert await service.run_inference(LLMContext(messages=messages)) == "You said hello."


async def test_a_model_that_is_not_there_is_apologised_for() -> None:
    async with answering(settings_for("http://127.0.0.1:9")) as assistant:
        assert await assistant.ask("hello") == APOLOGY


async def test_a_proxy_of_the_environment_does_not_see_what_stays_on_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with answering(Settings(llm="embedded")) as assistant:
        assert "$299" in await assistant.ask("How much are the rocket boots?")
    model = OpenAIEmulator(script)
    async with serve_on_loopback(model.app) as url, answering(settings_for(url)) as assistant:
        assert await assistant.ask("hello") == "You said hello."
