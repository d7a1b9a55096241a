"""What may cross a line, written down by hand, each exception with its reason.

The fields of every frame and message are read off Pipecat's own classes. This module holds what
cannot be read there: which classes never cross, which fields stay behind, and which frames a
caller may not send.
"""

from collections.abc import Callable
from typing import Any

from pipecat.frames import frames as f
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame

_BASE = "a base class; only its subclasses are sent"
_LIVE = "carries a live object of its own process"
_LIFECYCLE = "each side starts and ends its own pipeline; an end crosses as a message"
_OLD = "a deprecated alias; the present class crosses instead"

NEVER: dict[str, str] = {
    "Frame": _BASE,
    "SystemFrame": _BASE,
    "DataFrame": _BASE,
    "ControlFrame": _BASE,
    "WorkerFrame": _BASE,
    "WorkerSystemFrame": _BASE,
    "ServiceUpdateSettingsFrame": _BASE,
    "FilterControlFrame": _BASE,
    "MixerControlFrame": _BASE,
    "ServiceSwitcherFrame": _BASE,
    "StartFrame": _LIFECYCLE,
    "HeartbeatFrame": "measures the pipeline that made it",
    "FatalErrorFrame": _OLD,
    "TaskFrame": _OLD,
    "TaskSystemFrame": _OLD,
    "EndTaskFrame": _OLD,
    "StopTaskFrame": _OLD,
    "CancelTaskFrame": _OLD,
    "InterruptionTaskFrame": _OLD,
    "LLMMessagesTransformFrame": "carries a function",
    "FrameProcessorPauseFrame": _LIVE,
    "FrameProcessorResumeFrame": _LIVE,
    "FrameProcessorPauseUrgentFrame": _LIVE,
    "FrameProcessorResumeUrgentFrame": _LIVE,
    "ServiceSwitcherRequestMetadataFrame": _LIVE,
    "ManuallySwitchServiceFrame": _LIVE,
    # Messages.
    "BusMessage": _BASE,
    "BusDataMessage": _BASE,
    "BusSystemMessage": _BASE,
    "BusUIDataMessage": _BASE,
    "BusAddWorkerMessage": _LIVE,
    "BusWorkerLocalErrorMessage": "stays on its bus by Pipecat's own rule",
}

_LOCAL_ID = "counts objects of one process"

STAYS: dict[str, dict[str, str]] = {
    "Frame": {"id": _LOCAL_ID, "name": _LOCAL_ID},
    "BusMessage": {"id": _LOCAL_ID, "name": _LOCAL_ID},
    "AudioRawFrame": {"num_frames": "follows from the audio"},
    "ErrorFrame": {
        "fatal": "each side decides for itself what ends its pipeline",
        "processor": _LIVE,
        "exception": _LIVE,
    },
    "PipelineFlushFrame": {"event": "stays where the flush began and is set by its answer"},
    "FunctionCallFromLLM": {"context": "crosses on its own, in an LLMContextFrame"},
    "FunctionCallResultProperties": {"on_context_updated": "a function"},
    "UserImageRequestFrame": {"result_callback": "a function"},
    "LLMContextSummaryConfig": {"llm": _LIVE},
    "ServiceMetadataFrame": {"user_turn_strategies": _LIVE},
    "ServiceUpdateSettingsFrame": {"delta": _LIVE, "service": _LIVE},
    "BotBackchannelFrame": {"text_type": "has one value only"},
}

# Fields that follow from others, and how.
FOLLOWS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "num_frames": lambda held: len(held["audio"]) // (held["num_channels"] * 2),
}

# What a number may be where Pipecat's type says less. Sound that claims another rate is resampled
# by the receiver, at the price of the ratio; a channel count of 0 is a division by zero.
RANGES: dict[str, tuple[int, int]] = {
    "num_channels": (1, 8),
    "sample_rate": (8_000, 192_000),
}

# Parts of frames that Pipecat has replaced and builds only with a warning.
OLD_PARTS: frozenset[str] = frozenset({"SmartTurnMetricsData"})

# Frames that start or end a pipeline. They cross in neither direction: an assistant's end crosses
# as a message, a caller's by closing the line.
LIFECYCLE: frozenset[type[f.Frame]] = frozenset(
    {
        f.CancelFrame,
        f.CancelWorkerFrame,
        f.EndFrame,
        f.EndWorkerFrame,
        f.InterruptionWorkerFrame,
        f.StopFrame,
        f.StopWorkerFrame,
    }
)

# Frames that reach into the services of the other side. They cross in neither direction unless
# that side allows the type by name.
SETTINGS: frozenset[type[f.Frame]] = frozenset(
    {
        f.AudioBufferStartRecordingFrame,
        f.AudioBufferStopRecordingFrame,
        f.FilterEnableFrame,
        f.FilterUpdateSettingsFrame,
        f.LLMUpdateSettingsFrame,
        f.MixerEnableFrame,
        f.MixerUpdateSettingsFrame,
        f.STTMuteFrame,
        f.STTUpdateSettingsFrame,
        f.TTSUpdateSettingsFrame,
        f.UserIdleTimeoutUpdateFrame,
        f.VADParamsUpdateFrame,
    }
)

# Frames that replace what a conversation holds. The caller keeps the conversation, so an assistant
# may send them; a caller may not, unless the recipe allows the type by name. An error may not
# either: it would be written into the assistant's log in the caller's words.
CONVERSATION: frozenset[type[f.Frame]] = frozenset(
    {
        f.ErrorFrame,
        f.LLMConfigureOutputFrame,
        f.LLMContextSummaryRequestFrame,
        f.LLMContextSummaryResultFrame,
        f.LLMEnablePromptCachingFrame,
        f.LLMMessagesAppendFrame,
        f.LLMMessagesUpdateFrame,
        f.LLMSetToolChoiceFrame,
        f.LLMSetToolsFrame,
        f.LLMSummarizeContextFrame,
    }
)

# Frames that are for the caller's screen: what Pipecat's own observer tells every RTVI client.
SHOWN: frozenset[type[f.Frame]] = frozenset({RTVIServerMessageFrame})

# Frames that stay on the side where they began, because they are many or large and the other side
# has no use for them by default: the microphone, the camera, metrics, ticks while someone speaks;
# and what is for a screen, as most callers have none.
HOME: frozenset[type[f.Frame]] = frozenset(
    {
        *SHOWN,
        f.BotSpeakingFrame,
        f.InputAudioRawFrame,
        f.InputFileRawFrame,
        f.InputImageRawFrame,
        f.MetricsFrame,
        f.UserAudioRawFrame,
        f.UserFileRawFrame,
        f.UserImageRawFrame,
        f.UserSpeakingFrame,
    }
)

# Frames whose id other frames hold: a spoken word names the sentence that it belongs to.
IDENTIFIED: tuple[type[f.Frame], ...] = (f.AggregatedTextFrame,)

# Fields that hold such an id.
REFERENCES: frozenset[str] = frozenset({"broadcast_sibling_id", "segment_id"})
