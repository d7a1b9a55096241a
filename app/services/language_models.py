"""Language model services: on a shared HTTP client, with a deadline, and never without an answer.

A client of its own for every session costs 18 ms and most of a megabyte, nearly all of it a new
TLS context, and gives up the connections that are open already.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from loguru import logger
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.chat import ChatCompletionChunk
from pipecat.frames.frames import ErrorFrame, FunctionCallFromLLM
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.utils.errors import ErrorCategory

from app.addresses import is_loopback

# What the caller hears in place of an answer that does not come, or after one that breaks off.
APOLOGY = "I am sorry, I cannot answer right now. Please try again."

# A rejected or lost request is tried once more, inside the same deadline.
MAX_RETRIES = 1

# Between the beginning of an answer and the apology for its end.
_BREAKS_OFF = "... "


class SharedOpenAILLMService(OpenAILLMService):
    """Pipecat's OpenAI service on a client that it does not own, with a deadline and an apology.

    Where the model does not begin to answer in time, is refused or fails, or breaks off, the caller
    hears `APOLOGY`, an error frame says why, and the next turn is asked as if nothing had happened.
    An answer with nothing in it is apologised for, too; a refusal is heard in the model's words.
    """

    def __init__(self, client: AsyncOpenAI, *, timeout_s: float, **options: Any) -> None:
        """Build the service on a shared client.

        Args:
            client: The client; whoever made it closes it.
            timeout_s: How long the model may take to its first word or tool call, retries and all,
                and how long it may pause after that.
            **options: Further arguments of `OpenAILLMService`.
        """
        self._shared_client = client
        self._timeout_s = timeout_s
        self._has_spoken = False
        self._has_called = False
        super().__init__(**options)
        self.add_event_handler("on_error", _log_error)

    def create_client(self, *args: Any, **options: Any) -> Any:
        """Return the shared client instead of a new one.

        Args:
            *args: What Pipecat passes; not used.
            **options: What Pipecat passes; not used.
        """
        return self._shared_client

    async def get_chat_completions(self, context: LLMContext) -> Any:
        """Ask for an answer.

        Args:
            context: The conversation.

        Returns:
            The pieces of the answer; raises `TimeoutError` where one is late.

        Raises:
            TimeoutError: If the model does not begin to answer in time.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        async with asyncio.timeout_at(deadline):
            stream = await super().get_chat_completions(context)
        return self._in_time(stream, deadline)

    async def _in_time(self, stream: Any, deadline: float) -> AsyncIterator[ChatCompletionChunk]:
        """Pass an answer on, as long as its pieces come in time.

        Pieces without content, which say only that the connection is up, extend no deadline.
        """
        pieces = aiter(stream)
        try:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                _say_refusal(piece)
                if _has_content(piece):
                    deadline = asyncio.get_running_loop().time() + self._timeout_s
                yield piece
        finally:
            await pieces.aclose()
            await stream.close()

    async def run_inference(self, context: LLMContext, *args: Any, **options: Any) -> str | None:
        """Ask for an answer outside of the pipeline; see Pipecat's method of that name.

        Args:
            context: The conversation.
            *args: What Pipecat's method takes.
            **options: What Pipecat's method takes.

        Raises:
            TimeoutError: If the model does not answer in time.
        """
        async with asyncio.timeout(self._timeout_s):
            return await super().run_inference(context, *args, **options)

    async def run_function_calls(self, function_calls: Sequence[FunctionCallFromLLM]) -> None:
        """Call tools.

        Args:
            function_calls: What the model asked for and could be understood.
        """
        self._has_called = bool(function_calls)
        await super().run_function_calls(function_calls)

    async def _push_llm_text(self, text: str) -> None:
        self._has_spoken = True
        await super()._push_llm_text(text)

    async def _process_context(self, context: LLMContext) -> None:
        self._has_spoken = self._has_called = False
        try:
            await super()._process_context(context)
            if not (self._has_spoken or self._has_called):
                # A refusal without words, or a tool call that cannot be read.
                logger.warning(f"The language model of {self.name} gave an empty answer")
                await self._push_llm_text(APOLOGY)
        except Exception:
            # What went wrong is reported by whoever called; the caller is not left in silence.
            begun = _BREAKS_OFF if self._has_spoken else ""
            await self._push_llm_text(f"{begun}{APOLOGY}")
            raise


async def _log_error(service: Any, frame: ErrorFrame) -> None:
    if frame.category is ErrorCategory.APPLICATION:
        what = f"A tool of {service.name} failed"
    else:
        what = f"The language model of {service.name} failed ({_category(frame)})"
    logger.opt(exception=frame.exception).error(what)


def _category(frame: ErrorFrame) -> str:
    if isinstance(frame.exception, TimeoutError):
        return "no answer in time"
    return frame.category.value if frame.category is not None else "unknown"


def _say_refusal(piece: ChatCompletionChunk) -> None:
    """Let a refusal be heard: its words are the answer."""
    for choice in piece.choices or ():
        refusal = getattr(choice.delta, "refusal", None)
        if refusal and not choice.delta.content:
            choice.delta.content = refusal


def _has_content(piece: ChatCompletionChunk) -> bool:
    # Not every server that speaks the protocol fills in every field.
    deltas = [choice.delta for choice in piece.choices or ()]
    return any(
        getattr(delta, "content", None) or getattr(delta, "tool_calls", None) for delta in deltas
    )


class LanguageModels:
    """Makes language model services for one server and one key."""

    def __init__(
        self, *, api_key: str, base_url: str | None, model: str | None, timeout_s: float
    ) -> None:
        """Open the client; nothing is sent yet.

        Args:
            api_key: The key; a server that needs none is given any text.
            base_url: A server that speaks OpenAI's protocol, or None for OpenAI's own.
            model: The model to ask for, or None for Pipecat's default.
            timeout_s: How long an answer may take to begin, and how long it may pause.
        """
        self._model = model
        self._timeout_s = timeout_s
        # A proxy of the environment is for the way out; it must not see, or break, what stays on
        # this machine.
        outward = base_url is None or not is_loopback(base_url)
        self._client = AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            timeout=timeout_s,
            max_retries=MAX_RETRIES,
            http_client=DefaultAsyncHttpxClient(trust_env=outward, timeout=timeout_s),
        )

    async def close(self) -> None:
        """Close the client's connections."""
        await self._client.close()

    def make(self, *, instruction: str, model: str | None = None) -> OpenAILLMService:
        """Make a service for one pipeline.

        Args:
            instruction: The system prompt.
            model: Another model than the configured one.
        """
        settings = OpenAILLMService.Settings(system_instruction=instruction)
        chosen = model or self._model
        if chosen is not None:
            settings.model = chosen
        return SharedOpenAILLMService(self._client, timeout_s=self._timeout_s, settings=settings)
