"""Pools in processes of their own, which can be killed."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.app.cli.programs import ended, read_until, start

ROOT = Path(__file__).parents[3]


@dataclass
class PoolProgram:
    """One pool.

    Attributes:
        process: Its process.
    """

    process: asyncio.subprocess.Process

    async def log(self, words: str) -> str:
        """Wait for a line of its log."""
        assert self.process.stderr is not None
        return await read_until(self.process.stderr, words)


@contextlib.asynccontextmanager
async def pool_program(
    home: Path, bus_url: str, *arguments: str, **further: str
) -> AsyncIterator[PoolProgram]:
    """Run `trunkline agents` while the block runs, or until it is killed."""
    process = await start(
        "agents",
        *arguments,
        home=home,
        further={
            "TRUNKLINE_BUS_URL": bus_url,
            "PYTHONPATH": os.pathsep.join((str(home), str(ROOT))),
            **further,
        },
    )
    async with ended(process):
        pool = PoolProgram(process)
        await pool.log("This pool serves")
        yield pool
