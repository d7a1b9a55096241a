"""What the commands print, and how they complain."""

from rich.console import Console

from app.foreign import foreign

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


def complain(problem: object, word: str = "error") -> None:
    """Print what is wrong, a line for each problem.

    Args:
        problem: One problem a line; printed as it is, whatever it holds.
        word: What it is.
    """
    for line in str(problem).splitlines():
        err.print(f"[bold red]{word}:[/] {foreign(line)}", soft_wrap=True)
