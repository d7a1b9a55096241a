"""`trunkline bench …`: the options of each benchmark. What measures is imported when it runs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.bench.options import Options
from app.bench.report import Measure, document_of, table_of, write_document
from app.logs import configure_logs

if TYPE_CHECKING:
    from rich.progress import Progress

HELP = """Measure this machine: our parts beside Pipecat's own, in turn, in one run.

Servers run in processes of their own, on loopback. Where a number is CPU time, other work on the
machine disturbs it little; where it is time on the clock, run it on a machine that is idle.
`docs/benchmarks.md` says what each measures and how to read it.
"""

bench = typer.Typer(name="bench", help=HELP, no_args_is_help=True, rich_markup_mode="markdown")

PeerOption = Annotated[
    str, typer.Option(help="Whom to measure beside ours: `stock` for Pipecat's, or `none`.")
]
RoundsOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="How often each is measured, in turn; medians are shown. More is steadier."
    ),
]
QuickOption = Annotated[
    bool, typer.Option("--quick", help="Measure little, to see that it works. Not for decisions.")
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Also write the numbers to a file; - for the screen.")
]

Work = Callable[[Options, "Progress"], Awaitable[list[Measure]]]


@bench.command()
def codec(
    peer: PeerOption = "stock",
    rounds: RoundsOption = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Write and read one message: CPU time, and bytes on the wire."""
    from app.bench.codec import measure

    _run("codec", _options(peer, rounds, quick), json, measure)


@bench.command()
def context(
    peer: PeerOption = "stock",
    rounds: RoundsOption = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Send the next turn of a conversation of 20, 50, 100 and 200 messages."""
    from app.bench.context import measure

    _run("context", _options(peer, rounds, quick), json, measure)


@bench.command()
def line(
    peer: PeerOption = "stock",
    rounds: RoundsOption = None,
    quick: QuickOption = False,
    json: JsonOption = None,
    profile: Annotated[
        Path | None, typer.Option(help="Write a cProfile of our server; slows it down.")
    ] = None,
) -> None:
    """Echo texts through one session: the server's CPU time for 1,000 of them."""
    from app.bench.line import measure

    def work(options: Options, progress: "Progress") -> Awaitable[list[Measure]]:
        return measure(options, progress, profile=profile and profile.absolute())

    _run("line", _options(peer, rounds, quick), json, work)


@bench.command()
def sessions(
    peer: PeerOption = "stock",
    rounds: RoundsOption = None,
    quick: QuickOption = False,
    json: JsonOption = None,
    voice: Annotated[
        bool,
        typer.Option("--voice", help="Instead: how many voice conversations one core holds."),
    ] = False,
) -> None:
    """Open sessions: time, memory, rate, and how long a full server stands still.

    With --voice, finds the largest number of voice conversations whose words are not late: the
    99th percentile under 50 ms.
    """
    if voice:
        from app.bench.voice import measure as work
    else:
        from app.bench.sessions import measure as work
    _run("voice" if voice else "sessions", _options(peer, rounds, quick), json, work)


@bench.command()
def handoff(
    peer: PeerOption = "stock",
    rounds: RoundsOption = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Hand over between two remote tasks, and say goodbye. Stock takes 30 s for these."""
    from app.bench.handoff import measure

    _run("handoff", _options(peer, rounds, quick), json, measure)


@bench.command()
def bus(
    bus: Annotated[
        list[str] | None,
        typer.Option(
            help="A broker: redis://… or postgresql://…; may be given again. Without it some are "
            "started here, and killed."
        ),
    ] = None,
    peer: PeerOption = "stock",
    rounds: RoundsOption = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Send texts over Redis and over Postgres and back: time, rate, and what a kill loses."""
    from app.bench.bus import measure

    def work(options: Options, progress: "Progress") -> Awaitable[list[Measure]]:
        return measure(options, progress, urls=bus or ())

    _run("bus", _options(peer, rounds, quick), json, work)


def _options(peer: str, rounds: int | None, quick: bool) -> Options:
    if peer not in ("stock", "none"):
        raise typer.BadParameter("there is only `stock` or `none`", param_hint="--peer")
    return Options(stock=peer == "stock", rounds=rounds, quick=quick)


def _run(name: str, options: Options, json: Path | None, work: Work) -> None:
    from rich.progress import Progress

    from app.cli.printing import err, out

    configure_logs("ERROR")
    with Progress(console=err, transient=True) as progress:
        measures = asyncio.run(_measured(work, options, progress))
    if str(json) != "-":
        out.print(table_of(f"bench {name}", measures))
        for measure in measures:
            if measure.note:
                out.print(f"[dim]{measure.name}: {measure.note}[/]")
    if json is not None:
        chosen = {"stock": options.stock, "rounds": options.rounds, "quick": options.quick}
        write_document(json, document_of(name, chosen, measures))


async def _measured(work: Work, options: Options, progress: "Progress") -> list[Measure]:
    return await work(options, progress)
