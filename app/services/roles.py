"""Making services by role, for recipes and for the caller's main task."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from loguru import logger
from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService

from agents import Assistants, Recipe, Script
from app.embedded.chat_endpoint import ChatEndpoint
from app.loopback import serve_on_loopback
from app.services import vendors
from app.services.language_models import LanguageModels
from app.settings import Settings

# Sent as the key to servers that speak OpenAI's protocol and want none, such as Ollama.
NO_KEY = "none"


class Roles:
    """Who plays which role in this process.

    Use `Roles.open`, and make services while the block runs.
    """

    def __init__(self, settings: Settings, models: LanguageModels) -> None:
        """Remember who plays which role; see `Roles.open`."""
        self.settings = settings
        self._models = models

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, settings: Settings, assistants: Assistants) -> AsyncIterator["Roles"]:
        """Start what the roles need, and stop it afterwards.

        Args:
            settings: The settings.
            assistants: The assistants whose scripts the embedded model plays.

        Yields:
            The roles.
        """
        if settings.embedded_roles:
            logger.warning(
                f"Embedded, without a key and without the network: {_spoken(settings)}. "
                "Fit for trying things out, not for callers"
            )
        async with contextlib.AsyncExitStack() as stack:
            if settings.llm_vendor == "embedded":
                endpoint = ChatEndpoint(_scripts_of(assistants))
                url = await stack.enter_async_context(serve_on_loopback(endpoint.app))
                models = LanguageModels(api_key=endpoint.api_key, base_url=f"{url}/v1", model=None)
            else:
                key = settings.openai_api_key
                models = LanguageModels(
                    api_key=key.get_secret_value() if key else NO_KEY,
                    base_url=settings.openai_base_url,
                    model=settings.openai_model,
                )
            stack.push_async_callback(models.close)
            yield cls(settings, models)

    def for_assistant(self, recipe: Recipe) -> "ConfiguredServices":
        """Return the services of one assistant."""
        return ConfiguredServices(self, recipe)

    def llm(self, *, script: str, instruction: str) -> LLMService[Any]:
        """Make a language model service.

        Args:
            script: The model of the embedded endpoint: an assistant and a task.
            instruction: The system prompt.
        """
        embedded = self.settings.llm_vendor == "embedded"
        return self._models.make(instruction=instruction, model=script if embedded else None)

    def tts(self, *, voice: str | None = None) -> TTSService:
        """Make a voice.

        Args:
            voice: The voice's id or name; None for the configured one.
        """
        if self.settings.tts_vendor == "cartesia":
            return vendors.cartesia_tts(self.settings, voice)
        from app.embedded.tts import EmbeddedTTSService

        return EmbeddedTTSService(voice=voice or self.settings.voice)

    def stt(self, phrases: tuple[str, ...] = ()) -> STTService:
        """Make a recogniser.

        Args:
            phrases: What callers say, for a recogniser that can be taught.
        """
        if self.settings.stt_vendor == "deepgram":
            return vendors.deepgram_stt(self.settings)
        from app.embedded.sphinx_stt import SphinxSTTService

        return SphinxSTTService(phrases)


class ConfiguredServices:
    """The services of one assistant; implements `agents.Services`."""

    def __init__(self, roles: Roles, recipe: Recipe) -> None:
        """Bind the roles to an assistant."""
        self._roles = roles
        self._recipe = recipe

    def llm(self, task: str, *, instruction: str) -> LLMService[Any]:
        """Make a language model service; see `agents.Services.llm`."""
        return self._roles.llm(script=f"{self._recipe.name}/{task}", instruction=instruction)

    def tts(self, *, voice: str | None = None) -> TTSService:
        """Make a voice; see `agents.Services.tts`."""
        return self._roles.tts(voice=voice)

    def stt(self) -> STTService:
        """Make a recogniser; see `agents.Services.stt`."""
        return self._roles.stt(self._recipe.phrases)


def _scripts_of(assistants: Assistants) -> dict[str, Script]:
    return {
        f"{recipe.name}/{task}": script
        for recipe in assistants.values()
        for task, script in recipe.scripts.items()
    }


def _spoken(settings: Settings) -> str:
    names = {
        "stt": "the recogniser (PocketSphinx)",
        "llm": "the language model (scripts)",
        "tts": "the voice",
    }
    return ", ".join(names[role] for role in settings.embedded_roles)
