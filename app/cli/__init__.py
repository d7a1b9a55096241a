"""The command line. Nothing heavy is imported before a command needs it, and nothing at all here.

What is imported takes seconds on a small machine, and Ctrl-C ends the program in those, too.
"""

import os
import sys

# What a shell reports for a program that Ctrl-C ended.
INTERRUPTED = 130


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    try:
        import signal

        # A finaliser that runs just now would swallow an exception. A job in the background does
        # not hear Ctrl-C, and keeps it so.
        given = signal.getsignal(signal.SIGINT)
        if given is signal.default_int_handler:
            signal.signal(signal.SIGINT, leave)
        from app.cli import program

        program.prepare()
        signal.signal(signal.SIGINT, given)
        program.run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def leave(*_: object) -> None:
    """End the process as Ctrl-C does, at once; for where there is nothing to clean up."""
    os._exit(INTERRUPTED)
