"""`trunkline voices`."""

from rich.table import Table

from app.cli.printing import err, out
from app.foreign import foreign
from app.services.voices import list_voices
from app.settings import load_settings


async def run_voices() -> int:
    """Print the voices of the configured text-to-speech; returns the exit code."""
    settings = load_settings()
    voices = await list_voices(settings)
    table = Table("Voice", "Name", "Language", "Description", box=None, header_style="bold")
    for voice in voices:
        shown = (voice.id, voice.name, voice.language, voice.description)
        table.add_row(*map(foreign, shown))
    out.print(table)
    err.print(f"[dim]{len(voices)} voices of {settings.tts_vendor}; set one in TRUNKLINE_VOICE.[/]")
    return 0
