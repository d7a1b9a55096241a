"""`rediss://`: TLS before a real server, which is ended by a relay as the servers that packages
carry speak none."""

import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from loguru import logger

from proxy import ConnectError
from proxy.bus import redis_streams
from proxy.bus.redis_streams import RedisStreams
from proxy.bus.streams import BrokerDownError
from tests.brokers.certificates import Certificate, new_certificate
from tests.brokers.redis import RedisServer, redis_server
from tests.proxy.conversation import within
from tests.proxy.relay import Relay

PASSWORD = "a-password-of-the-tests"
WHO = f"line:{PASSWORD}@"
RULES = f"on >{PASSWORD} ~acme* +@connection +@read +@write +@stream +@blocking"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path) as server:
        await server.command("ACL", "SETUSER", "line", RULES)
        yield server


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return new_certificate(tmp_path)


@contextlib.asynccontextmanager
async def encrypted(server: RedisServer, shown: Certificate) -> AsyncIterator[Relay]:
    """Have TLS before a server while the block runs."""
    async with Relay(server.port, path="", tls=shown.context()).running() as relay:
        yield relay


def url_of(relay: Relay, *options: str, who: str = WHO) -> str:
    return f"{relay.url.replace('ws://', f'rediss://{who}')}?{'&'.join(options)}"


def trusting(certificate: Certificate) -> str:
    return f"ssl_ca_certs={certificate.certificate}"


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[RedisStreams]:
    streams = RedisStreams(url)
    await within(streams.open())
    try:
        yield streams
    finally:
        await streams.close()


async def refused(url: str) -> str:
    """Return why a broker cannot be used; never with the password."""
    with pytest.raises(ConnectError) as raised:
        async with connected(url):
            pass
    assert PASSWORD not in str(raised.value)
    assert raised.value.__suppress_context__
    return str(raised.value)


async def test_a_user_whose_password_is_in_the_url_does_everything_over_tls(
    server: RedisServer, certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    sink = logger.add(said.append, level="TRACE")
    caplog.set_level(logging.DEBUG)
    async with encrypted(server, certificate) as relay:
        async with connected(url_of(relay, trusting(certificate))) as streams:
            await streams.create(["acme_up"])
            await streams.append("acme_up", [b"1"])
            reader = streams.reader("acme_up")
            assert await within(reader.read()) == [b"1"]
            relay.cut()
            with pytest.raises(BrokerDownError):
                await within(streams.refresh(["acme_up"]))
            await streams.put("acme_q", b"x", ttl_s=5)
            assert await within(streams.take("acme_q", wait_s=5)) == b"x"
            await streams.append("acme_up", [b"2"])
            with pytest.raises(BrokerDownError):
                await within(reader.read())
            assert await within(reader.read()) == [b"2"]
            with pytest.raises(BrokerDownError, match="NoPermissionError"):
                await streams.create(["other_up"])
        assert relay.connections > 2
    logger.remove(sink)
    assert PASSWORD not in "".join(said) + caplog.text


async def test_the_authorities_are_loaded_once_for_all_connections(
    server: RedisServer, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[ssl.SSLContext] = []
    load = ssl.create_default_context

    def counted() -> ssl.SSLContext:
        loaded.append(load())
        return loaded[-1]

    async with encrypted(server, certificate) as relay:
        monkeypatch.setattr(ssl, "create_default_context", counted)
        async with connected(url_of(relay, trusting(certificate))) as streams:
            await streams.create(["acme_up"])
            for number in range(3):
                await streams.append("acme_up", [b"%d" % number])
                assert len(await within(streams.reader("acme_up").read())) == number + 1
    assert relay.connections == 5
    assert len(loaded) == 1


async def test_an_authority_that_is_not_trusted_is_refused(
    server: RedisServer, certificate: Certificate, tmp_path: Path
) -> None:
    other = new_certificate(tmp_path, "other")
    async with encrypted(server, certificate) as relay:
        for url in (url_of(relay), url_of(relay, trusting(other))):
            assert "no TLS that we trust (SSLCertVerificationError)" in await refused(url)
        async with connected(url_of(relay, "ssl_cert_reqs=none")):
            pass  # who says so trusts anybody


async def test_a_certificate_of_another_host_is_refused(
    server: RedisServer, tmp_path: Path
) -> None:
    elsewhere = new_certificate(tmp_path, of="DNS:elsewhere.test")
    async with encrypted(server, elsewhere) as relay:
        assert "no TLS that we trust" in await refused(url_of(relay, trusting(elsewhere)))
        url = url_of(relay, trusting(elsewhere), "ssl_check_hostname=false")
        async with connected(url):
            pass


async def test_a_wrong_password_is_refused_over_tls(
    server: RedisServer, certificate: Certificate
) -> None:
    async with encrypted(server, certificate) as relay:
        url = url_of(relay, trusting(certificate), who=f"line:not-{PASSWORD}@")
        assert "AuthenticationError" in await refused(url)


async def test_plain_and_tls_do_not_meet(
    server: RedisServer, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_streams, "ANSWER_TIMEOUT_S", 0.3)
    async with encrypted(server, certificate) as relay:
        plain = url_of(relay).replace("rediss://", "redis://")
        assert "cannot be used" in await refused(plain)
    nobody = server.url.replace("redis://", f"rediss://{WHO}")
    assert "cannot be used" in await refused(nobody)


async def test_a_file_that_is_not_there_is_refused(
    server: RedisServer, certificate: Certificate, tmp_path: Path
) -> None:
    async with encrypted(server, certificate) as relay:
        url = url_of(relay, f"ssl_ca_certs={tmp_path / 'nowhere'}")
        assert "cannot be used" in await refused(url)
