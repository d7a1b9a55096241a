"""The end of a process of ours that does not end by itself."""

import asyncio
import contextlib
import os
import signal


def kill(process: asyncio.subprocess.Process) -> None:
    """End a process without a word; may be called again.

    `Process.kill` looks first whether the process has ended. If it has, asyncio does not learn with
    which code: it logs a warning, and calls it 255.

    Args:
        process: The process, which somebody waits for or will.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
