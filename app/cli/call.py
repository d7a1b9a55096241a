"""`trunkline call`."""

import contextlib
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from app.caller.call import Call
from app.caller.main_task import Failure
from app.caller.recording import Recording, RecordingSpeaker
from app.caller.transcript import Line, Speaker
from app.cli.printing import complain, err, out
from app.cli.sides import Wanted, open_sides
from app.errors import AppError
from app.foreign import foreign


def print_line(line: Line) -> None:
    """Print one turn with its time."""
    colour = "cyan" if line.speaker is Speaker.CALLER else "green"
    when = f"[dim]{line.at_s:6.1f} s[/]  [{colour}]{line.speaker:9}[/]"
    out.print(f"{when}  {foreign(line.text)}", soft_wrap=True)


def print_failure(failure: Failure) -> None:
    """Print what failed on either side while the call goes on."""
    complain(failure.text, "failed")


@contextlib.contextmanager
def saying_that_it_hangs_up() -> Iterator[None]:
    """Have Ctrl-C answered at once, as hanging up takes a moment, while the block runs.

    The loop's own handler then cancels the task of the program, and ends it when pressed twice.
    """
    given = signal.getsignal(signal.SIGINT)
    if not callable(given):
        yield  # a job in the background does not hear it
        return
    hang_up = given

    def on_interrupt(number: int, where: FrameType | None) -> None:
        err.print("\n[dim]Hanging up.[/]")
        hang_up(number, where)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, given)


async def run_call(wavs: Sequence[Path], what: Wanted, heard: Path | None) -> int:
    """Make one recorded call.

    Args:
        wavs: The recordings.
        what: What the options ask for.
        heard: Where to write what the caller heard, or None.

    Returns:
        The exit code.
    """
    if heard is not None:
        RecordingSpeaker.ensure_writable(heard)
    recordings = [Recording.load(path) for path in wavs]
    with saying_that_it_hangs_up():
        return await _call(recordings, what, heard)


async def _call(recordings: Sequence[Recording], what: Wanted, heard: Path | None) -> int:
    async with open_sides(what) as sides:
        call = Call(sides.side(), recordings, print_line, print_failure)
        result = await call.hold(sides.roles, what.phrases)
    written = heard is None or _write(result.speaker, heard)
    if result.error is not None:
        complain(result.error)
        return 1
    how = "the assistant ended it" if result.ended_by_assistant else "the caller hung up"
    err.print(f"[bold green]The conversation took place;[/] {how}.")
    return 0 if written else 1


def _write(speaker: RecordingSpeaker, heard: Path) -> bool:
    """Write what the caller heard; tells whether that went well, as the call is still reported."""
    try:
        speaker.write_wav(heard)
    except AppError as error:
        complain(error)
        return False
    err.print(f"[dim]What the caller heard is in {foreign(heard)}[/]", soft_wrap=True)
    return True
