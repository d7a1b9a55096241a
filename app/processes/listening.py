"""The port of a server."""

import socket

from app.errors import AppError
from app.settings import Settings


def listen(settings: Settings) -> socket.socket:
    """Take the port that the settings name; nobody listens on it yet.

    Args:
        settings: The settings.

    Raises:
        AppError: If it cannot be had.
    """
    host = settings.listen_host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named. With it, a message that
    # follows another waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, settings.port))
    except OSError as error:
        listener.close()
        raise AppError(f"cannot listen on {host}:{settings.port}: {error.strerror}") from None
    return listener


def address_of(listener: socket.socket, settings: Settings) -> str:
    """Return the address of a port that was taken, for example `ws://127.0.0.1:8765`.

    Args:
        listener: The port.
        settings: The settings.
    """
    port = listener.getsockname()[1]
    host = settings.listen_host
    shown = f"[{host}]" if ":" in host else host
    return f"ws://{shown}:{port}"


def near_address(settings: Settings, listener: socket.socket | None) -> str:
    """Return the address at which programs of this machine reach a server.

    Args:
        settings: The settings.
        listener: The port that was taken; None where another process has it, which the settings
            name.
    """
    port = settings.port if listener is None else listener.getsockname()[1]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.listen_host, settings.listen_host)
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"
