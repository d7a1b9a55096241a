"""What our protocols rely on in uvicorn's, so that another version cannot change it in silence.

That the bounds hold is shown over real sockets in test_floods.py.
"""

import asyncio
import inspect
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.protocol import State

from app.server.http_protocol import DoorProtocol
from app.server.websocket_protocol import LineProtocol

ROOT = Path(__file__).parents[3]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("nobody calls this")


def config() -> Config:
    # Uvicorn sets up its log for the whole process, which then keeps every request for the reports.
    config = Config(
        application, http=DoorProtocol, ws=LineProtocol, lifespan="off", log_config=None
    )
    config.load()
    return config


def test_the_version_is_one_that_was_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [pinned] = [entry for entry in project["dependencies"] if entry.startswith("uvicorn")]
    assert pinned == "uvicorn>=0.54,<0.55"
    assert version("uvicorn").startswith("0.54.")
    assert f"uvicorn=={version('uvicorn')} " in (ROOT / "requirements.lock").read_text()


def test_our_classes_are_the_ones_that_are_used() -> None:
    assert config().http_protocol_class is DoorProtocol
    assert config().ws_protocol_class is LineProtocol


@pytest.mark.parametrize(
    ("ours", "theirs"), [(LineProtocol, WebSocketsSansIOProtocol), (DoorProtocol, H11Protocol)]
)
def test_every_method_that_we_extend_is_there_with_its_arguments(ours: type, theirs: type) -> None:
    extended = [
        name
        for name, value in vars(ours).items()
        if inspect.isfunction(value) and "super()." in inspect.getsource(value)
    ]
    assert len(extended) >= 6
    for name in extended:
        if name == "_parse_others":  # ours, which calls another of theirs
            continue
        assert callable(getattr(theirs, name)), name
        if name != "__init__":
            wanted = list(inspect.signature(getattr(ours, name)).parameters)
            assert list(inspect.signature(getattr(theirs, name)).parameters) == wanted, name


async def test_the_state_that_we_read_and_write_is_there() -> None:
    line = WebSocketsSansIOProtocol(config(), ServerState(), {}, asyncio.get_running_loop())
    expected: dict[str, object] = {
        "handshake_initiated": False,
        "handshake_complete": False,
        "close_sent": False,
        "disconnected": False,
        "read_paused": False,
        "close_timer": None,
        "close_timeout": 10.0,
        "frames": [],
    }
    assert {name: getattr(line, name) for name in expected} == expected
    assert line.queue.empty()
    assert line.conn.close_rcvd is None
    assert line.conn.state is State.CONNECTING
    assert line.conn.extensions == []
    assert line.writable.is_set()
    assert callable(line.conn.fail)
    assert callable(line.stop_keepalive)
    door = H11Protocol(config(), ServerState(), {}, asyncio.get_running_loop())
    assert door.cycle is None


def test_no_more_is_asked_of_the_queue_than_ours_can_do() -> None:
    source = inspect.getsource(WebSocketsSansIOProtocol)
    assert set(re.findall(r"self\.queue\.(\w+)", source)) == {"put_nowait", "get", "empty"}


def test_the_handshake_is_not_looked_at_again() -> None:
    source = inspect.getsource(WebSocketsSansIOProtocol)
    users = [
        name
        for name, value in vars(WebSocketsSansIOProtocol).items()
        if inspect.isfunction(value)
        and re.search(r"self\.(request|response)\b", inspect.getsource(value))
    ]
    assert users == ["handle_connect", "send"]
    accept, _, rest = source.partition('message["type"] == "websocket.accept"')[2].partition("elif")
    assert "self.response" in accept
    assert "self.response" not in rest


async def test_a_message_pauses_reading_until_the_application_took_it() -> None:
    source = inspect.getsource(WebSocketsSansIOProtocol)
    assert "self.transport.pause_reading()" in source
    assert "if self.read_paused and self.queue.empty():" in source


def test_the_server_stops_when_it_is_told_to() -> None:
    server = Server(config())
    assert (server.should_exit, server.started) == (False, False)
    assert list(inspect.signature(server.serve).parameters) == ["sockets"]
