"""The Postgres of the tests is a real one: it has PGMQ, dies, and comes back with its data."""

import os

import asyncpg
import pytest

from app.bench import local_postgres
from app.bench.local_postgres import find_postgres
from app.errors import AppError
from tests.brokers.postgres import Database


async def test_it_has_pgmq(postgres: Database) -> None:
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("SELECT pgmq.create('words')")
    assert await connection.fetchval("SELECT pgmq.send('words', '1')") == 1
    await connection.close()
    assert postgres.sql("SELECT queue_name FROM pgmq.list_queues()") == "words"


async def test_tests_do_not_see_each_other(postgres: Database) -> None:
    assert postgres.sql("SELECT count(*) FROM pgmq.list_queues()") == "0"


async def test_it_is_killed_and_comes_back_with_its_data(postgres: Database) -> None:
    postgres.sql("CREATE TABLE kept (what int); INSERT INTO kept VALUES (7)")
    connection = await asyncpg.connect(postgres.url)
    postgres.server.kill()
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await connection.execute("SELECT 1")
    with pytest.raises(OSError):
        await asyncpg.connect(postgres.url)
    postgres.server.start()
    assert postgres.sql("SELECT what FROM kept") == "7"


def test_it_does_not_run_as_root(postgres: Database) -> None:
    assert os.stat(f"/proc/{postgres.server.process.pid}").st_uid != 0


def test_where_there_is_none_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(local_postgres, "_DEBIAN", "/nowhere")
    with pytest.raises(AppError, match="Debian: postgresql"):
        find_postgres()
