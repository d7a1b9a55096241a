"""What is Redis's own: addresses, users, errors, and connections that break."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from proxy import ConnectError
from proxy.bus import redis_streams, redis_wire
from proxy.bus.redis_streams import RedisStreams
from proxy.bus.streams import BrokerDownError
from tests.brokers.redis import RedisServer, redis_server
from tests.proxy.conversation import within

PASSWORD = "a-password-of-the-tests"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path) as server:
        yield server


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[RedisStreams]:
    streams = RedisStreams(url)
    await streams.open()
    try:
        yield streams
    finally:
        await streams.close()


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "option"),
        [
            ("rediss://h?ssl_ca_cert=hush", "ssl_ca_cert"),
            ("redis://h?ssl_ca_certs=hush", "ssl_ca_certs"),
            ("redis://h?db=1&x=hush", "x"),
            ("rediss://h?ssl_cert_reqs=hush", "ssl_cert_reqs"),
            ("redis://h?db=hush", "db"),
        ],
    )
    def test_an_option_that_cannot_be_used_is_named_without_its_value(
        self, url: str, option: str
    ) -> None:
        with pytest.raises(ConnectError, match=f"has no option '{option}', or none") as refused:
            RedisStreams(url)
        assert "hush" not in str(refused.value)

    @pytest.mark.parametrize(
        "url", ["http://localhost?x=1", "redis://h:port?x=1", "redis://[h", "nothing"]
    )
    def test_another_address_is_refused(self, url: str) -> None:
        with pytest.raises(ConnectError, match="is not a redis"):
            RedisStreams(url)

    async def test_nobody_there_is_told_without_the_password(self) -> None:
        streams = RedisStreams(f"redis://me:{PASSWORD}@127.0.0.1:9")
        with pytest.raises(ConnectError) as raised:
            await streams.open()
        assert "redis://127.0.0.1:9 cannot be used" in str(raised.value)
        assert PASSWORD not in str(raised.value)
        assert raised.value.__cause__ is None

    async def test_a_user_who_may_do_what_is_needed_can_do_everything(
        self, server: RedisServer
    ) -> None:
        rules = f"on >{PASSWORD} ~acme* +@connection +@read +@write +@stream +@blocking"
        await server.command("ACL", "SETUSER", "line", rules)
        async with connected(server.url.replace("//", f"//line:{PASSWORD}@")) as streams:
            await streams.create(["acme_up"])
            await streams.append("acme_up", [b"x"])
            assert await within(streams.reader("acme_up").read()) == [b"x"]
            await streams.put("acme_q", b"x", ttl_s=5)
            assert await within(streams.take("acme_q", wait_s=5)) == b"x"
            await streams.post("acme_b", "me", b"x")
            assert await streams.notices("acme_b") == {"me": b"x"}
            with pytest.raises(BrokerDownError, match="NoPermissionError"):
                await streams.create(["other_up"])
            await streams.unpost("acme_b", "me")
            await streams.remove(["acme_up"])
            assert await streams.reap() == 0

    @pytest.mark.parametrize("who", ["", f"default:{PASSWORD}-wrong@"])
    async def test_who_may_not_come_in_is_told_so(self, server: RedisServer, who: str) -> None:
        await server.command("CONFIG", "SET", "requirepass", PASSWORD)
        streams = RedisStreams(server.url.replace("//", f"//{who}"))
        with pytest.raises(ConnectError, match="AuthenticationError") as raised:
            await streams.open()
        assert PASSWORD not in str(raised.value)

    async def test_who_may_ask_nothing_is_told_so(self, server: RedisServer) -> None:
        await server.command("ACL", "SETUSER", "line", f"on >{PASSWORD} -@all")
        streams = RedisStreams(server.url.replace("//", f"//line:{PASSWORD}@"))
        with pytest.raises(ConnectError, match="NoPermissionError"):
            await streams.open()


class TestReading:
    async def test_a_reader_waits_as_long_as_its_stream_is_there(
        self, server: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redis_streams, "BLOCK_S", 0.02)
        async with connected(f"{server.url}/0?protocol=3&socket_timeout=0.01") as streams:
            await streams.create(["acme_up"])
            reading = asyncio.create_task(reader_of(streams))
            await asyncio.sleep(0.1)
            await streams.append("acme_up", [b"x"])
            assert await within(reading) == [b"x"]

    async def test_nothing_is_read_after_disconnecting(self, server: RedisServer) -> None:
        async with connected(server.url) as streams:
            await streams.create(["acme_up"])
            await streams.append("acme_up", [b"x"])
            reader = streams.reader("acme_up")
            await within(reader.read())
            await streams.close()
            with pytest.raises(BrokerDownError):
                await within(reader.read())


async def reader_of(streams: RedisStreams) -> Sequence[bytes]:
    return await streams.reader("acme_up").read()


class TestErrors:
    async def test_an_answer_that_is_an_error_is_told_without_what_was_asked(
        self, server: RedisServer
    ) -> None:
        await server.command("SET", "acme_up", "text")
        await server.command("SET", "acme_q", "text")
        async with connected(server.url) as streams:
            for asking in (
                streams.append("acme_up", [b"secret"]),
                streams.reader("acme_up").read(),
                streams.take("acme_q", wait_s=5),
            ):
                with pytest.raises(BrokerDownError, match="WRONGTYPE") as raised:
                    await within(asking)
                assert "secret" not in str(raised.value)
            await streams.create(["acme_other"])  # and goes on

    async def test_an_item_that_nobody_took_in_time_does_not_hide_the_next(
        self, server: RedisServer
    ) -> None:
        async with connected(server.url) as streams:
            await streams.put("acme_q", b"old", ttl_s=30)
            (oldest,) = set(await server.keys()) - {"acme_q"}
            await streams.put("acme_q", b"new", ttl_s=30)
            await server.command("DEL", oldest)  # as its time to live does
            assert await within(streams.take("acme_q", wait_s=5)) == b"new"

    async def test_one_connection_waits_for_claims_after_claims(self, server: RedisServer) -> None:
        async with connected(server.url) as streams:
            for _ in range(5):
                assert await streams.take("acme_q", wait_s=0.01) is None
            assert len(streams._idle) == 1
            taking = asyncio.create_task(streams.take("acme_q", wait_s=30))
            await asyncio.sleep(0.01)
            taking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await taking
            assert streams._idle == []

    async def test_a_notice_that_vanished_is_forgotten_by_its_board(
        self, server: RedisServer
    ) -> None:
        async with connected(server.url) as streams:
            await streams.post("acme_b", "kept", b"1")
            await streams.post("acme_b", "gone", b"2")
            await server.command("DEL", "acme_b:gone")
            assert await streams.notices("acme_b") == {"kept": b"1"}
            assert (await server.command("SCARD", "acme_b")).startswith(b":1\r\n")


class TestAsking:
    async def test_a_broker_that_does_not_answer_is_given_up(
        self, server: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with connected(server.url) as streams:
            await streams.create(["acme_up"])
            monkeypatch.setattr(redis_wire, "ANSWER_TIMEOUT_S", 0.05)
            await server.command("CLIENT", "PAUSE", "300", "WRITE")
            with pytest.raises(BrokerDownError, match="the broker is away"):
                await within(streams.refresh(["acme_up"]))

            async def again() -> None:
                while True:
                    with contextlib.suppress(BrokerDownError):
                        return await streams.refresh(["acme_up"])

            await within(again())

    async def test_who_is_cancelled_while_asking_does_not_disturb_the_others(
        self, server: RedisServer
    ) -> None:
        async with connected(server.url) as streams:
            await streams.create(["acme_up"])
            asking = [asyncio.create_task(streams.append("acme_up", [b"x"])) for _ in range(10)]
            await asyncio.sleep(0)
            asking[3].cancel()
            done = await asyncio.gather(*asking, return_exceptions=True)
            assert [type(outcome) for outcome in done].count(asyncio.CancelledError) == 1

    async def test_too_much_at_a_time_is_refused(
        self, server: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redis_wire, "MAX_WAITING", 1)
        async with connected(server.url) as streams:
            asking = [asyncio.create_task(streams.refresh(["a", "b"])) for _ in range(3)]
            done = await asyncio.gather(*asking, return_exceptions=True)
            assert any(isinstance(outcome, BrokerDownError) for outcome in done)

    async def test_disconnecting_lets_go_of_whoever_asks(self, server: RedisServer) -> None:
        async with connected(server.url) as streams:
            await streams.create(["acme_up"])
            await server.command("CLIENT", "PAUSE", "100", "WRITE")
            first = asyncio.create_task(streams.refresh(["acme_up"]))
            await asyncio.sleep(0.01)
            second = asyncio.create_task(streams.refresh(["acme_up"]))
            cancelled = asyncio.create_task(streams.refresh(["acme_up"]))
            await asyncio.sleep(0)
            cancelled.cancel()
            await within(streams.close())
            for asking in (first, second):
                with pytest.raises(BrokerDownError):
                    await within(asking)
