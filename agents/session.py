"""What a recipe is given: one session, and the services that its tasks may use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pipecat.services.llm_service import LLMService
    from pipecat.services.stt_service import STTService
    from pipecat.services.tts_service import TTSService


class Services(Protocol):
    """Makes services by role; which vendor serves a role is a matter of settings.

    Every call makes a new service for one pipeline. Clients under them are shared.
    """

    def llm(self, task: str, *, instruction: str) -> "LLMService[Any]":
        """Make a language model service.

        Args:
            task: The task that will use it; the embedded model plays this task's script.
            instruction: The system prompt.
        """

    def tts(self, *, voice: str | None = None, speaker: int = 0) -> "TTSService":
        """Make a voice.

        Args:
            voice: The voice's name with the configured vendor; None for one that is configured.
            speaker: Which of the configured voices, where an assistant speaks with several: 0 is
                the first, and others differ from it as far as there are voices.
        """

    def stt(self) -> "STTService":
        """Make a recogniser."""


@dataclass(frozen=True)
class SessionContext:
    """One caller's session, as a recipe sees it.

    Attributes:
        session_id: The session's id, for logs.
        principal: Who is calling, as the server authenticated them; "anonymous" without tokens.
        metadata: What the caller said of itself in the query of its address, by parameter; of one
            that is there twice, the last value. Not to be trusted, and never logged. A server takes
            at most 32 parameters, names of up to 64 and values of up to 1,024 characters.
        services: The services that tasks may use.
    """

    session_id: str
    principal: str
    services: Services
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
