"""The built page is served to everybody who may reach the server, and says what browsers may do."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from agents import Assistants
from app.page import routes
from tests.app.server.conftest import assistants as assistants
from tests.app.server.identity.asking import asking

INDEX, OPERATOR = "<!doctype html><title>Talk</title>", "<!doctype html><title>Operate</title>"
SCRIPT = "console.log('hello')\n" * 100


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page that was built."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(INDEX)
    (tmp_path / "operator.html").write_text(OPERATOR)
    script = tmp_path / "assets" / "index-abc123.js"
    script.write_text(SCRIPT)
    script.with_name(f"{script.name}.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (tmp_path / "assets" / "icon.svg").write_text("<svg/>")
    (tmp_path.parent / "secret.txt").write_text("a secret")
    monkeypatch.setattr(routes, "STATIC", tmp_path)
    return tmp_path


@pytest.fixture
async def client(assistants: Assistants) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(assistants) as server:
        yield server.client


@pytest.mark.usefixtures("built")
async def test_the_pages_are_served_and_asked_for_anew_each_time(
    client: httpx.AsyncClient,
) -> None:
    for path, text in (("/", INDEX), ("/operator", OPERATOR)):
        answer = await client.get(path)
        assert (answer.status_code, answer.text) == (200, text)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        known = {"If-None-Match": answer.headers["etag"]}
        again = await client.get(path, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert "content-security-policy" in again.headers
        assert (await client.head(path)).status_code == 200


@pytest.mark.usefixtures("built")
async def test_assets_are_kept_for_ever_and_come_compressed_where_that_is_understood(
    client: httpx.AsyncClient,
) -> None:
    path = "/assets/index-abc123.js"
    packed = await client.get(path, headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == SCRIPT
    assert int(packed.headers["content-length"]) < len(SCRIPT) / 10
    for refusal in ("identity", "gzip;q=0"):
        plain = await client.get(path, headers={"Accept-Encoding": refusal})
        assert "content-encoding" not in plain.headers
        assert plain.text == SCRIPT
    for answer in (packed, plain):
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["vary"] == "Accept-Encoding"
    icon = await client.get("/assets/icon.svg", headers={"Accept-Encoding": "gzip"})
    assert icon.text == "<svg/>"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", ["/", "/operator", "/assets/index-abc123.js"])
async def test_a_browser_may_load_and_ask_only_what_is_here(
    client: httpx.AsyncClient, path: str
) -> None:
    headers = (await client.get(path)).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    for what in ("script-src", "style-src", "connect-src", "worker-src"):
        assert policy[what] == "'self'"
    for what in ("base-uri", "form-action", "frame-ancestors"):
        assert policy[what] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["permissions-policy"].startswith("microphone=(self)")


@pytest.mark.usefixtures("built")
async def test_a_page_behind_another_address_may_open_its_websockets(
    assistants: Assistants,
) -> None:
    async with asking(assistants, public_url="wss://voice.example/trunk") as server:
        policy = (await server.client.get("/")).headers["content-security-policy"]
    assert "connect-src 'self' wss://voice.example;" in policy


@pytest.mark.usefixtures("built")
async def test_the_page_is_there_without_a_token(assistants: Assistants) -> None:
    async with asking(assistants, tokens="a-token-of-the-tests") as server:
        for path in ("/", "/operator", "/assets/icon.svg"):
            assert (await server.client.get(path)).status_code == 200


@pytest.mark.usefixtures("built")
async def test_names_and_pages_of_strangers_are_refused(client: httpx.AsyncClient) -> None:
    for path in ("/", "/assets/icon.svg"):
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
            answer = await client.get(path, headers=headers)
            assert answer.status_code == 403
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "path",
    [
        "/assets/nothing.js",
        "/assets/",
        "/assets/../index.html",
        "/assets/%2e%2e/index.html",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/secret.txt",
        "/index.html",
    ],
)
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    # As it is written; a client would tidy it up.
    address = client.base_url.copy_with(raw_path=path.encode())
    answer = await client.get(address)
    assert answer.status_code == 404
    assert "secret" not in answer.text


@pytest.mark.usefixtures("built")
async def test_a_page_takes_nothing(client: httpx.AsyncClient) -> None:
    for path in ("/", "/assets/icon.svg"):
        answer = await client.post(path)
        assert (answer.status_code, answer.json()["code"]) == (405, "wrong_method")


async def test_a_page_that_is_not_built_says_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, assistants: Assistants
) -> None:
    monkeypatch.setattr(routes, "STATIC", tmp_path / "nothing")
    async with asking(assistants) as server:
        for path in ("/", "/operator"):
            answer = await server.client.get(path)
            assert answer.status_code == 503
            assert "run scripts/web" in answer.text
            assert "content-security-policy" in answer.headers
        assert (await server.client.get("/assets/index.js")).status_code == 404
