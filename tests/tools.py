"""Programs that check what we wrote for them; `scripts/setup --tests` brings them."""

import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Debian's programs, unpacked.
_UNPACKED = ROOT / ".venv" / "tools" / "usr"

RUN_TIMEOUT_S = 60


def tool(name: str) -> str:
    """Find a program."""
    for folder in ("bin", "sbin"):
        if (path := _UNPACKED / folder / name).is_file():
            return str(path)
    path_of = shutil.which(name)
    assert path_of is not None, f"{name} is not here; run scripts/setup --tests"
    return path_of


def run(name: str, *arguments: str | Path) -> str:
    """Run a program that must be content; gives what it prints."""
    # Not a pipe, which what it leaves in the background would hold open.
    with tempfile.TemporaryFile("w+") as printed:
        done = subprocess.run(
            [tool(name), *map(str, arguments)],
            stdout=printed,
            stderr=printed,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        printed.seek(0)
        text = printed.read()
    assert done.returncode == 0, text
    return text
