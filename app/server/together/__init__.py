"""This process as one of several behind one port: what it tells the others, and does for them."""

from app.server.together.membership import Membership
from app.server.together.peers import Peers

__all__ = ["Membership", "Peers"]
