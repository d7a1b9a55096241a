"""Making services by role, for recipes and for the caller's main task."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from loguru import logger
from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService

from agents import Assistants, Recipe, Script
from app.embedded.chat_endpoint import ChatEndpoint
from app.errors import MissingExtraError
from app.loopback import LoopbackServer
from app.services import vendors
from app.services.voices import voice_of
from app.settings import Settings

if TYPE_CHECKING:
    from app.services.language_models import LanguageModels

# Sent as the key to servers that speak OpenAI's protocol and want none, such as Ollama.
NO_KEY = "none"


class Roles:
    """Who plays which role in this process.

    Use `Roles.open`, and make services while the block runs. What a role needs is started when the
    role is first played: a caller's end needs no language model, a server no voice.
    """

    def __init__(
        self, settings: Settings, assistants: Assistants, stack: contextlib.AsyncExitStack
    ) -> None:
        """Remember who plays which role; see `Roles.open`."""
        self.settings = settings
        self._assistants = assistants
        self._stack = stack
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._models: LanguageModels | None = None
        self._announced: set[str] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, settings: Settings, assistants: Assistants) -> AsyncIterator["Roles"]:
        """Make services while the block runs, and stop afterwards what they needed.

        Args:
            settings: The settings.
            assistants: The assistants whose scripts the embedded model plays.

        Yields:
            The roles.
        """
        async with contextlib.AsyncExitStack() as stack:
            yield cls(settings, assistants, stack)

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
        models = self._language_models()
        return models.make(instruction=instruction, model=script if embedded else None)

    def tts(self, *, voice: str | None = None, speaker: int = 0) -> TTSService:
        """Make a voice.

        Args:
            voice: The voice's id or name; None for one that is configured.
            speaker: Which of those.
        """
        if self.settings.tts_vendor == "cartesia":
            chosen = voice or voice_of(self.settings, speaker, vendors.CARTESIA_VOICES)
            return vendors.cartesia_tts(self.settings, chosen)
        from app.embedded.tts import EmbeddedTTSService
        from app.embedded.voices import find_voice

        voice = voice or voice_of(self.settings, speaker, find_voice().voices)
        service = EmbeddedTTSService(voice=voice)
        self._announce("the voice")
        return service

    def stt(self, phrases: tuple[str, ...] = ()) -> STTService:
        """Make a recogniser.

        Args:
            phrases: What callers say, for a recogniser that can be taught.
        """
        if self.settings.stt_vendor == "deepgram":
            return vendors.deepgram_stt(self.settings)
        from app.embedded.sphinx_stt import SphinxSTTService

        service = SphinxSTTService(phrases)
        self._announce("the recogniser (PocketSphinx)")
        return service

    def _language_models(self) -> "LanguageModels":
        """Return what makes language models, started with the first one; from any thread."""
        with self._lock:
            if self._models is None:
                self._models = self._start_models()
            return self._models

    def _start_models(self) -> "LanguageModels":
        try:
            from app.services.language_models import LanguageModels
        except ImportError:
            extra = "embedded" if self.settings.llm_vendor == "embedded" else "openai"
            raise MissingExtraError("OpenAI's package", extra) from None
        timeout_s = self.settings.llm_timeout_s
        if self.settings.llm_vendor == "embedded":
            self._announce("the language model (scripts)")
            endpoint = ChatEndpoint(_scripts_of(self._assistants))
            server = LoopbackServer(endpoint.app)
            self._stack.push_async_callback(server.stop)
            self._loop.call_soon_threadsafe(server.start)
            models = LanguageModels(
                api_key=endpoint.api_key,
                base_url=f"{server.url}/v1",
                model=None,
                timeout_s=timeout_s,
            )
        else:
            key = self.settings.openai_api_key
            models = LanguageModels(
                api_key=key.get_secret_value() if key else NO_KEY,
                base_url=self.settings.openai_base_url,
                model=self.settings.openai_model,
                timeout_s=timeout_s,
            )
        self._stack.push_async_callback(models.close)
        return models

    def _announce(self, who: str) -> None:
        """Say once that a role is embedded."""
        if who not in self._announced:
            self._announced.add(who)
            logger.warning(
                f"Embedded, without a key and without the network: {who}. "
                "Fit for trying things out, not for callers"
            )


class ConfiguredServices:
    """The services of one assistant; implements `agents.Services`."""

    def __init__(self, roles: Roles, recipe: Recipe) -> None:
        """Bind the roles to an assistant."""
        self._roles = roles
        self._recipe = recipe

    def llm(self, task: str, *, instruction: str) -> LLMService[Any]:
        """Make a language model service; see `agents.Services.llm`."""
        return self._roles.llm(script=f"{self._recipe.name}/{task}", instruction=instruction)

    def tts(self, *, voice: str | None = None, speaker: int = 0) -> TTSService:
        """Make a voice; see `agents.Services.tts`."""
        return self._roles.tts(voice=voice, speaker=speaker)

    def stt(self) -> STTService:
        """Make a recogniser; see `agents.Services.stt`."""
        return self._roles.stt(self._recipe.phrases)


def _scripts_of(assistants: Assistants) -> dict[str, Script]:
    return {
        f"{recipe.name}/{task}": script
        for recipe in assistants.values()
        for task, script in recipe.scripts.items()
    }
