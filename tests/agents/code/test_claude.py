"""Claude, by way of an emulated SDK: what it may use, and what becomes of its troubles."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from agents import RecipeError
from agents.code.claude import ClaudeDriver
from agents.code.driver import ModelError
from agents.code.model import NO_ANSWER
from agents.code.project import Project
from agents.code.tools import Toolbox
from tests.agents.code.conftest import ROOT
from tests.proxy.conversation import within


@dataclass
class Result:
    """What the SDK says at the end of an answer."""

    result: str | None
    is_error: bool = False


@dataclass
class EmulatedSdk:
    """Stands in for the package.

    Attributes:
        options: The options of every client.
        log: What was called, in order.
        tools: The tools that were offered, by name.
    """

    options: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    tools: dict[str, Any] = field(default_factory=dict)
    holding: asyncio.Event = field(default_factory=asyncio.Event)

    def module(self) -> ModuleType:
        """Build the package as far as it is used."""
        module = ModuleType("claude_agent_sdk")
        vars(module).update(
            ClaudeSDKClient=partial(Client, self),
            ClaudeAgentOptions=dict,
            ResultMessage=Result,
            create_sdk_mcp_server=lambda name, tools: {"name": name, "tools": tools},
            tool=self.tool,
        )
        return module

    def tool(self, name: str, description: str, schema: dict[str, Any]) -> Any:
        assert description
        assert schema["type"] == "object"
        return partial(self.tools.__setitem__, name)


class Client:
    """One conversation; what is asked decides what happens."""

    def __init__(self, sdk: EmulatedSdk, *, options: dict[str, Any]) -> None:
        self.sdk = sdk
        self.question = ""
        sdk.options.append(options)

    async def connect(self) -> None:
        self.sdk.log.append("connect")

    async def query(self, question: str) -> None:
        self.sdk.log.append(question)
        self.question = question

    async def receive_response(self) -> AsyncIterator[Any]:
        if "break" in self.question:
            raise ConnectionError("sk-ant-secret")
        if "hold" in self.question:
            self.sdk.holding.set()
            await asyncio.Event().wait()
        if "fail" in self.question:
            yield Result("rate limited", is_error=True)
            return
        used = await self.sdk.tools["read"]({"path": "LICENSE", "count": 1})
        yield "something else"
        yield Result(used["content"][0]["text"])

    async def disconnect(self) -> None:
        self.sdk.log.append("disconnect")


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> EmulatedSdk:
    emulated = EmulatedSdk()
    monkeypatch.setitem(sys.modules, "claude_agent_sdk", emulated.module())
    return emulated


def driver() -> ClaudeDriver:
    return ClaudeDriver("sk-ant-test", Toolbox(Project(ROOT)))


async def test_claude_has_our_tools_and_no_others(sdk: EmulatedSdk) -> None:
    assert "LICENSE, lines 1 to 1" in await driver().ask("What is the license?")
    (options,) = sdk.options
    ours = [f"mcp__project__{name}" for name in ("list", "glob", "grep", "read")]
    assert options["tools"] == []
    assert options["allowed_tools"] == ours
    assert options["permission_mode"] == "dontAsk"
    assert options["strict_mcp_config"] is True
    assert options["setting_sources"] == []
    assert list(sdk.tools) == ["list", "glob", "grep", "read"]
    outside = await sdk.tools["read"]({"path": "../../etc/passwd"})
    assert outside["content"][0]["text"].startswith("error: only paths inside")


async def test_follow_up_questions_are_one_conversation(sdk: EmulatedSdk) -> None:
    claude = driver()
    await claude.ask("one")
    await claude.ask("two")
    await claude.close()
    await claude.close()
    assert sdk.log == ["connect", "one", "two", "disconnect"]


@pytest.mark.parametrize("question", ["fail", "break"])
async def test_trouble_is_an_error_without_its_text_and_the_next_question_is_asked(
    sdk: EmulatedSdk, question: str
) -> None:
    claude = driver()
    with pytest.raises(ModelError, match=f"^{NO_ANSWER}$"):
        await claude.ask(question)
    assert "LICENSE" in await claude.ask("again")
    assert sdk.log == ["connect", question, "disconnect", "connect", "again"]


async def test_a_question_that_is_given_up_is_not_answered_to_the_next(sdk: EmulatedSdk) -> None:
    claude = driver()
    asking = asyncio.create_task(claude.ask("hold"))
    await within(sdk.holding.wait())
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(asking)
    assert sdk.log == ["connect", "hold", "disconnect"]


def test_a_key_without_the_sdk_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "claude_agent_sdk", None)
    with pytest.raises(RecipeError, match=r"pip install 'trunkline\[claude\]'"):
        driver()
