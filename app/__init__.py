"""The programs: the session server, the local bot, the console, and the command line."""

import os

# The library that runs the voice activity detector reports its use to its vendor unless told not
# to. A program that hears people speak does not do that unasked.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
