"""Which task to activate at the other end of a line: what the server says of its assistants.

Our servers list them at `/v1/assistants`, next to `/ws`. Of other servers nothing is known, and the
name in Pipecat's examples is the best guess. This is the one place that knows; a line that brings
the names along can take its place.
"""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
import msgspec
from loguru import logger

from app.addresses import is_loopback, line_of

# What Pipecat's examples call the task at the other end.
USUAL_TASK = "assistant"

# One small answer. A server that has none in this time may still take calls.
ASK_TIMEOUT_S = 5.0

# A server with a thousand assistants answers with a few hundred kilobytes.
MAX_ANSWER_BYTES = 1024 * 1024
_MAX_NAME = 200


class _Entry(msgspec.Struct):
    """What is read of one assistant; the rest of an entry is not looked at."""

    name: str
    tasks: list[str]


async def task_to_activate(url: str, headers: Mapping[str, str]) -> str:
    """Ask a server which task of an assistant a caller activates.

    Args:
        url: The WebSocket URL that will be dialled.
        headers: The headers of its handshake.

    Returns:
        The first exported task of the assistant that the URL names; `USUAL_TASK` if the server does
        not say.
    """
    line = line_of(url)
    if line is None:
        return USUAL_TASK
    before, name = line
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            entries = await _entries(_address(url, before), headers)
    except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError, OSError, ValueError) as error:
        logger.debug(f"The server does not list its assistants ({type(error).__name__})")
        return USUAL_TASK
    # Without a name it is the server's default; it is known where there is only one.
    meant = [entry for entry in entries if entry.name == name or (not name and len(entries) == 1)]
    tasks = meant[0].tasks if meant else []
    return tasks[0] if tasks and 0 < len(tasks[0]) <= _MAX_NAME else USUAL_TASK


def _address(url: str, before: str) -> str:
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "wss" else "http"
    # The query stays behind: a ticket in it is good for one use, and that is the line.
    path = f"{before}/v1/assistants"
    return parts._replace(scheme=scheme, path=path, query="", fragment="").geturl()


async def _entries(address: str, headers: Mapping[str, str]) -> list[_Entry]:
    # A redirect is not followed, as the token would be sent along.
    client = httpx.AsyncClient(
        trust_env=not is_loopback(address), timeout=ASK_TIMEOUT_S, follow_redirects=False
    )
    async with client, client.stream("GET", address, headers=dict(headers)) as response:
        if response.status_code != httpx.codes.OK:
            return []
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise ValueError("the answer is too long")
    return msgspec.json.decode(body, type=list[_Entry])
