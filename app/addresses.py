"""Addresses that people type: checked before they are used, and shown without what is secret."""

import ipaddress
from collections.abc import Collection
from urllib.parse import quote, unquote, urlsplit

# Where a program may listen without a token.
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


def problem_of(url: str, schemes: Collection[str]) -> str | None:
    """Say what is wrong with a URL, without repeating it: it may hold a password.

    Args:
        url: The URL.
        schemes: What it may start with.

    Returns:
        The rest of a sentence that begins with what the URL is for, or None if nothing is wrong.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "is not a URL"
    if parts.scheme not in schemes:
        return f"starts with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    if any(character.isspace() or not character.isprintable() for character in url):
        return "has no spaces in it"
    if not parts.hostname:
        return f"names a host, as in {next(iter(schemes))}://localhost:8765"
    try:
        good = parts.port is None or parts.port > 0
    except ValueError:
        good = False
    return None if good else "has a port from 1 to 65535"


def shown_url(url: str) -> str:
    """Return a URL without user, password, query and fragment; fit for a terminal and a log."""
    from proxy.dial import public_url

    try:
        return public_url(url)
    except ValueError:
        return "(not a URL)"


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine, where no proxy of the environment has a say."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host in LOOPBACK_HOSTS or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def line_of(url: str) -> tuple[str, str] | None:
    """Take a URL of a line apart, as our servers lay them out.

    Args:
        url: For example `wss://host/voice/ws/acme`.

    Returns:
        The path in front of `/ws`, and the assistant's name or ""; None if the path is another.
    """
    steps = [unquote(step) for step in urlsplit(url).path.split("/") if step]
    if steps[-2:-1] == ["ws"]:
        before, name = steps[:-2], steps[-1]
    elif steps[-1:] == ["ws"]:
        before, name = steps[:-1], ""
    else:
        return None
    return "".join(f"/{quote(step)}" for step in before), name
