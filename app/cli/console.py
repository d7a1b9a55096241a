"""`trunkline console`."""

import asyncio
import contextlib
import json
import signal
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any

from app.caller.typed import TypedConversation
from app.cli import INTERRUPTED
from app.cli.printing import complain, err, out
from app.cli.sides import open_sides, wanted
from app.foreign import foreign
from app.logs import configure_logs

# A file on standard input is read no further than this ahead of the conversation.
WAITING_LINES = 16

# What a worker answers is for the assistant, and stands here as a line of its own.
MAX_JOB_TEXT = 200


class Terminal:
    """Shows a typed conversation on standard output."""

    def __init__(self, name: str, *, prompt: bool) -> None:
        """Prepare.

        Args:
            name: What the assistant is called.
            prompt: Whether somebody sits at the keyboard.
        """
        self._name = foreign(name)
        self._prompt = prompt
        self._speaking = False

    def text(self, text: str) -> None:
        """Show the next piece of an answer."""
        if not self._speaking:
            out.print(f"[bold green]{self._name}:[/] ", end="")
            self._speaking = True
        out.print(foreign(text, lines=True), end="", soft_wrap=True)

    def tool(self, name: str, arguments: object) -> None:
        """Show that the assistant calls a tool."""
        self._break_line()
        told = foreign(json.dumps(arguments, default=str, ensure_ascii=False))
        out.print(f"[dim]{self._name} calls {foreign(name)} {told}[/]", soft_wrap=True)

    def job(self, news: Mapping[str, Any]) -> None:
        """Show what became of a job."""
        told = _told(news)
        if told:
            self._break_line()
            out.print(f"[dim]{foreign(told)}[/]", soft_wrap=True)

    def turn_over(self) -> None:
        """Give the turn to the caller."""
        self._break_line()
        if self._prompt:
            out.print("[bold cyan]you:[/] ", end="")

    def problem(self, text: str) -> None:
        """Show that something failed."""
        self._break_line()
        complain(text)

    def typed(self, line: str) -> None:
        """Show what was typed, where the terminal does not."""
        if not self._prompt:
            out.print(f"[bold cyan]you:[/] {foreign(line.strip())}", soft_wrap=True)

    def _break_line(self) -> None:
        if self._speaking:
            out.print()
            self._speaking = False


def _told(news: Mapping[str, Any]) -> str:
    """Say in a line what became of a job; empty for the pieces of an answer that grows."""
    task, asked_by, name = news["task"], news["asked_by"], news["name"]
    text = textwrap.shorten(news.get("text", ""), MAX_JOB_TEXT, placeholder=" …")
    if news.get("piece"):
        return ""
    match news["state"]:
        case "started":
            return f"{asked_by} asks {task}" + (f" to do {name}" if name else "")
        case "update":
            return f"{task}: {text}" if text else ""
        case "completed":
            return f"{task} answers {asked_by}" + (f": {text}" if text else "")
        case "cancelled":
            return f"{task} is told to stop"
    return f"{task} failed" + (f": {text}" if text else "")


async def run_console(
    remote_url: str | None, bus: str | None, token: str | None, assistant: str | None
) -> int:
    """Hold a typed conversation.

    Args:
        remote_url: `--remote-url`.
        bus: `--bus`.
        token: `--token`.
        assistant: `--assistant`.

    Returns:
        The exit code.
    """
    what = wanted(remote_url, bus, token, assistant)
    if what.settings.log_level == "INFO":
        # A conversation is on the screen, and what fails is shown in it.
        configure_logs("CRITICAL")
    person = sys.stdin.isatty()
    terminal = Terminal(what.assistant, prompt=person)
    err.print("[dim]Ctrl-C or Ctrl-D hangs up.[/]")
    if what.here and what.settings.llm_vendor == "embedded":
        err.print("[yellow]No OPENAI_API_KEY is set: a script answers, not a language model.[/]")
    async with open_sides(what) as sides:
        side = sides.side(has_screen=True)
        conversation = TypedConversation(side, terminal, may_interrupt=person)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, conversation.stop)
        result = await conversation.hold(_lines(terminal))
    if result.interrupted:
        err.print("\n[dim]You hung up.[/]")
        return INTERRUPTED
    if result.error is not None:
        complain(result.error)
        return 1
    who = foreign(what.assistant) if result.ended_by_assistant else "You"
    err.print(f"\n[dim]{who} ended the conversation.[/]")
    return 0


async def _lines(terminal: Terminal) -> AsyncIterator[str]:
    """Read lines from standard input without holding up the end of the program.

    A thread reads, as not every standard input can be waited for; it dies with the process.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str] = asyncio.Queue()
    room = threading.Semaphore(WAITING_LINES)

    def read() -> None:
        # Once the loop is closed nobody wants to know what else was typed.
        with contextlib.suppress(RuntimeError):
            for line in sys.stdin:
                room.acquire()
                loop.call_soon_threadsafe(queue.put_nowait, line)
            loop.call_soon_threadsafe(queue.put_nowait, "")

    threading.Thread(target=read, name="keyboard", daemon=True).start()
    while line := await queue.get():
        room.release()
        terminal.typed(line)
        yield line
