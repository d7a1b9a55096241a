"""Overhearing the sound that an assistant sends to its caller."""

from dataclasses import dataclass, field

from pipecat.frames.frames import Frame, TTSAudioRawFrame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

from app.caller.assistants import AssistantSide


@dataclass
class Overheard:
    """An assistant's side whose sound is kept.

    Attributes:
        side: The assistant's side.
        error: See `AssistantSide`; what the side says is not passed on.
        sounds: Everything that was said, as 16-bit mono PCM, in the order of its turns.
    """

    side: AssistantSide
    error: str | None = None
    sounds: dict[str | None, bytearray] = field(default_factory=dict)

    @property
    def sound(self) -> bytes:
        return b"".join(self.sounds.values())

    def stays(self, frame: type[Frame]) -> bool:
        return self.side.stays(frame)

    async def speaks(self) -> bool:
        return await self.side.speaks()

    async def join(self, runner: WorkerRunner, main: PipelineWorker) -> None:
        main.set_reached_downstream_filter((TTSAudioRawFrame,))
        main.add_event_handler("on_frame_reached_downstream", self._keep)
        await self.side.join(runner, main)

    async def begin(self, main: PipelineWorker) -> None:
        await self.side.begin(main)

    def _keep(self, _: PipelineWorker, frame: TTSAudioRawFrame) -> None:
        self.sounds.setdefault(frame.context_id, bytearray()).extend(frame.audio)
