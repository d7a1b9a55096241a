"""A small server that speaks Cartesia's speech socket and its list of voices."""

import asyncio
import base64
import json
from typing import Any

import numpy as np
import soxr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from app.embedded.voices import find_voice

KEY = "ct-emulated"
VOICES = {
    "9626c31c-bec5-4cca-baa8-f8ba9e84c8bc": "Jacqueline",
    "a167e0f3-df7e-4d52-a9c3-f949145efdab": "Blake",
}


class CartesiaEmulator:
    """The server; what it says is spoken by the embedded voice.

    Attributes:
        app: The ASGI application.
        requests: Every message that it got over the socket.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self._voice = find_voice()
        self.app = Starlette(
            routes=[
                WebSocketRoute("/tts/websocket", self._speak),
                Route("/voices", self._list_voices),
            ]
        )

    async def _list_voices(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"error": "unauthorized"}, status_code=401)
        after = request.query_params.get("starting_after")
        listed = list(VOICES.items())
        start = [voice for voice, _ in listed].index(after) + 1 if after else 0
        data = [_voice(voice, name) for voice, name in listed[start : start + 1]]
        return JSONResponse({"data": data, "has_more": start + 1 < len(listed)})

    async def _speak(self, socket: WebSocket) -> None:
        if socket.headers.get("x-api-key") != KEY or "cartesia-version" not in socket.headers:
            await socket.close()
            return
        await socket.accept()
        while True:
            event = await socket.receive()
            if event["type"] == "websocket.disconnect":
                return
            message = json.loads(event["text"])
            self.requests.append(message)
            if message.get("cancel"):
                continue
            context = message["context_id"]
            if message["transcript"].strip():
                await self._say(socket, message)
            if not message["continue"]:
                await socket.send_json({"type": "done", "context_id": context, "done": True})

    async def _say(self, socket: WebSocket, message: dict[str, Any]) -> None:
        context, rate_hz = message["context_id"], message["output_format"]["sample_rate"]
        speech = await self._voice.say(message["transcript"], self._voice.voices[0])
        samples = np.frombuffer(speech.audio, dtype=np.int16).astype(np.float32)
        audio = soxr.resample(samples, speech.rate_hz, rate_hz).astype(np.int16).tobytes()
        words = message["transcript"].split()
        step = len(audio) / 2 / rate_hz / max(1, len(words))
        times = {
            "words": words,
            "start": [step * at for at in range(len(words))],
            "end": [step * (at + 1) for at in range(len(words))],
        }
        await socket.send_json(
            {"type": "timestamps", "context_id": context, "word_timestamps": times, "done": False}
        )
        for start in range(0, len(audio), 9600):
            data = base64.b64encode(audio[start : start + 9600]).decode()
            await socket.send_json(
                {"type": "chunk", "context_id": context, "data": data, "done": False}
            )
            await asyncio.sleep(0)
        await socket.send_json({"type": "flush_done", "context_id": context, "done": False})


def _voice(voice: str, name: str) -> dict[str, Any]:
    return {
        "id": voice,
        "name": name,
        "description": f"{name}'s voice.",
        "language": "en",
        "access": "public",
        "visibility": "all",
        "is_owner": False,
        "tagline": "",
        "locales": [],
        "created_at": "2026-01-01T00:00:00Z",
    }
