"""What `sslmode` and `sslrootcert` of a Postgres's URL say is done."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.errors import ConnectError
from tests.brokers.certificates import Certificate, new_certificate
from tests.brokers.postgres import Database
from tests.proxy.bus.pgmq_ends import opened
from tests.proxy.conversation import within

# Whether our connections to a database are encrypted: the pool's, and the one that listens.
ENCRYPTED = """
SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return new_certificate(tmp_path)


@pytest.fixture
def encrypted(postgres: Database, certificate: Certificate) -> Iterator[Database]:
    with postgres.server.encrypted(certificate.key, certificate.certificate):
        yield postgres


async def used(database: Database, *options: str) -> bool:
    """Use a database as a broker; tell whether that was encrypted."""
    async with opened(f"{database.url}?{'&'.join(options)}") as streams:
        await streams.create(["acme_up"])
        await streams.append("acme_up", [b"x"])
        assert await within(streams.reader("acme_up").read()) == [b"x"]
        found = database.sql(ENCRYPTED)
        await streams.remove(["acme_up"])
    assert found in ("t", "f")
    return found == "t"


async def refused(database: Database, *options: str) -> str:
    """Return why a database cannot be used as a broker; never with its password."""
    with pytest.raises(ConnectError) as raised:
        await used(database, *options)
    assert database.server.password not in str(raised.value)
    assert raised.value.__suppress_context__
    return str(raised.value)


def trusting(certificate: Certificate) -> str:
    return f"sslrootcert={certificate.certificate}"


async def test_a_server_without_tls_is_used_unless_tls_is_required(postgres: Database) -> None:
    assert not await used(postgres)
    assert not await used(postgres, "sslmode=disable")
    assert not await used(postgres, "sslmode=prefer")
    assert "does not answer" in await refused(postgres, "sslmode=require")


async def test_a_server_with_tls_is_used_with_it_unless_that_is_disabled(
    encrypted: Database,
) -> None:
    assert await used(encrypted)
    assert await used(encrypted, "sslmode=require")
    assert not await used(encrypted, "sslmode=disable")


async def test_an_authority_that_is_trusted_is_believed(
    encrypted: Database, certificate: Certificate
) -> None:
    assert await used(encrypted, "sslmode=verify-ca", trusting(certificate))
    assert await used(encrypted, "sslmode=verify-full", trusting(certificate))


async def test_without_an_authority_nobody_is_verified_and_so_refused(
    encrypted: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where asyncpg looks for one
    assert "asyncpg cannot follow" in await refused(encrypted, "sslmode=verify-full")


async def test_an_authority_that_is_not_trusted_is_refused(
    encrypted: Database, tmp_path: Path
) -> None:
    other = new_certificate(tmp_path, "other")
    for mode in ("verify-ca", "verify-full"):
        words = await refused(encrypted, f"sslmode={mode}", trusting(other))
        assert "speaks no TLS that we trust" in words
    nowhere = f"sslrootcert={tmp_path / 'nowhere'}"
    assert "a file that is not there" in await refused(encrypted, "sslmode=verify-full", nowhere)


async def test_a_certificate_of_another_host_is_refused_where_the_host_is_verified(
    postgres: Database, tmp_path: Path
) -> None:
    elsewhere = new_certificate(tmp_path, of="DNS:elsewhere.test")
    with postgres.server.encrypted(elsewhere.key, elsewhere.certificate):
        assert await used(postgres, "sslmode=verify-ca", trusting(elsewhere))
        words = await refused(postgres, "sslmode=verify-full", trusting(elsewhere))
        assert "speaks no TLS that we trust" in words
