"""Ports of this machine: whether one is free, before a program finds out with a longer message."""

import contextlib
import errno
import socket

from app.errors import AppError


def ensure_free(port: int, host: str, otherwise: str) -> None:
    """Refuse a port that somebody else listens on.

    Args:
        port: The port; 0 is always free.
        host: Where to listen.
        otherwise: What to do if it is taken.

    Raises:
        AppError: If it is taken, or no port.
    """
    if not 0 <= port <= 65535:
        raise AppError(f"there is no port {port}; ports are numbers up to 65535")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, OverflowError, UnicodeError):
        return
    for family, kind, protocol, _, address in found:
        with contextlib.ExitStack() as stack:
            try:
                probe = stack.enter_context(socket.socket(family, kind, protocol))
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise AppError(f"port {port} is in use; {otherwise}") from None
