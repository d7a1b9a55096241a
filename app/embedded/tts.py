"""The embedded voice as a Pipecat service."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from pipecat.frames.frames import ErrorFrame, Frame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.transcriptions.language import Language

from app.embedded.voices import Voice, find_voice
from app.errors import ServiceError

# How much audio one frame carries. Smaller pieces would only cost more.
CHUNK_S = 0.1


class EmbeddedTTSService(TTSService):
    """Speaks English with the best voice that this machine has."""

    def __init__(self, *, voice: str | None = None, **kwargs: Any) -> None:
        """Prepare the voice.

        Args:
            voice: One of the synthesiser's voices; its first by default.
            **kwargs: Further arguments of `TTSService`.

        Raises:
            MissingExtraError: If no synthesiser is installed.
            ServiceError: If the synthesiser has no such voice.
        """
        self._synthesiser: Voice = find_voice()
        voice = voice or self._synthesiser.voices[0]
        if voice not in self._synthesiser.voices:
            known = ", ".join(self._synthesiser.voices)
            raise ServiceError(f"{self._synthesiser.name} has no voice {voice!r}, only {known}")
        self._voice_name = voice
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            settings=TTSSettings(
                model=self._synthesiser.name, voice=voice, language=Language.EN_US
            ),
            **kwargs,
        )

    def can_generate_metrics(self) -> bool:
        """Report times as the vendors' services do."""
        return True

    async def cleanup(self) -> None:
        """Release the synthesiser."""
        await super().cleanup()
        await self._synthesiser.close()

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Speak one sentence.

        Args:
            text: The sentence.
            context_id: The turn that it belongs to.

        Yields:
            Audio frames at the pipeline's sample rate, or one error.
        """
        await self.start_tts_usage_metrics(text)
        try:
            speech = await self._synthesiser.say(text, self._voice_name)
        except ServiceError as error:
            yield ErrorFrame(error=str(error))
            return
        finally:
            await self.stop_ttfb_metrics()
        step = int(speech.rate_hz * CHUNK_S) * 2
        async for frame in self._stream_audio_frames_from_iterator(
            _pieces(speech.audio, step), in_sample_rate=speech.rate_hz, context_id=context_id
        ):
            yield frame


async def _pieces(audio: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(audio), size):
        yield audio[start : start + size]
