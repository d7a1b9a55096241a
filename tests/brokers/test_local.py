"""A server that we start for a while ends with us, however we end."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.app.cli.programs import ended
from tests.proxy.conversation import within

ROOT = Path(__file__).parents[2]

STARTS_SERVERS = """
import json, sys
from app.bench.local_postgres import local_postgres
from app.bench.local_redis import local_redis
with local_redis() as redis, local_postgres(pgmq=False) as postgres:
    print(json.dumps([redis.port, postgres.port]), flush=True)
    sys.stdin.read()
"""


async def left(folder: Path, ports: list[int]) -> list[object]:
    """Return the ports on which somebody listens, and the files that are there."""
    found: list[object] = list(folder.iterdir())
    for port in ports:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            found.append(port)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can reach: Postgres may run as somebody else."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def test_servers_of_a_process_that_is_killed_end_and_leave_nothing(folder: Path) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTS_SERVERS),
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)},
        stdin=pipe,
        stdout=pipe,
    )
    async with ended(process):
        assert process.stdout is not None
        ports = json.loads(await within(process.stdout.readline()))
        assert len(await left(folder, ports)) == 4
        process.kill()
        await within(process.communicate())

        async def gone() -> None:
            while await left(folder, ports):  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.05)

        await within(gone())
