"""The two tasks together: questions as jobs, one after the other, cancelled with their caller."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pipecat.frames.frames import InterruptionFrame, LLMMessagesAppendFrame
from pipecat.pipeline.job_context import JobError, JobParams
from pipecat.pipeline.worker import PipelineWorker
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.workers.runner import WorkerRunner

from agents import Call, RecipeError, Reply, Say, SessionContext, Turn, discover
from agents.code import APOLOGY, CodeAssistant
from agents.code.driver import ModelError
from agents.code.model import NO_ANSWER, ModelDriver
from agents.code.voice_script import SORRY
from agents.code.worker import ASK, NAME, NO_QUESTION, CodeWorker
from agents.script import text_of
from app.caller.main_task import Parts, build_main_task
from app.loopback import serve_on_loopback
from app.services import Roles
from app.services.language_models import APOLOGY as SPOKEN_APOLOGY
from app.settings import Settings
from proxy import DirectBus
from proxy.codec.rules import HOME
from tests.agents.no_services import NoServices
from tests.agents.placements import ACROSS, IN_PROCESS, TO_ASSISTANT, Asker, known, placed
from tests.emulators import openai
from tests.emulators.openai import OpenAIEmulator
from tests.proxy.conversation import Collector, SmallServer, calling, within


class Slow:
    """A driver that answers when a test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[str] = asyncio.Queue()
        self.given_up: asyncio.Queue[str] = asyncio.Queue()
        self.answers: asyncio.Queue[str] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def ask(self, question: str) -> str:
        self.asked.put_nowait(question)
        try:
            answer = await self.answers.get()
        except asyncio.CancelledError:
            self.given_up.put_nowait(question)
            raise
        if answer == "fail":
            raise ModelError(NO_ANSWER)
        return answer

    async def close(self) -> None:
        self.closed.set()


async def ask(asker: Asker, question: object) -> Any:
    async with asker.job(NAME, params=JobParams(name=ASK, payload={"question": question})) as asked:
        pass
    return asked.response["answer"]


async def test_questions_are_answered_one_after_the_other_and_never_mixed_up() -> None:
    driver = Slow()
    async with placed(IN_PROCESS, Asker(), CodeWorker(driver)) as place:
        asked = [asyncio.create_task(ask(place.asker, f"q{number}")) for number in range(3)]
        for number in range(3):
            assert await within(driver.asked.get()) == f"q{number}"
            assert driver.asked.empty()
            driver.answers.put_nowait(f"a{number}")
        assert await within(asyncio.gather(*asked)) == ["a0", "a1", "a2"]
    await within(driver.closed.wait())


@pytest.mark.parametrize("question", ["", "   ", None, 7, ["x"]])
async def test_no_question_is_a_failure(question: object) -> None:
    driver = Slow()
    async with placed(IN_PROCESS, Asker(), CodeWorker(driver)) as place:
        with pytest.raises(JobError):
            await within(ask(place.asker, question))
        assert await place.asker.told.get() == ("failed", {"error": NO_QUESTION})
        assert driver.asked.empty()


@pytest.mark.parametrize("placement", ACROSS)
async def test_nobody_outside_of_the_session_reaches_the_reader(placement: str) -> None:
    driver = Slow()
    outside, voice = Asker(), Asker("voice")
    async with placed(placement, outside, voice, hidden=[CodeWorker(driver)]) as place:
        with pytest.raises(JobError):
            await within(ask(place.asker, "What is here?"))
        assert driver.asked.empty()


@dataclass
class Conversation:
    """Somebody who talks to the assistant, wherever it is."""

    main: PipelineWorker
    words: list[str]
    answered: asyncio.Event
    voice: CodeAssistant

    async def say(self, text: str) -> str:
        """Say something, and hear the answer to its end."""
        await self.tell(text)
        return await self.heard()

    async def tell(self, text: str) -> None:
        """Say something, and do not wait."""
        self.words.clear()
        self.answered.clear()
        said: Any = [{"role": "user", "content": text}]
        await self.main.queue_frame(LLMMessagesAppendFrame(messages=said, run_llm=True))

    async def heard(self) -> str:
        """Wait until an answer with words in it is over."""
        async with asyncio.timeout(20):
            while True:
                await self.answered.wait()
                self.answered.clear()
                if self.words:
                    return " ".join(self.words)


@contextlib.asynccontextmanager
async def talking(
    placement: str, settings: Settings, worker: CodeWorker
) -> AsyncIterator[Conversation]:
    """Talk to the voice in front of a reader."""
    async with Roles.open(settings, discover()) as roles:
        llm = roles.for_assistant(discover()["code"]).llm("assistant", instruction="Be brief.")
        voice = CodeAssistant(llm)
        if placement == IN_PROCESS:
            runner = WorkerRunner(bus=DirectBus(), handle_sigint=False)
            collector = Collector()
            main = build_main_task(
                runner.bus, Parts(watchers=(collector,)), stays=HOME.__contains__
            ).worker
            await runner.add_workers(voice, worker, main)
            task = asyncio.create_task(runner.run(auto_end=False))
            await known(runner, ["assistant", NAME, main.name])
            await main.activate_worker("assistant")
            talk = Conversation(main, collector.words, collector.answered, voice)
            try:
                assert "Hello" in await talk.heard()
                yield talk
            finally:
                await runner.cancel()
                await within(task)
            return
        async with (
            SmallServer(lambda: [voice, worker]).serve() as server,
            calling(server.url) as caller,
        ):
            talk = Conversation(caller.main, caller.words, caller.answered, voice)
            assert "Hello" in await talk.heard()
            yield talk


