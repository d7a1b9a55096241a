"""Which voices the configured text-to-speech has."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.addresses import is_loopback
from app.errors import MissingExtraError, ServiceError
from app.settings import Settings

# A list of voices is one short answer; without a network there is none.
LIST_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class VoiceInfo:
    """One voice.

    Attributes:
        id: What the setting `voice` takes.
        name: What people call it.
        language: What it speaks.
        description: More about it; may be empty.
    """

    id: str
    name: str
    language: str
    description: str = ""


def voice_of(settings: Settings, speaker: int, known: Sequence[str]) -> str:
    """Return the voice of a speaker: the configured one, or one that nobody has yet.

    Args:
        settings: The settings.
        speaker: Which one, counted from 0.
        known: Voices of the vendor, the one to begin with first; at least one.
    """
    chosen = [settings.voice or known[0], *settings.other_voices]
    voices = [*chosen, *(voice for voice in known if voice not in chosen)]
    return voices[speaker % len(voices)]


async def list_voices(settings: Settings) -> list[VoiceInfo]:
    """List the voices of the configured text-to-speech.

    Raises:
        MissingExtraError: If its package is not installed.
        ServiceError: If the vendor cannot be asked.
    """
    if settings.tts_vendor == "cartesia":
        return await _cartesia_voices(settings)
    from app.embedded.voices import find_voice

    synthesiser = find_voice()
    try:
        return [
            VoiceInfo(name, name, "en", f"embedded, {synthesiser.name}")
            for name in synthesiser.voices
        ]
    finally:
        await synthesiser.close()


async def _cartesia_voices(settings: Settings) -> list[VoiceInfo]:
    try:
        from cartesia import (
            APIConnectionError,
            APIStatusError,
            AsyncCartesia,
            DefaultAsyncHttpxClient,
        )
    except ImportError:
        raise MissingExtraError("Cartesia's package", "cartesia") from None
    assert settings.cartesia_api_key is not None
    base_url = settings.cartesia_base_url
    outward = base_url is None or not is_loopback(base_url)
    client = AsyncCartesia(
        api_key=settings.cartesia_api_key.get_secret_value(),
        base_url=base_url,
        timeout=LIST_TIMEOUT_S,
        max_retries=1,
        http_client=DefaultAsyncHttpxClient(trust_env=outward, timeout=LIST_TIMEOUT_S),
    )
    try:
        return [
            VoiceInfo(voice.id, voice.name, str(voice.language), voice.description)
            async for voice in client.voices.list(limit=100)
        ]
    except APIStatusError as error:
        raise ServiceError(f"Cartesia answered {error.status_code} to a list of voices") from None
    except APIConnectionError:
        raise ServiceError("Cartesia cannot be reached for a list of voices") from None
    finally:
        await client.close()
