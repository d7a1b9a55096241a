"""`docs/assistants.md` shows what `trunkline new` writes, piece by piece."""

import re
from pathlib import Path

from agents import discover
from agents.code.limits import Limits
from agents.code.model import LoopLimits
from agents.jobs import DEFAULT_TIMEOUT_S, LONGEST_S, REMAINING_S
from agents.jobs.serving import FAILED
from app.cli.new import create_project

DOCUMENT = (Path(__file__).parents[3] / "docs" / "assistants.md").read_text()


def squeezed(text: str) -> str:
    """Leave out blank lines."""
    return "\n".join(line for line in text.splitlines() if line.strip())


def test_the_pieces_are_the_module_and_its_test(tmp_path: Path) -> None:
    directory = create_project("shop", tmp_path)
    own = DOCUMENT.partition("## Write your own")[2]
    *pieces, test = re.findall(r"```python\n(.*?)\n```", own, re.DOTALL)
    module = (directory / "shop.py").read_text()
    assert squeezed("\n".join(pieces)) == squeezed(module)
    assert squeezed(test) == squeezed((directory / "test_shop.py").read_text())


def test_every_assistant_has_its_place() -> None:
    for name in discover():
        assert f"\n### {name}\n" in DOCUMENT


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"`job_timeout_s`, {DEFAULT_TIMEOUT_S:g} s" in DOCUMENT
    assert LONGEST_S == 3600
    assert f"`{REMAINING_S}`" in DOCUMENT
    assert f'`{{"error": "{FAILED}"}}`' in DOCUMENT
    limits, loop = Limits(), LoopLimits()
    assert f"{loop.rounds} rounds of at most {loop.calls} tool calls" in DOCUMENT
    assert f"{loop.read_bytes // 1024} KiB of what tools return" in DOCUMENT
    assert f"{limits.entries:,} entries, {limits.file_bytes // 2**20} MiB of one" in DOCUMENT
    assert f"{limits.total_bytes // 2**20} MiB of all and {limits.call_s:g} s" in DOCUMENT
    assert f"returns {limits.result_bytes // 1024} KiB" in DOCUMENT
