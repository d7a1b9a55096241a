"""What a server shows of itself: metrics, traces, and how late its event loop is.

Never what was said: a label is the name of an assistant, a state, a reason or a kind, of which
there are few; a span has times, names of code and counts.
"""

from app.telemetry.lag import LoopLag
from app.telemetry.metrics import Metrics, ServerView
from app.telemetry.record import SessionRecord

__all__ = ["LoopLag", "Metrics", "ServerView", "SessionRecord"]
