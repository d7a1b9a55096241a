"""A real Postgres with PGMQ for the tests: one server a test process, one empty database a test."""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.bench.local_postgres import LocalPostgres, find_postgres, local_postgres
from app.errors import AppError
from tests.brokers.extension import with_extension

_names = itertools.count(1)

# Makes a database as it was, unless PGMQ was removed from it, and tells whether that is so. Making
# another takes ten times as long.
_WIPE = """
SELECT FROM (
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
) AS others;
DROP SCHEMA IF EXISTS trunkline CASCADE;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
DO $$ BEGIN
    IF to_regclass('pgmq.meta') IS NOT NULL THEN
        PERFORM pgmq.drop_queue(queue_name) FROM pgmq.list_queues();
    END IF;
END $$;
SELECT to_regclass('pgmq.meta') IS NOT NULL;
"""


@dataclass(frozen=True)
class Database:
    """A database of its own, empty but for PGMQ.

    Attributes:
        server: Where it is; other tests of this process come before and after on the same.
        name: Its name.
    """

    server: LocalPostgres
    name: str

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def sql(self, script: str) -> str:
        return self.server.sql(script, self.name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[LocalPostgres]:
    """A server for all tests of a process; it runs between them, also if one of them kills it."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # Postgres may run as somebody else
        binaries = with_extension(find_postgres(), Path(folder))
        with local_postgres(binaries=binaries) as server:
            yield server


@pytest.fixture(scope="session")
def wiped_databases() -> list[Database]:
    """Those that tests have left as they were."""
    return []


@pytest.fixture
def postgres(postgres_server: LocalPostgres, wiped_databases: list[Database]) -> Iterator[Database]:
    """A database for one test, whose server it may kill."""
    database = wiped_databases.pop() if wiped_databases else new_database(postgres_server)
    yield database
    if postgres_server.process.pid is None:
        postgres_server.start()
    with contextlib.suppress(AppError):
        if database.sql(_WIPE).endswith("t"):
            wiped_databases.append(database)
            return
    drop(database)


def new_database(server: LocalPostgres, template: str = "postgres") -> Database:
    """Make a copy of a database."""
    database = Database(server, f"test_{next(_names)}")
    server.sql(f"CREATE DATABASE {database.name} TEMPLATE {template}")
    return database


def drop(database: Database) -> None:
    """Remove a database, whoever is connected with it."""
    database.server.sql(f"DROP DATABASE {database.name} WITH (FORCE)")
