"""Times inside texts, so that whoever receives one knows how late it is.

A stamp is a time of the monotonic clock, which all processes of a machine share (on Linux and
macOS). Its width is fixed, and no dialect of the line changes its characters.
"""

import re

_STAMP = re.compile(rb"@(\d{10}\.\d{6})@")

# What stands for a stamp in messages that are encoded in advance.
PLACEHOLDER = "@0000000000.000000@"


def stamped(at_s: float) -> str:
    """Write a time."""
    return f"@{at_s:017.6f}@"


def stamp_in(data: bytes) -> float | None:
    """Find the time in a text or in a message that holds one; None where there is none."""
    found = _STAMP.search(data)
    return None if found is None else float(found.group(1))
