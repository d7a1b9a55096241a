"""`trunkline check`."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import SecretStr
from rich.table import Table

from app.cli import err, out
from app.errors import AppError, MissingExtraError, SettingsError
from app.hosted import load_assistants
from app.services.voices import list_voices
from app.settings import Settings, load_settings, variable_of


@dataclass
class Findings:
    """What a check found.

    Attributes:
        wrong: What has to be mended before callers come.
        absent: Parts that are not installed, and that only some programs need.
    """

    wrong: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    def missing(self, error: MissingExtraError, *, asked_for: bool) -> None:
        """Note a part that is not installed.

        Args:
            error: Which one.
            asked_for: Whether the settings name it, rather than fall back on it.
        """
        (self.wrong if asked_for else self.absent).append(str(error))


async def run_check() -> int:
    """Print the settings and what is wrong with them; returns the exit code."""
    findings = Findings()
    try:
        settings = load_settings()
    except SettingsError as error:
        findings.wrong += str(error).splitlines()
        return _report(findings)
    out.print(_table(settings))
    _check_assistants(settings, findings)
    _check_recogniser(settings, findings)
    await _check_voice(settings, findings)
    return _report(findings)


def _report(findings: Findings) -> int:
    for note in findings.absent:
        err.print(f"[yellow]not here:[/] {note}. Callers need it; a session server may not.")
    for problem in findings.wrong:
        err.print(f"[bold red]wrong:[/] {problem}")
    if not findings.wrong:
        err.print("[bold green]Nothing is wrong.[/]")
    return 1 if findings.wrong else 0


def _table(settings: Settings) -> Table:
    table = Table("Setting", "Value", box=None, header_style="bold")
    for name in Settings.model_fields:
        table.add_row(variable_of(name), _shown(getattr(settings, name)))
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


def _check_assistants(settings: Settings, findings: Findings) -> None:
    try:
        load_assistants(settings)
    except SettingsError as error:
        findings.wrong.append(str(error))


def _check_recogniser(settings: Settings, findings: Findings) -> None:
    module, extra = "deepgram", "deepgram"
    if settings.stt_vendor == "embedded":
        module, extra = "pocketsphinx", "embedded"
    if importlib.util.find_spec(module) is None:
        findings.missing(MissingExtraError(module, extra), asked_for=settings.stt != "auto")


async def _check_voice(settings: Settings, findings: Findings) -> None:
    try:
        voices = await list_voices(settings)
    except MissingExtraError as error:
        asked_for = settings.tts != "auto" or settings.voice is not None
        findings.missing(error, asked_for=asked_for)
        return
    except AppError as error:
        findings.wrong.append(str(error))
        return
    if settings.voice is not None and settings.voice not in {voice.id for voice in voices}:
        findings.wrong.append(
            f"{variable_of('voice')}: {settings.tts_vendor} has no voice {settings.voice!r}; "
            "`trunkline voices` lists them"
        )
