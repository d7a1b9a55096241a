"""Language model services that share one HTTP client.

A client of its own for every session costs 18 ms and most of a megabyte, nearly all of it a new
TLS context, and gives up the connections that are open already.
"""

from typing import Any

from openai import AsyncOpenAI
from pipecat.services.openai.llm import OpenAILLMService

# A hosted model starts answering within a second or two. The bound is for the time in which
# nothing at all arrives, so that a dead backend does not leave the caller in silence.
REQUEST_TIMEOUT_S = 30.0


class SharedOpenAILLMService(OpenAILLMService):
    """Pipecat's OpenAI service on a client that it does not own."""

    def __init__(self, client: AsyncOpenAI, **options: Any) -> None:
        """Build the service on a shared client.

        Args:
            client: The client; whoever made it closes it.
            **options: Further arguments of `OpenAILLMService`.
        """
        self._shared_client = client
        super().__init__(**options)

    def create_client(self, *args: Any, **options: Any) -> Any:
        """Return the shared client instead of a new one.

        Args:
            *args: What Pipecat passes; not used.
            **options: What Pipecat passes; not used.
        """
        return self._shared_client


class LanguageModels:
    """Makes language model services for one server and one key."""

    def __init__(self, *, api_key: str, base_url: str | None, model: str | None) -> None:
        """Open the client; nothing is sent yet.

        Args:
            api_key: The key; a server that needs none is given any text.
            base_url: A server that speaks OpenAI's protocol, or None for OpenAI's own.
            model: The model to ask for, or None for Pipecat's default.
        """
        self._model = model
        self._client = AsyncOpenAI(
            api_key=api_key, base_url=base_url, timeout=REQUEST_TIMEOUT_S, max_retries=1
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
        return SharedOpenAILLMService(self._client, settings=settings)
