"""`trunkline check`."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import SecretStr
from rich.table import Table

from app.addresses import shown_url
from app.brokers import open_broker
from app.cli.printing import complain, err, out
from app.errors import AppError, MissingExtraError, SettingsError
from app.foreign import foreign
from app.hosted import load_assistants, not_hosted
from app.logs import configure_logs
from app.services.packages import Role, missing_part
from app.services.probes import probe_vendors, probe_voice
from app.settings import Settings, load_settings, variable_of

# Every step of getting to a broker has a bound of its own; this one is for all of them.
BROKER_TIMEOUT_S = 15.0


@dataclass
class Findings:
    """What a check found.

    Attributes:
        wrong: What has to be mended before callers come.
        absent: Parts that are not installed, and that only some programs need.
        unhosted: Why a session server does not host some of the assistants.
    """

    wrong: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    unhosted: list[str] = field(default_factory=list)

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
    configure_logs(settings.log_level, assistant_modules=settings.assistant_modules)
    out.print(_table(settings))
    _check_assistants(settings, findings)
    _check_identity(settings, findings)
    _check_packages(settings, findings)
    await _check_vendors(settings, findings)
    await _check_broker(settings, findings)
    return _report(findings)


def _report(findings: Findings) -> int:
    for note in findings.absent:
        complain(f"{note}. Callers need it; a session server may not.", "not here")
    for why in findings.unhosted:
        complain(f"{why}. Only a session server needs it.", "not here")
    for problem in findings.wrong:
        complain(problem, "wrong")
    if not findings.wrong:
        err.print("[bold green]Nothing is wrong.[/]")
    return 1 if findings.wrong else 0


def _table(settings: Settings) -> Table:
    table = Table("Setting", "Value", box=None, header_style="bold")
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if name.endswith("_url") and value is not None:
            # One that is secret is so for its password, which is left out.
            value = shown_url(value.get_secret_value() if isinstance(value, SecretStr) else value)
        table.add_row(variable_of(name), _shown(value))
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
        return foreign(", ".join(map(str, value)))
    return foreign(value)


def _consequences(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "listens on", f"{settings.listen_host}:{settings.port}"
    yield "recognises speech", settings.stt_vendor
    yield "answers", settings.llm_vendor
    yield "speaks", settings.tts_vendor


def _check_assistants(settings: Settings, findings: Findings) -> None:
    try:
        assistants = load_assistants(settings)
    except SettingsError as error:
        findings.wrong.append(str(error))
        return
    for name, why in not_hosted(assistants).items():
        if name == settings.default_assistant:
            findings.wrong.append(f"{variable_of('default_assistant')}: {why}")
        else:
            findings.unhosted.append(why)


def _check_identity(settings: Settings, findings: Findings) -> None:
    from app.server.identity import Identity

    try:
        Identity(settings)
    except SettingsError as error:
        findings.wrong.append(str(error))


def _check_packages(settings: Settings, findings: Findings) -> None:
    roles: tuple[Role, ...] = ("stt", "llm", "tts")
    for role in roles:
        missing = missing_part(role, settings)
        if missing is not None:
            chosen = getattr(settings, role) != "auto" or missing.extra != "embedded"
            chosen = chosen or (role == "tts" and settings.voice is not None)
            findings.missing(missing, asked_for=chosen)


async def _check_vendors(settings: Settings, findings: Findings) -> None:
    """Ask everybody at once, and report in the same order every time."""
    asked, voice = await asyncio.gather(
        probe_vendors(settings), probe_voice(settings), return_exceptions=True
    )
    for found in (asked, voice):
        # What is not installed was found without asking.
        if isinstance(found, BaseException) and not isinstance(found, MissingExtraError):
            raise found
        if isinstance(found, list):
            findings.wrong += found


async def _check_broker(settings: Settings, findings: Findings) -> None:
    """Connect with the broker as a pool does, if there is one."""
    if settings.broker_url is None:
        return
    try:
        async with asyncio.timeout(BROKER_TIMEOUT_S), open_broker(settings):
            return
    except TimeoutError:
        problem = f"{shown_url(settings.broker_url)} did not answer within {BROKER_TIMEOUT_S:g} s"
    except AppError as error:
        problem = str(error)
    if settings.bus_url is not None:
        findings.wrong.append(f"{variable_of('bus_url')}: {problem}")
    else:
        # It may be somebody else's database, on a machine without pools.
        findings.absent.append(f"{variable_of('database_url')}: {problem}")
