import pytest

from app.addresses import is_loopback, problem_of, shown_url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ws://localhost:8765/ws", None),
        ("wss://[::1]/ws/acme?token=x", None),
        ("http://x", "starts with ws:// or wss://"),
        ("localhost:8765", "starts with ws:// or wss://"),
        ("", "starts with ws:// or wss://"),
        ("ws://", "names a host, as in ws://localhost:8765"),
        ("ws:///ws", "names a host, as in ws://localhost:8765"),
        ("ws://:8765/ws", "names a host, as in ws://localhost:8765"),
        ("ws://x:99999", "has a port from 1 to 65535"),
        ("ws://x:0", "has a port from 1 to 65535"),
        ("ws://x:http/ws", "has a port from 1 to 65535"),
        ("ws://[bad", "is not a URL"),
        ("ws://a host/ws", "has no spaces in it"),
        ("ws://a\x1bhost/ws", "has no spaces in it"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url: str, problem: str | None) -> None:
    assert problem_of(url, ("ws", "wss")) == problem


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://me:secret@host:1/ws/acme?token=secret#secret", "wss://host:1/ws/acme"),
        ("http://[bad", "(not a URL)"),
        ("http://x:99999", "(not a URL)"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://127.8.8.8", True),
        ("ws://localhost/ws", True),
        ("http://[::1]:1", True),
        ("http://api.localhost", True),
        ("https://api.openai.com/v1", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.example", False),
    ],
)
def test_a_url_leads_to_this_machine_or_not(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback
