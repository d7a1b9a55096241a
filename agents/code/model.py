"""Any model that speaks OpenAI's protocol, with a loop of our own around its tool calls.

Bounded in rounds, bytes and time, which a loop through a pipeline is not.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from loguru import logger
from pipecat.processors.aggregators.llm_context import LLMContext

from agents.code.driver import ModelError
from agents.code.tools import Toolbox

NO_ANSWER = "the model cannot answer right now"
TOO_LONG = "the question took too many steps"
ENOUGH = "error: no more can be read for this question; answer with what you have"


@runtime_checkable
class Completes(Protocol):
    """A model service that can be asked without a pipeline, as Pipecat's OpenAI service can."""

    async def get_chat_completions(self, context: LLMContext) -> AsyncIterator[Any]:
        """Stream an answer in pieces of a chat completion."""


@dataclass(frozen=True)
class LoopLimits:
    """What one question may cost.

    Attributes:
        rounds: How often the model may ask for tools.
        calls: How many tools it may call in one round.
        read_bytes: What it may be told by tools, all rounds together.
        answer_bytes: The longest answer.
        memory_bytes: What is kept of the questions before.
    """

    rounds: int = 8
    calls: int = 8
    read_bytes: int = 96 * 1024
    answer_bytes: int = 16 * 1024
    memory_bytes: int = 128 * 1024


@dataclass
class Said:
    """What a model said in one round.

    Attributes:
        text: Its words.
        calls: Its calls by place: id, name and arguments as text.
    """

    text: str = ""
    calls: dict[int, dict[str, str]] = field(default_factory=dict)

    def add(self, delta: Any, limit: int) -> None:
        """Take in one piece.

        Raises:
            ModelError: If it is becoming too long.
        """
        # A refusal is an answer too.
        self.text += getattr(delta, "content", None) or getattr(delta, "refusal", None) or ""
        for part in getattr(delta, "tool_calls", None) or ():
            call = self.calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
            call["id"] = call["id"] or part.id or ""
            if part.function is not None:
                call["name"] += part.function.name or ""
                call["arguments"] += part.function.arguments or ""
        size = len(self.text) + sum(len(call["arguments"]) for call in self.calls.values())
        if size > limit:
            raise ModelError(NO_ANSWER)

    def message(self) -> dict[str, Any]:
        """Return it as a message of the conversation."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if self.calls:
            message["tool_calls"] = [
                {
                    "id": call["id"],
                    "type": "function",
                    "function": {"name": call["name"], "arguments": call["arguments"]},
                }
                for call in self.calls.values()
            ]
        return message


class ModelDriver:
    """Asks a model, uses the tools it calls, asks again."""

    def __init__(self, llm: Completes, tools: Toolbox, limits: LoopLimits | None = None) -> None:
        """Begin with nothing remembered.

        Args:
            llm: The model, with its prompt.
            tools: What it may use.
            limits: What one question may cost.
        """
        self._llm = llm
        self._tools = tools
        self._limits = limits or LoopLimits()
        self._turns: list[list[dict[str, Any]]] = []

    async def ask(self, question: str) -> str:
        """Answer a question; see `Driver.ask`.

        Raises:
            ModelError: If the model fails, or does not come to an end.
        """
        turn: list[dict[str, Any]] = [{"role": "user", "content": question}]
        try:
            answer = await self._answer(turn)
        except ModelError:
            raise
        except Exception as error:
            # What a vendor says may hold anything, a key too.
            logger.warning(f"The model of the code assistant failed ({type(error).__name__})")
            raise ModelError(NO_ANSWER) from None
        self._remember(turn)
        return answer

    async def close(self) -> None:
        """Forget everything."""
        self._turns.clear()

    async def _answer(self, turn: list[dict[str, Any]]) -> str:
        left = self._limits.read_bytes
        for _ in range(self._limits.rounds):
            said = await self._complete(turn)
            turn.append(said.message())
            if not said.calls:
                if not said.text.strip():
                    raise ModelError(NO_ANSWER)
                return said.text
            results = await self._use(said)
            for call, result in zip(said.calls.values(), results, strict=True):
                told = result if len(result.encode()) <= left else ENOUGH
                left -= len(told.encode())
                turn.append({"role": "tool", "tool_call_id": call["id"], "content": told})
        raise ModelError(TOO_LONG)

    async def _complete(self, turn: list[dict[str, Any]]) -> Said:
        messages: list[Any] = [message for kept in (*self._turns, turn) for message in kept]
        context = LLMContext(messages, tools=self._tools.schema)
        said = Said()
        finished = False
        stream = await self._llm.get_chat_completions(context)
        try:
            async for piece in stream:
                for choice in (piece.choices or ())[:1]:
                    if choice.delta is not None:
                        said.add(choice.delta, self._limits.answer_bytes)
                    finished = finished or choice.finish_reason is not None
        finally:
            close = getattr(stream, "aclose", None) or stream.close  # type: ignore[attr-defined]
            await close()
        if not finished:
            raise ModelError(NO_ANSWER)  # broken off; half an answer may say the opposite
        return said

    async def _use(self, said: Said) -> list[str]:
        """Use the tools of one round, all at once."""
        calls = list(said.calls.values())
        allowed = calls[: self._limits.calls]
        results = await asyncio.gather(
            *(self._tools.call(call["name"], _arguments(call)) for call in allowed)
        )
        return [*results, *(ENOUGH for _ in calls[len(allowed) :])]

    def _remember(self, turn: list[dict[str, Any]]) -> None:
        """Keep a question with everything that was read for it, and drop the oldest."""
        self._turns.append(turn)
        sizes = [len(json.dumps(kept)) for kept in self._turns]
        while len(self._turns) > 1 and sum(sizes) > self._limits.memory_bytes:
            del self._turns[0], sizes[0]


def _arguments(call: dict[str, str]) -> object:
    try:
        return json.loads(call["arguments"] or "{}")
    except ValueError:
        return None
