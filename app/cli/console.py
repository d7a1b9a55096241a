"""`trunkline console`."""

import asyncio
import json
import signal
import sys
import threading
from collections.abc import AsyncIterator

from app.caller.typed import TypedConversation
from app.cli import err, out
from app.cli.sides import open_roles, wanted
from app.logs import configure_logs


class Terminal:
    """Shows a typed conversation on standard output."""

    def __init__(self, name: str, *, prompt: bool) -> None:
        """Prepare.

        Args:
            name: What the assistant is called.
            prompt: Whether somebody sits at the keyboard.
        """
        self._name = name
        self._prompt = prompt
        self._speaking = False

    def text(self, text: str) -> None:
        """Show the next piece of an answer."""
        if not self._speaking:
            out.print(f"[bold green]{self._name}:[/] ", end="")
            self._speaking = True
        out.print(text, end="", markup=False, soft_wrap=True)

    def tool(self, name: str, arguments: object) -> None:
        """Show that the assistant calls a tool."""
        self._break_line()
        out.print(f"[dim]{self._name} calls {name}[/] ", end="")
        out.print(json.dumps(arguments, default=str), markup=False, style="dim")

    def turn_over(self) -> None:
        """Give the turn to the caller."""
        self._break_line()
        if self._prompt:
            out.print("[bold cyan]you:[/] ", end="")

    def typed(self, line: str) -> None:
        """Show what was typed, where the terminal does not."""
        if not self._prompt:
            out.print("[bold cyan]you:[/] ", end="")
            out.print(line.strip(), markup=False)

    def _break_line(self) -> None:
        if self._speaking:
            out.print()
            self._speaking = False


async def run_console(remote_url: str | None, token: str | None, assistant: str | None) -> int:
    """Hold a typed conversation.

    Args:
        remote_url: `--remote-url`.
        token: `--token`.
        assistant: `--assistant`.

    Returns:
        The exit code.
    """
    what = wanted(remote_url, token, assistant)
    configure_logs("ERROR" if what.settings.log_level == "INFO" else what.settings.log_level)
    person = sys.stdin.isatty()
    terminal = Terminal(what.assistant, prompt=person)
    err.print("[dim]Ctrl-C or Ctrl-D hangs up.[/]")
    if what.remote_url is None and what.settings.llm_vendor == "embedded":
        err.print("[yellow]No OPENAI_API_KEY is set: a script answers, not a language model.[/]")
    async with open_roles(what) as roles:
        conversation = TypedConversation(what.side(roles), terminal, may_interrupt=person)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, conversation.stop)
        ended = await conversation.hold(_lines(terminal))
    if conversation.side.error is not None:
        err.print(f"[bold red]error:[/] {conversation.side.error}")
        return 1
    err.print(f"\n[dim]{what.assistant if ended else 'You'} ended the conversation.[/]")
    return 0


async def _lines(terminal: Terminal) -> AsyncIterator[str]:
    """Read lines from standard input without holding up the end of the program.

    A thread reads, as not every standard input can be waited for; it dies with the process.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str] = asyncio.Queue(maxsize=16)

    def read() -> None:
        for line in sys.stdin:
            asyncio.run_coroutine_threadsafe(queue.put(line), loop).result()
        asyncio.run_coroutine_threadsafe(queue.put(""), loop).result()

    threading.Thread(target=read, name="keyboard", daemon=True).start()
    while line := await queue.get():
        terminal.typed(line)
        yield line
