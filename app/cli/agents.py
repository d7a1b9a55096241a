"""`trunkline agents`."""

from collections.abc import Sequence

from loguru import logger

from app.addresses import shown_url
from app.cli.printing import err
from app.errors import AppError
from app.foreign import foreign
from app.hosted import load_assistants
from app.logs import configure_logs
from app.pool import serve_pool
from app.pool.pool import Pool
from app.settings import Settings, load_settings
from app.stopping import outlive_hangups
from app.telemetry.tracing import start_tracing


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
    configure_logs(
        settings.log_level,
        assistant_modules=settings.assistant_modules,
        log_format=settings.log_format,
    )
    start_tracing()
    assistants = load_assistants(settings)
    name = assistant or settings.default_assistant
    if name not in assistants:
        raise AppError(f"there is no assistant {name!r} here, only {', '.join(assistants)}")

    def on_serving(pool: Pool, url: str | None) -> None:
        _say_what(settings, pool, url)

    outlive_hangups("start another pool before, which takes the callers that follow")
    await serve_pool(settings, assistants, assistants[name], tasks, on_serving=on_serving)


def _say_what(settings: Settings, pool: Pool, url: str | None) -> None:
    where, served = shown_url(settings.broker_url or ""), ", ".join(pool.share.tasks)
    what = f"This pool serves {foreign(served)} of {pool.share.recipe.name} on {foreign(where)}"
    if settings.log_format == "json":
        logger.info(f"{what}, to {pool.max_sessions} callers at a time")
        return
    err.print(
        f"[bold green]{what}[/], to {pool.max_sessions} callers at a time",
        soft_wrap=True,
    )
    if url is not None:
        err.print(f"  {url}/readyz and {url}/metrics tell of it", soft_wrap=True)
    if settings.llm_vendor == "embedded":
        err.print("[yellow]No OPENAI_API_KEY is set: scripts answer, not a language model.[/]")
