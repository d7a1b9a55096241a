"""The local transport bot: owns the microphone, leaves the assistant where it is.

`trunkline bot` hands it to Pipecat's runner. Which assistant it talks to comes from the command
line.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loguru import logger
from pipecat.evals.transport import EvalTransportParams
from pipecat.runner.types import RunnerArguments
from pipecat.runner.utils import create_transport
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.workers.runner import WorkerRunner

from app.caller.assistants import AssistantSide
from app.caller.main_task import build_main_task, run_conversation
from app.caller.parts import parts_of
from app.errors import MissingExtraError
from app.services import Roles
from app.telemetry.tracing import traced_call
from proxy import DirectBus


@dataclass(frozen=True)
class BotOptions:
    """What every conversation of this bot needs.

    Attributes:
        roles: Makes the recogniser and the voice.
        make_side: Makes the assistant's side of one conversation.
        phrases: What the recogniser should expect.
    """

    roles: Roles
    make_side: Callable[[], AssistantSide]
    phrases: tuple[str, ...] = ()


def _daily() -> TransportParams:
    try:
        from pipecat.transports.daily.transport import DailyParams
    except ImportError:
        raise MissingExtraError("Daily's package", "daily") from None
    return DailyParams(audio_in_enabled=True, audio_out_enabled=True)


def _websocket() -> TransportParams:
    from pipecat.serializers.protobuf import ProtobufFrameSerializer
    from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams

    return FastAPIWebsocketParams(
        audio_in_enabled=True, audio_out_enabled=True, serializer=ProtobufFrameSerializer()
    )


TRANSPORTS: dict[str, Callable[..., Any]] = {
    "daily": _daily,
    "eval": lambda: EvalTransportParams(audio_in_enabled=True, audio_out_enabled=True),
    "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
    "websocket": _websocket,
}


async def hold_conversation(
    transport: BaseTransport, arguments: RunnerArguments, options: BotOptions
) -> None:
    """Hold one conversation over a transport.

    Args:
        transport: The transport, for one client.
        arguments: What Pipecat's runner passed.
        options: What every conversation of this bot needs.
    """
    with traced_call():
        await _hold(transport, arguments, options)


async def _hold(transport: BaseTransport, arguments: RunnerArguments, options: BotOptions) -> None:
    runner = WorkerRunner(bus=DirectBus(), handle_sigint=arguments.handle_sigint)
    side = options.make_side()
    parts = await parts_of(transport, side, options.roles, options.phrases)
    main = build_main_task(
        runner.bus,
        parts,
        stays=side.stays,
        idle_timeout_s=arguments.pipeline_idle_timeout_secs,
    )
    await side.join(runner, main.worker)
    await runner.add_workers(main.worker)

    @transport.event_handler("on_client_connected")
    async def on_client_connected(_: BaseTransport, client: object) -> None:
        logger.info("A client is connected")
        await side.begin(main.worker)

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_: BaseTransport, client: object) -> None:
        logger.info("The client is gone")
        await runner.cancel(reason="the client is gone")

    await run_conversation(runner, main)
    if side.error is not None:
        logger.error(f"The conversation could not be held: {side.error}")


async def make_transport(arguments: RunnerArguments) -> BaseTransport:
    """Make the transport that Pipecat's runner asks for."""
    return await create_transport(arguments, TRANSPORTS)
