"""The session server: one session for every WebSocket that it accepts."""

from app.server.factory import create_app
from app.server.serving import running_server, serve

__all__ = ["create_app", "running_server", "serve"]
