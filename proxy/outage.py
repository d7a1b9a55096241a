"""What a caller's line tells its own bus once an outage is over."""

from dataclasses import dataclass

from pipecat.bus.messages import BusDataMessage, BusLocalMessage


@dataclass(kw_only=True)
class BusLineResumedMessage(BusDataMessage, BusLocalMessage):
    """The line goes on; what comes next may have been said long ago.

    Attributes:
        missed_s: How long the other side may have heard nothing, in seconds.
    """

    missed_s: float