@pytest.fixture(params=[IN_PROCESS, TO_ASSISTANT])
def placement(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_question_goes_to_the_reader_and_its_answer_is_said(placement: str) -> None:
    driver = Slow()
    async with talking(placement, Settings(), CodeWorker(driver)) as talk:
        await talk.tell("what does the main module do")
        assert await within(driver.asked.get()) == "what does the main module do"
        driver.answers.put_nowait("It runs the program.")
        assert await talk.heard() == "It runs the program."


async def test_an_interruption_of_the_caller_cancels_the_question(placement: str) -> None:
    driver = Slow()
    async with talking(placement, Settings(), CodeWorker(driver)) as talk:
        await talk.tell("find all todo comments")
        await within(driver.asked.get())
        await talk.main.queue_frame(InterruptionFrame())
        assert await within(driver.given_up.get()) == "find all todo comments"
        await talk.tell("what dependencies are there")
        assert await within(driver.asked.get()) == "what dependencies are there"
        driver.answers.put_nowait("None at all.")
        assert await talk.heard() == "None at all."
        assert talk.voice.job_groups == {}


async def test_a_reader_that_cannot_answer_is_apologised_for(placement: str) -> None:
    driver = Slow()
    async with talking(placement, Settings(), CodeWorker(driver)) as talk:
        await talk.tell("what does the main module do")
        driver.answers.put_nowait("fail")
        assert await talk.heard() == SORRY
        await talk.tell("what does the main module do")
        driver.answers.put_nowait("It runs.")
        assert await talk.heard() == "It runs."


def as_the_voice(turn: Turn) -> Reply:
    """Do as a model of the cloud does: pass everything on, twice where it is told to."""
    if turn.last_role in ("developer", "system"):
        return Say("Hello there.")
    if turn.last_role == "tool":
        results = [text_of(m) for m in turn.messages if m.get("role") == "tool"]
        return Say("Sorry." if APOLOGY in results[-1] else " ".join(results))
    text = turn.user_texts[-1]
    calls = [Call("ask_code", {"question": part}) for part in text.split(" and ")]
    return tuple(calls)


@contextlib.asynccontextmanager
async def in_the_cloud(placement: str, driver: Slow) -> AsyncIterator[Conversation]:
    vendor = OpenAIEmulator(as_the_voice)
    async with serve_on_loopback(vendor.app) as url:
        settings = Settings(
            openai_api_key=openai.KEY,  # type: ignore[arg-type]
            openai_base_url=f"{url}/v1",
            openai_model="gpt-emulated",
            llm_timeout_s=5.0,
        )
        try:
            async with talking(placement, settings, CodeWorker(driver)) as talk:
                yield talk
        finally:
            vendor.release()


async def test_two_questions_that_a_model_asks_at_once_are_both_answered(placement: str) -> None:
    driver = Slow()
    async with in_the_cloud(placement, driver) as talk:
        await talk.tell("one and two")
        for _ in range(2):
            question = await within(driver.asked.get())
            driver.answers.put_nowait(f"It is {question}.")
        answer = await talk.heard()
        assert "It is one." in answer
        assert "It is two." in answer


@pytest.mark.parametrize("trouble", ["[429]", "[500]", "[break]"])
async def test_a_voice_in_trouble_apologises_and_the_session_goes_on(
    placement: str, trouble: str
) -> None:
    driver = Slow()
    async with in_the_cloud(placement, driver) as talk:
        if trouble == "[break]":
            # It calls the tool, and breaks off while it says what came back.
            driver.answers.put_nowait("one two three four five")
        assert SPOKEN_APOLOGY in await talk.say(f"so {trouble}")
        driver.answers.put_nowait("All is well.")
        assert "All is well." in await talk.say("and now")


async def test_a_refusal_of_the_voice_ends_its_turn_and_not_the_session(placement: str) -> None:
    driver = Slow()
    async with in_the_cloud(placement, driver) as talk:
        await talk.tell("please [refuse]")
        await within(talk.answered.wait())
        driver.answers.put_nowait("All is well.")
        assert "All is well." in await talk.say("then this")


def session(services: Any) -> SessionContext:
    return SessionContext(session_id="1", principal="test", services=services)


def test_the_recipe_reads_where_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PROJECT_PATH", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    class Models(NoServices):
        def llm(self, task: str, *, instruction: str) -> Any:
            return OpenAILLMService(api_key="none")

    def read() -> str:
        _, worker = discover()["code"].tasks(session(Models()))
        assert isinstance(worker, CodeWorker)
        assert isinstance(worker._driver, ModelDriver)
        return str(worker._driver._tools.project.root)

    assert read() == str(tmp_path)
    (tmp_path / "project").mkdir()
    (tmp_path / ".env").write_text("PROJECT_PATH=project\n")
    assert read() == str(tmp_path / "project")
    monkeypatch.setenv("PROJECT_PATH", str(tmp_path / "none"))
    with pytest.raises(RecipeError, match="PROJECT_PATH: the project's path is not a directory"):
        read()


def test_only_the_voice_is_exported() -> None:
    assert discover()["code"].exports == ("assistant",)
