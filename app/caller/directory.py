"""What a server says of its assistants, for callers who have to know before they call."""

import asyncio
from urllib.parse import urlsplit

import httpx
import msgspec
from loguru import logger

from app.addresses import is_loopback, line_of, shown_url

# One small request. A server that is so slow will not hold a conversation either, and one that has
# no directory, such as Pipecat's own, says so at once.
ASK_TIMEOUT_S = 5.0

# A thousand assistants with all that their callers say.
MAX_BYTES = 1024 * 1024

_TELLS_NOTHING = (
    httpx.HTTPError,
    httpx.InvalidURL,
    msgspec.MsgspecError,
    OSError,
    TimeoutError,
    ValueError,
)

_SCHEMES = {"ws": "http", "wss": "https"}


class Entry(msgspec.Struct):
    """What matters to callers of what `/v1/assistants` says of one assistant.

    Attributes:
        name: Its name.
        speaks: Whether it sends sound, so that the caller needs no voice.
        default: Whether it is the one behind `/ws`.
    """

    name: str
    speaks: bool = False
    default: bool = False


async def look_up(url: str, token: str | None) -> Entry | None:
    """Ask a server about the assistant at an address.

    Args:
        url: The WebSocket address of the assistant.
        token: The bearer token, or None.

    Returns:
        None if the server has no directory, does not tell, or does not know the assistant.
    """
    line = line_of(url)
    if line is None:
        return None
    path, name = line
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    address = f"{_SCHEMES[parts.scheme]}://{host}{path}/v1/assistants"
    # What is not compressed is as long as it seems.
    headers = {"Accept-Encoding": "identity"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            entries = await _ask(address, headers)
    except _TELLS_NOTHING as error:
        # Dialling says what is wrong, if that fails too.
        logger.debug(f"{shown_url(address)} tells nothing ({type(error).__name__})")
        return None
    named = [entry for entry in entries if entry.name == name or (entry.default and not name)]
    return named[0] if named else None


async def _ask(address: str, headers: dict[str, str]) -> list[Entry]:
    async with (
        httpx.AsyncClient(trust_env=not is_loopback(address), timeout=None) as client,
        client.stream("GET", address, headers=headers) as answer,
    ):
        answer.raise_for_status()
        told = bytearray()
        async for piece in answer.aiter_raw():
            told += piece
            if len(told) > MAX_BYTES:
                raise ValueError("too long")
    return msgspec.json.decode(bytes(told), type=list[Entry])
