"""The server of a benchmark, in a process of its own: `python -m app.bench.server PEER SCENE`."""

import asyncio
import contextlib
import cProfile
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.bus import BusFrameMessage
from pipecat.workers.proxy.websocket import WebSocketProxyServer
from pipecat.workers.runner import WorkerRunner
from pydantic import SecretStr

from agents import Assistants
from app.bench.control import Answer, Control, settle, usage
from app.bench.names import CALLER, Scene
from app.bench.pauses import PauseWatch, full_collection_s
from app.bench.report import Peer
from app.bench.scenes import (
    DUMMY_KEY,
    NOWHERE,
    exports,
    leaves,
    recipe,
    stock_tasks,
)
from app.logs import configure_logs
from app.loopback import EmbeddedServer, started
from app.loops import run
from app.server import running_server
from app.server.garbage import collecting_rarely
from app.settings import Settings

# More than any benchmark opens: what is measured is how many can be held, not how many may be.
MAX_SESSIONS = 10_000


@contextlib.asynccontextmanager
async def our_server(scene: Scene) -> AsyncIterator[str]:
    """Run the session server with the scene as its only assistant; gives the URL."""
    settings = Settings(
        host="127.0.0.1",
        port=0,
        tokens=(),
        default_assistant=scene.value,
        llm="openai",
        openai_api_key=SecretStr(DUMMY_KEY),
        openai_base_url=NOWHERE,
        max_sessions=MAX_SESSIONS,
        drain_timeout_s=1.0,
    )
    async with (
        running_server(settings, Assistants([recipe(scene)])) as (address, server),
        collecting_rarely(lambda: len(server.sessions) == 0),
    ):
        yield f"{address}/ws"


@contextlib.asynccontextmanager
async def stock_server(scene: Scene) -> AsyncIterator[str]:
    """Run a server as Pipecat's example of remote workers does; gives the URL."""
    app = FastAPI()

    @app.websocket("/ws")
    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        proxy = WebSocketProxyServer(
            "gateway",
            websocket=websocket,
            worker_name=exports(scene)[0],
            remote_worker_name=CALLER,
            forward_messages=(BusFrameMessage,),
        )
        runner = WorkerRunner(handle_sigint=False)

        @proxy.event_handler("on_client_disconnected")
        async def on_client_disconnected(*_: object) -> None:
            await runner.cancel()

        await runner.add_workers(proxy, *stock_tasks(scene))
        await runner.run()

    async with _uvicorn(app) as url:
        yield url


@contextlib.asynccontextmanager
async def bare_server(scene: Scene) -> AsyncIterator[str]:
    """Run an ASGI application that echoes what it is sent, whatever the scene; gives the URL."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": event["bytes"]})

    async with _uvicorn(app, ws_per_message_deflate=False) as url:
        yield url


_SERVERS = {Peer.OURS: our_server, Peer.STOCK: stock_server, Peer.BARE: bare_server}


def answers() -> Mapping[str, Answer]:
    """Return what the parent may ask of a server."""
    watch = PauseWatch()
    profile = cProfile.Profile()

    async def start_watch() -> Mapping[str, Any]:
        watch.start()
        return {}

    async def pauses() -> Mapping[str, Any]:
        return watch.as_dict()

    async def collect() -> Mapping[str, Any]:
        return {"took_ms": full_collection_s() * 1000}

    async def next_leaves(asked: str, count: int) -> Mapping[str, Any]:
        return {"took_s": await leaves.take(asked, count)}

    async def start_profile() -> Mapping[str, Any]:
        profile.enable()
        return {}

    async def write_profile(path: str) -> Mapping[str, Any]:
        profile.disable()
        profile.dump_stats(path)
        return {}

    asked: tuple[Answer, ...] = (start_watch, pauses, collect, next_leaves, usage, settle)
    asked += (start_profile, write_profile)
    return {answer.__name__: answer for answer in asked}


@contextlib.asynccontextmanager
async def _uvicorn(app: Any, **options: Any) -> AsyncIterator[str]:
    """Serve on a free loopback port with uvicorn's defaults."""
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", **options)
    server = EmbeddedServer(config)
    serving = asyncio.create_task(server.serve())
    await started(server, serving)
    try:
        yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/ws"
    finally:
        server.should_exit = server.force_exit = True
        await serving


async def _serve(control: Control, server: AbstractAsyncContextManager[str]) -> None:
    async with server as url:
        control.say({"url": url})
        await control.answer(answers())


def main() -> None:
    """Serve until the parent has no more questions."""
    control = Control()
    configure_logs("ERROR")
    peer, scene = Peer(sys.argv[1]), Scene(sys.argv[2])
    run(_serve(control, _SERVERS[peer](scene)))


if __name__ == "__main__":
    main()
