"""`trunkline serve`."""

from loguru import logger

from app.cli import err
from app.foreign import foreign
from app.hosted import hosted, load_assistants
from app.logs import configure_logs
from app.server import serve
from app.settings import Settings, load_settings
from app.telemetry.tracing import start_tracing


async def run_server(*, host: str | None, port: int | None) -> None:
    """Serve until told to stop.

    Args:
        host: `--host`.
        port: `--port`.
    """
    settings = load_settings(host=host, port=port)
    configure_logs(
        settings.log_level,
        assistant_modules=settings.assistant_modules,
        log_format=settings.log_format,
    )
    start_tracing()
    assistants = hosted(settings, load_assistants(settings))

    def on_listening(url: str) -> None:
        if settings.log_format == "json":
            logger.info(f"Trunkline listens on {url}/ws with {len(assistants)} assistants")
            return
        err.print(f"[bold green]Trunkline listens on {url}/ws[/]")
        for name, recipe in assistants.items():
            err.print(f"  {url}/ws/{name}  [dim]{foreign(recipe.description)}[/]", soft_wrap=True)
        err.print(_who_may_come(settings))
        if settings.llm_vendor == "embedded":
            err.print("[yellow]No OPENAI_API_KEY is set: scripts answer, not a language model.[/]")

    await serve(settings, assistants, on_listening=on_listening)


def _who_may_come(settings: Settings) -> str:
    if settings.guarded:
        ways = [f"one of {len(settings.tokens)} bearer tokens"] if settings.tokens else []
        if settings.principals_file is not None:
            ways.append(f"a token of {foreign(settings.principals_file)}")
        if settings.takes_jwts:
            ways.append(f"a JWT of {foreign(settings.jwt_issuer)}")
        return f"Callers need {', or '.join(ways)}."
    return (
        "[yellow]No TRUNKLINE_TOKENS is set, so anybody who reaches this port is let in; "
        "it listens on this machine only.[/]"
    )
