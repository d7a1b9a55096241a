"""What a browser is told of the page: that it may load, ask and run only what comes from here."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from app.settings import Settings


def headers_of(settings: Settings) -> Mapping[str, str]:
    """Return the headers of every answer that is a part of the page.

    Args:
        settings: Name another address for WebSockets, where a proxy has one.
    """
    # `'self'` has the WebSockets of the page's own host in it. Source: CSP Level 3 section 6.7.2.8.
    reached = "'self'"
    if settings.public_url is not None:
        parts = urlsplit(settings.public_url)
        reached += f" {parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "media-src": "'self' blob:",
        "connect-src": reached,
        "worker-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {what}" for name, what in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
