"""`trunkline check`."""

import importlib.util
from collections.abc import Iterator

from pydantic import SecretStr
from rich.table import Table

from agents import AgentsError, discover
from app.cli import err, out
from app.errors import AppError, SettingsError
from app.services.voices import list_voices
from app.settings import Settings, load_settings, variable_of


async def run_check() -> int:
    """Print the settings and what is wrong with them; returns the exit code."""
    try:
        settings = load_settings()
    except SettingsError as error:
        return _report(str(error).splitlines())
    out.print(_table(settings))
    problems = [*_assistant_problems(settings), *await _service_problems(settings)]
    return _report(problems)


def _report(problems: list[str]) -> int:
    for problem in problems:
        err.print(f"[bold red]wrong:[/] {problem}")
    if not problems:
        err.print("[bold green]Nothing is wrong.[/]")
    return 1 if problems else 0


def _table(settings: Settings) -> Table:
    table = Table("Setting", "Value", box=None, header_style="bold")
    for field in Settings.model_fields:
        table.add_row(variable_of(field), _shown(getattr(settings, field)))
    table.add_row("", "")
    for name, value in _consequences(settings):
        table.add_row(name, value)
    return table


def _shown(value: object) -> str:
    if value is None or value == ():
        return "[dim]not set[/]"
    if isinstance(value, SecretStr):
        return "[dim]set, not shown[/]"
    if isinstance(value, tuple):
        if isinstance(value[0], SecretStr):
            return f"[dim]{len(value)} set, not shown[/]"
        return ", ".join(map(str, value))
    return str(value)


def _consequences(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "listens on", f"{settings.listen_host}:{settings.port}"
    yield "recognises speech", settings.stt_vendor
    yield "answers", settings.llm_vendor
    yield "speaks", settings.tts_vendor


def _assistant_problems(settings: Settings) -> list[str]:
    try:
        assistants = discover(settings.assistant_modules)
    except AgentsError as error:
        return [f"{variable_of('assistant_modules')}: {error}"]
    if settings.default_assistant not in assistants:
        known = ", ".join(assistants)
        return [
            f"{variable_of('default_assistant')}: there is no assistant "
            f"{settings.default_assistant!r}, only {known}"
        ]
    return []


async def _service_problems(settings: Settings) -> list[str]:
    problems = []
    if settings.stt_vendor == "embedded":
        problems += _missing("pocketsphinx", "embedded")
    if settings.stt_vendor == "deepgram":
        problems += _missing("deepgram", "deepgram")
    try:
        voices = await list_voices(settings)
    except AppError as error:
        return [*problems, str(error)]
    if settings.voice is not None and settings.voice not in {voice.id for voice in voices}:
        problems.append(
            f"{variable_of('voice')}: {settings.tts_vendor} has no voice {settings.voice!r}; "
            "`trunkline voices` lists them"
        )
    return problems


def _missing(module: str, extra: str) -> list[str]:
    if importlib.util.find_spec(module) is not None:
        return []
    return [f"{module} is not installed: pip install 'trunkline[{extra}]'"]
