"""A server of our own for a while: it says when it is ready, and can be killed at any time.

It does not outlive us, however we end: a guard, which is a shell, waits for the end of a pipe that
we hold, and then ends the server and removes its folder.
"""

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.errors import AppError

# Recovery after a kill takes well under a second here; a machine that is busy takes longer.
START_TIMEOUT_S = 60.0

# Nothing of ours: no locale, no settings.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}

# A server that was told to end at once does so in milliseconds.
STOP_TIMEOUT_S = 10.0

_LOG_LINES = 20

# Arguments: signal, process, folder. A line means that the server has ended and all is well.
_GUARD = """
read -r _ && exit
kill -s "$1" "$2"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 "$2" 2>/dev/null || break
    sleep 0.2
done
kill -s KILL "$2" 2>/dev/null
rm -rf "$3"
"""


class LocalProcess:
    """A program that runs until it is killed.

    Attributes:
        pid: Its process id; None while it does not run.
    """

    def __init__(self, name: str, ready: str, stop: signal.Signals) -> None:
        """Prepare; nothing runs.

        Args:
            name: What it is called in errors.
            ready: What it writes to standard output or error when it is ready.
            stop: What ends it at once, and lets it tidy up after itself.
        """
        self._name = name
        self._ready_words = ready
        self._stop = stop
        self._process: subprocess.Popen[str] | None = None
        self._guard: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self, command: Sequence[str], folder: Path, **user: Any) -> None:
        """Start it, and wait until it is ready.

        Args:
            command: The program and its arguments.
            folder: Where it runs; removed if we end without stopping it.
            **user: What `unprivileged` gives, or nothing.

        Raises:
            AppError: If it does not get ready; carries its last words.
        """
        # Of this start alone: what listened to the one before may still be about to say its last.
        ready = threading.Event()
        log: deque[str] = deque(maxlen=_LOG_LINES)
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=folder,
            env=ENVIRONMENT,
            **user,
        )
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, "guard", self._stop.name[3:], str(self.pid), str(folder)],
            stdin=subprocess.PIPE,
            # Ours would stay open after us, and whoever reads them would wait for the guard.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            env=ENVIRONMENT,
            start_new_session=True,  # what interrupts us in a terminal does not end it
        )
        listening = (self._process, ready, log)
        threading.Thread(target=self._listen, args=listening, daemon=True).start()
        if not ready.wait(START_TIMEOUT_S) or self._process.poll() is not None:
            self.kill()
            raise AppError("\n".join([f"{self._name} did not start; its last words:", *log]))

    def stop(self) -> None:
        """End it at once, in good order; may be called again."""
        process = self._process
        if process is None:
            return
        process.send_signal(self._stop)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """Kill it and all its children with SIGKILL; may be called again."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGSTOP)  # or it starts others while we look
            for child in _children(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            process.kill()
        process.wait()
        self._dismiss()

    def _dismiss(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.communicate("all is well\n")

    def _listen(
        self, process: "subprocess.Popen[str]", ready: threading.Event, log: "deque[str]"
    ) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            log.append(line.rstrip())
            if self._ready_words in line:
                ready.set()
        process.stdout.close()
        ready.set()  # it is over: whoever waits need not


def unprivileged() -> Mapping[str, Any]:
    """Return who root has to run as where a server refuses root; nothing for anybody else."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def free_port() -> int:
    """Return a port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(parent: int) -> list[int]:
    """Return the children of a process; none where the system does not say."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # After the name, which may hold anything but ends with the last bracket: state, parent.
            if int(entry.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.parent.name))
    return found
