"""The quick start on Postgres: every task, and the caller, in a process of its own."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.app.cli.programs import press_ctrl_c, run
from tests.app.cli.test_agents import to_support_and_back
from tests.app.pool.programs import PoolProgram, pool_program
from tests.brokers.postgres import Database
from tests.proxy.bus.brokers import Postgres
from tests.proxy.conversation import within


@contextlib.asynccontextmanager
async def greeter_and_support(
    home: Path, postgres: Database, **further: str
) -> AsyncIterator[list[PoolProgram]]:
    """Start a pool for each task of the handoff."""
    async with contextlib.AsyncExitStack() as stack:
        started = []
        for task in ("greeter", "support"):
            options = ("--assistant", "handoff", "--tasks", task)
            program = pool_program(home, postgres.url, *options, **further)
            started.append(await stack.enter_async_context(program))
        yield started


async def test_greeter_and_support_in_processes_of_their_own(
    tmp_path: Path, postgres: Database
) -> None:
    password = postgres.server.password
    async with greeter_and_support(tmp_path, postgres, PGMQ_CHANNEL="acme_eu") as programs:
        bus = {"DATABASE_URL": postgres.url, "PGMQ_CHANNEL": "acme_eu"}
        finished = await to_support_and_back(tmp_path, **bus)
        assert password not in finished.out + finished.err
        for program in programs:
            assert password not in await program.log("Session ended after")
            press_ctrl_c(program.process)
            assert await within(program.process.wait(), 30) == 0
    assert await Postgres(postgres).left() == []


async def test_a_database_without_pgmq_is_told_in_a_line(
    tmp_path: Path, postgres: Database
) -> None:
    postgres.sql("DROP SCHEMA pgmq CASCADE")
    finished = await run("agents", "--bus", postgres.url, home=tmp_path)
    assert finished.code == 2
    assert "run CREATE EXTENSION pgmq" in " ".join(finished.err.split())
    assert "Traceback" not in finished.err
    assert postgres.server.password not in finished.err


async def test_a_postgres_that_is_not_there_is_told_in_a_line(tmp_path: Path) -> None:
    url = "postgres://a:secret@127.0.0.1:9/b"
    finished = await run("agents", "--bus", url, home=tmp_path)
    assert finished.code == 2
    assert "127.0.0.1:9/b does not answer" in " ".join(finished.err.split())
    assert "secret" not in finished.err
