"""A small server that speaks OpenAI's chat-completions protocol, and fails on request.

What the last message of the user holds decides: `[500]`, `[429]`, `[401]`, `[hang]`, `[stall]` (in
the middle of an answer), `[break]`, `[refuse]`.
Otherwise a script answers, as a model would.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agents import Call, Reply, Say, Script, Turn

KEY = "sk-emulated"
MODELS = ("gpt-emulated", "gpt-emulated-mini")


class OpenAIEmulator:
    """The server.

    Attributes:
        app: The ASGI application.
        requests: Every request's body.
        hanging: Requests that are being held up.
        held_up: Set when one is.
        spare: So many requests that would fail succeed first.
    """

    def __init__(self, script: Script) -> None:
        self.requests: list[dict[str, Any]] = []
        self.hanging = 0
        self.spare = 0
        self.held_up = asyncio.Event()
        self._script = script
        self._released = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
                Route("/v1/models", self._models, methods=["GET"]),
            ]
        )

    def release(self) -> None:
        """Let go of every request that is being held up."""
        self._released.set()

    async def _models(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _error(401, "Incorrect API key provided: sk-***.", "invalid_api_key")
        models = [{"id": name, "object": "model"} for name in MODELS]
        return JSONResponse({"object": "list", "data": models})

    async def _complete(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _error(401, "Incorrect API key provided: sk-***.", "invalid_api_key")
        body = await request.json()
        self.requests.append(body)
        said = _last_user_text(body["messages"])
        if self.spare and "[" in said:
            self.spare -= 1
            said = ""
        if "[500]" in said:
            return _error(500, "The server had an error.", "server_error")
        if "[401]" in said:
            return _error(401, f"Incorrect API key provided: {KEY}.", "invalid_api_key")
        if "[429]" in said:
            return _error(429, "Rate limit reached.", "rate_limit_exceeded")
        if "[hang]" in said:
            await self._hang(request)
        if not body.get("stream"):
            return JSONResponse(_completion(body, self._reply(body)))
        return StreamingResponse(self._stream(body, said), media_type="text/event-stream")

    def _reply(self, body: dict[str, Any]) -> Reply:
        tools = frozenset(tool["function"]["name"] for tool in body.get("tools") or ())
        return self._script(Turn(body["messages"], tools))

    async def _hang(self, request: Request) -> None:
        """Answer nothing until released, or until the client gives up."""
        self.hanging += 1
        self.held_up.set()
        waits = {
            asyncio.create_task(self._released.wait()),
            asyncio.create_task(_disconnected(request)),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.hanging -= 1
            for waiting in waits:
                waiting.cancel()

    async def _stream(self, body: dict[str, Any], said: str) -> AsyncIterator[str]:
        head = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": body["model"],
        }

        def event(delta: dict[str, Any], finish: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"

        yield event({"role": "assistant", "content": "", "refusal": None})
        if "[refuse]" in said:
            yield event({"refusal": "I cannot help with that."})
            yield event({}, "stop")
            yield "data: [DONE]\n\n"
            return
        reply = self._reply(body)
        if isinstance(reply, Say):
            for index, word in enumerate(reply.text.split(" ")):
                if "[break]" in said and index == 2:
                    raise ConnectionResetError("the stream breaks here")
                if "[stall]" in said and index == 2:
                    self.hanging += 1
                    self.held_up.set()
                    await self._released.wait()
                yield event({"content": word if index == 0 else f" {word}"})
            yield event({}, "stop")
        else:
            for delta in _tool_deltas(reply):
                yield event(delta)
            yield event({}, "tool_calls")
        if (body.get("stream_options") or {}).get("include_usage"):
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            yield f"data: {json.dumps({**head, 'choices': [], 'usage': usage})}\n\n"
        yield "data: [DONE]\n\n"


def _completion(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """Answer in one piece, in words."""
    assert isinstance(reply, Say)
    message = {"role": "assistant", "content": reply.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"]}
    return {**head, "choices": [choice], "usage": usage}


async def _disconnected(request: Request) -> bool:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return True


def _tool_deltas(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Split calls into pieces, their arguments too, as OpenAI does."""
    deltas: list[dict[str, Any]] = []
    for index, call in enumerate(calls):
        arguments = json.dumps(dict(call.arguments))
        function = {"name": call.tool, "arguments": ""}
        opened = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
        deltas.append({"tool_calls": [opened]})
        for start in range(0, len(arguments), 7):
            piece = {"index": index, "function": {"arguments": arguments[start : start + 7]}}
            deltas.append({"tool_calls": [piece]})
    return deltas


def _last_user_text(messages: list[dict[str, Any]]) -> str:
    said = [str(message.get("content")) for message in messages if message["role"] == "user"]
    return said[-1] if said else ""


def _error(status: int, message: str, code: str) -> JSONResponse:
    return JSONResponse(
        {"error": {"message": message, "type": "error", "param": None, "code": code}},
        status_code=status,
    )
