"""Who somebody is, and what they may do: tokens, JWTs and tickets."""

from app.server.identity.identity import Identity
from app.server.identity.principals import ANONYMOUS, Principal

__all__ = ["ANONYMOUS", "Identity", "Principal"]
