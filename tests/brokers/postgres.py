"""A real Postgres with PGMQ for the tests: one server a test process, one database a test."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.bench.local_postgres import LocalPostgres, local_postgres

_names = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """A database of its own, empty but for PGMQ.

    Attributes:
        server: Where it is; shared with other tests unless `own_postgres` made it.
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
    """A server for all tests of a process; nobody stops or kills it."""
    with local_postgres() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: LocalPostgres) -> Iterator[Database]:
    """A database for one test."""
    name = f"test_{next(_names)}"
    postgres_server.sql(f"CREATE DATABASE {name} TEMPLATE postgres")
    yield Database(postgres_server, name)
    postgres_server.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def own_postgres() -> Iterator[Database]:
    """A server for one test, which may kill it."""
    with local_postgres() as server:
        yield Database(server, "postgres")
