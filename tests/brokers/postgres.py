"""A real Postgres with PGMQ for the tests: one server a test process, one database a test."""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.bench.local_postgres import LocalPostgres, find_postgres, local_postgres
from tests.brokers.extension import with_extension

_names = itertools.count(1)


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


@pytest.fixture
def postgres(postgres_server: LocalPostgres) -> Iterator[Database]:
    """A database for one test, whose server it may kill."""
    with database(postgres_server) as alone:
        yield alone


@contextlib.contextmanager
def database(server: LocalPostgres, template: str = "postgres") -> Iterator[Database]:
    """Have a database while the block runs, which may kill the server.

    Args:
        server: The server.
        template: What the database is a copy of.
    """
    name = f"test_{next(_names)}"
    server.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield Database(server, name)
    finally:
        if server.process.pid is None:
            server.start()
        server.sql(f"DROP DATABASE {name} WITH (FORCE)")
