"""What the parent and one of its processes tell each other, over a pair of sockets.

Every word is one byte, so that none is ever cut in two. A connection that the parent accepted
travels with its word, and words arrive in the order in which they were said: a process that hears
`DRAIN` has every connection that it was given before.
"""

from enum import Enum


class ToProcess(Enum):
    """What the parent says."""

    CONNECTION = b"c"  # take this connection
    DRAIN = b"d"  # take no more, end your sessions after their answers, and end
    HURRY = b"h"  # end now, whatever is under way


class ToParent(Enum):
    """What a process says."""

    READY = b"r"  # it takes connections
    GOING = b"g"  # it takes no more, for whatever reason
    DRAIN_ALL = b"a"  # an administrator wants the whole server to stop
