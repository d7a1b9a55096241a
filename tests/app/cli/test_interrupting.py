"""Ctrl-C before a command has begun, while its modules are still imported."""

from pathlib import Path

import pytest

from tests.app.cli.programs import ended, press_ctrl_c, read_until, start
from tests.proxy.conversation import within

HELD = "import time\nprint('importing', flush=True)\ntime.sleep(60)\n"

# Where a finaliser runs, an exception goes nowhere.
HELD_BY_A_FINALISER = f"""
class Held:
    def __del__(self):
        {HELD.replace(chr(10), chr(10) + " " * 8)}
Held()
"""

# As ONNX Runtime imports its library.
HELD_AND_CAUGHT = f"""
try:
    {HELD.replace(chr(10), chr(10) + " " * 4)}
except BaseException:
    raise ImportError("this is not for this machine")
"""


@pytest.mark.parametrize(
    "held", [HELD, HELD_BY_A_FINALISER, HELD_AND_CAUGHT], ids=["import", "finaliser", "caught"]
)
@pytest.mark.parametrize("module", ["typer", "httpx", "pipecat"])
async def test_ctrl_c_while_modules_are_imported_ends_the_program_with_130_and_no_word(
    tmp_path: Path, module: str, held: str
) -> None:
    (tmp_path / f"{module}.py").write_text(held)
    program = await start("console", "--assistant", "acme", home=tmp_path)
    async with ended(program):
        assert program.stdout is not None
        await read_until(program.stdout, "importing")
        press_ctrl_c(program)
        _, errors = await within(program.communicate(), 30)
    assert (program.returncode, errors.decode()) == (130, "")
