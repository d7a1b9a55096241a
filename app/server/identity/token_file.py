"""The file of principals: written by `trunkline token new`, read by the server when it changes."""

import json
import os
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

from loguru import logger
from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import SettingsError
from app.server.identity.tokens import TokenEntry, TokenTable

# Thousands of tokens. A larger file is another file.
MAX_FILE_BYTES = 4 * 1024 * 1024

# A token that was revoked is good for this much longer.
LOOK_EVERY_S = 1.0

_Stamp = tuple[int, int, int]


class _File(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    token: tuple[TokenEntry, ...] = ()


def read_tokens(path: Path) -> TokenTable:
    """Read a file of principals.

    Args:
        path: The file.

    Raises:
        SettingsError: If it cannot be read, or says something that is not understood; names the
            place, and repeats no value.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise SettingsError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    try:
        return TokenTable(_File.model_validate(tomllib.loads(data.decode())).token)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise SettingsError(f"{path}: {where}: {first['msg']}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        # Its text says what was expected, and where; not what was there.
        where = str(error).rpartition("(")[2].rstrip(")")
        raise SettingsError(f"{path}: not TOML: {where}") from None
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None


def as_toml(entry: TokenEntry) -> str:
    """Write an entry as it stands in the file."""
    lines = ["[[token]]", f'id = "{entry.id}"', f'name = "{entry.name}"']
    lines += [f'salt = "{entry.salt}"', f'hash = "{entry.hash}"']
    # JSON's strings and lists are TOML's, where the text is printable.
    lines.append(f"assistants = {json.dumps(entry.assistants)}")
    if entry.max_sessions is not None:
        lines.append(f"max_sessions = {entry.max_sessions}")
    if entry.expires is not None:
        lines.append(f"expires = {entry.expires.isoformat(timespec='seconds')}")
    if entry.admin:
        lines.append("admin = true")
    if entry.metrics:
        lines.append("metrics = true")
    return "\n".join(lines) + "\n"


def add_to_file(path: Path, entry: TokenEntry) -> None:
    """Append an entry to a file of principals; the file is made if there is none.

    Args:
        path: The file.
        entry: What to keep of a token.

    Raises:
        SettingsError: If the file is not one of these, or cannot be written.
    """
    if path.exists():
        read_tokens(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(f"\n{as_toml(entry)}")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None


class TokenFile:
    """The tokens of a file, as it is now.

    A file that cannot be read leaves the tokens as they were, so that a half-written one locks
    nobody out; the log says so.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file.

        Args:
            path: The file.
            clock: Tells the time in seconds.

        Raises:
            SettingsError: See `read_tokens`.
        """
        self._path = path
        self._clock = clock
        self._stamp = self._look()
        self._tokens = read_tokens(path)
        self._looked_at = clock()

    def tokens(self) -> TokenTable:
        """Return the tokens, after a look at the file if the last one was a while ago."""
        now = self._clock()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._read()
        return self._tokens

    def _read(self) -> None:
        try:
            self._tokens = read_tokens(self._path)
        except SettingsError as error:
            logger.error(f"The principals stay as they were: {error}")
        else:
            logger.info(f"The principals were read again: {len(self._tokens)} tokens")

    def _look(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
