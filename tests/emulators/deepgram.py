"""A small server that speaks Deepgram's listen socket and hears what it is told to."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

KEY = "dg-emulated"

# Louder than this is speech.
LOUD = 500


class DeepgramEmulator:
    """The server.

    Attributes:
        app: The ASGI application.
        queries: The query of every connection.
    """

    def __init__(self, transcripts: Sequence[str]) -> None:
        """Prepare what is heard, one transcript for each utterance."""
        self.queries: list[dict[str, str]] = []
        self._transcripts = list(transcripts)
        self.app = Starlette(
            routes=[
                WebSocketRoute("/v1/listen", self._listen),
                Route("/v1/auth/token", self._token),
            ]
        )

    async def _token(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Token {KEY}":
            return JSONResponse({"err_code": "INVALID_AUTH"}, status_code=401)
        return JSONResponse({"api_key_id": "1", "scopes": ["member"]})

    async def _listen(self, socket: WebSocket) -> None:
        if socket.headers.get("authorization") != f"Token {KEY}":
            await socket.close()
            return
        self.queries.append(dict(socket.query_params))
        await socket.accept()
        speech = False
        while True:
            event = await socket.receive()
            if event["type"] == "websocket.disconnect":
                return
            if event.get("bytes"):
                samples = np.frombuffer(event["bytes"], dtype=np.int16)
                speech = speech or bool(np.abs(samples).max(initial=0) > LOUD)
                continue
            message = json.loads(event["text"])
            if message["type"] == "Finalize":
                text = self._transcripts.pop(0) if speech and self._transcripts else ""
                speech = False
                if text:
                    await socket.send_json(_results(text.split(" ")[0], final=False))
                await socket.send_json(_results(text, final=True))
            elif message["type"] == "CloseStream":
                await socket.close()
                return


def _results(transcript: str, *, final: bool) -> dict[str, Any]:
    words = [
        {"word": word, "start": 0.1 * at, "end": 0.1 * at + 0.1, "confidence": 0.99}
        for at, word in enumerate(transcript.split())
    ]
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "duration": 1.0,
        "start": 0.0,
        "is_final": final,
        "speech_final": final,
        "from_finalize": final,
        "channel": {
            "alternatives": [{"transcript": transcript, "confidence": 0.99, "words": words}]
        },
        "metadata": {
            "request_id": "1",
            "model_uuid": "1",
            "model_info": {"name": "nova", "version": "1", "arch": "nova"},
        },
    }
