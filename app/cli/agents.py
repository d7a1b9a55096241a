"""`trunkline agents`."""

from collections.abc import Sequence

from app.addresses import shown_url
from app.cli.printing import err
from app.errors import AppError
from app.foreign import foreign
from app.hosted import load_assistants
from app.logs import configure_logs
from app.pool import serve_pool
from app.pool.pool import Pool
from app.settings import load_settings


async def run_agents(
    assistant: str | None, tasks: Sequence[str], *, bus_url: str | None, max_sessions: int | None
) -> None:
    """Serve until told to stop.

    Args:
        assistant: `--assistant`.
        tasks: `--tasks`.
        bus_url: `--bus`.
        max_sessions: `--max-sessions`.
    """
    settings = load_settings(bus_url=bus_url, max_sessions=max_sessions)
    configure_logs(settings.log_level, assistant_modules=settings.assistant_modules)
    assistants = load_assistants(settings)
    name = assistant or settings.default_assistant
    if name not in assistants:
        raise AppError(f"there is no assistant {name!r} here, only {', '.join(assistants)}")

    def on_serving(pool: Pool, url: str | None) -> None:
        where, served = shown_url(settings.broker_url or ""), ", ".join(pool.share.tasks)
        err.print(
            f"[bold green]This pool serves {foreign(served)} of {name} on {foreign(where)}[/], "
            f"to {pool.max_sessions} callers at a time",
            soft_wrap=True,
        )
        if url is not None:
            err.print(f"  {url}/readyz and {url}/metrics tell of it", soft_wrap=True)
        if settings.llm_vendor == "embedded":
            err.print("[yellow]No OPENAI_API_KEY is set: scripts answer, not a language model.[/]")

    await serve_pool(settings, assistants, assistants[name], tasks, on_serving=on_serving)
