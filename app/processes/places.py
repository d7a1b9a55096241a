"""The places of processes: small numbers, used again, which name them and their sockets."""

from pathlib import Path

from app.errors import AppError

# The ids of sessions have room for so many; twice as many as there are processes at most, as each
# may be replaced by one that is started before it ends.
MAX_PLACES = 256

# A socket's path has so many bytes at most. Source: unix(7), and less on other systems.
_MAX_PATH_BYTES = 103


def socket_path(directory: Path, place: int) -> Path:
    """Say where a process answers the others.

    Args:
        directory: The directory of the server.
        place: The process.
    """
    return directory / f"{place}.sock"


def passing_path(directory: Path, place: int) -> Path:
    """Say where a process takes the callers that others hand on.

    Args:
        directory: The directory of the server.
        place: The process.
    """
    return directory / f"{place}.in"


def check(directory: Path) -> None:
    """Refuse a directory whose name is too long for the sockets in it.

    Args:
        directory: The directory of the server.

    Raises:
        AppError: If it is.
    """
    if len(bytes(socket_path(directory, MAX_PLACES - 1))) > _MAX_PATH_BYTES:
        raise AppError(f"{directory} is too long a name for sockets in it: set TMPDIR to a shorter")
