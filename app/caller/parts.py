"""The parts of a caller that speaks over a transport, whichever that is."""

from pipecat.transports.base_transport import BaseTransport

from app.caller.assistants import AssistantSide
from app.caller.main_task import Parts
from app.services import Roles


async def parts_of(
    transport: BaseTransport, side: AssistantSide, roles: Roles, phrases: tuple[str, ...]
) -> Parts:
    """Return the parts of a caller that speaks over a transport.

    Args:
        transport: The transport, for one client.
        side: Where the assistant is.
        roles: Makes the recogniser and the voice.
        phrases: What the recogniser should expect.
    """
    return Parts(
        input=transport.input(),
        stt=roles.stt(phrases),
        tts=None if await side.speaks() else roles.tts(),
        output=transport.output(),
    )
