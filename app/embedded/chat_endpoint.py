"""The embedded language model: an HTTP endpoint that speaks the chat-completions protocol.

Pipecat's own `OpenAILLMService` calls it as it calls OpenAI, with streaming and tool calls. What
it answers comes from the scripts of the recipes: the model `acme/assistant` plays the script of
the task `assistant` of the assistant `acme`.

Source: the OpenAI API reference, "Create chat completion" and "Streaming".
"""

import asyncio
import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

from loguru import logger
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agents import Call, Reply, Say, Script, Turn

# As fast as the quickest hosted models, and slow enough that a person sees the answer grow.
WORDS_PER_S = 60.0

# A conversation of a thousand turns is a few hundred kilobytes.
MAX_REQUEST_BYTES = 8 * 1024 * 1024


class ChatEndpoint:
    """An ASGI application that plays scripts as models.

    Attributes:
        api_key: The key that callers have to present, made anew for every process.
        app: The application.
    """

    def __init__(self, scripts: Mapping[str, Script], *, words_per_s: float = WORDS_PER_S) -> None:
        """Build the endpoint.

        Args:
            scripts: Scripts by model name, for example `acme/assistant`.
            words_per_s: How fast an answer is streamed.
        """
        self.api_key = secrets.token_urlsafe(24)
        self._scripts = dict(scripts)
        self._pause_s = 1.0 / words_per_s
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
                Route("/v1/models", self._models, methods=["GET"]),
            ]
        )

    async def _models(self, request: Request) -> Response:
        refusal = self._check_key(request)
        if refusal is not None:
            return refusal
        models = [{"id": name, "object": "model", "owned_by": "scripts"} for name in self._scripts]
        return JSONResponse({"object": "list", "data": models})

    async def _complete(self, request: Request) -> Response:
        refusal = self._check_key(request)
        if refusal is not None:
            return refusal
        if int(request.headers.get("content-length", "0")) > MAX_REQUEST_BYTES:
            return _error(413, "the request is too large", "request_too_large")
        try:
            body = await request.json()
            turn = _turn(body)
            model = str(body["model"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return _error(400, "the request is not a chat completion", "invalid_request")
        script = self._scripts.get(model)
        if script is None:
            return _error(404, f"there is no model {model!r}", "model_not_found")
        try:
            reply = script(turn)
        except Exception:
            logger.exception(f"The script of {model} failed")
            return _error(500, "the script failed", "script_failed")
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
        if body.get("stream"):
            options = body.get("stream_options") or {}
            stream = self._stream(head, reply, bool(options.get("include_usage")), turn)
            return StreamingResponse(stream, media_type="text/event-stream")
        return JSONResponse(_completion(head, reply, turn))

    async def _stream(
        self, head: dict[str, Any], reply: Reply, include_usage: bool, turn: Turn
    ) -> AsyncIterator[str]:
        head = {**head, "object": "chat.completion.chunk"}
        yield _event(head, {"role": "assistant", "content": ""})
        if isinstance(reply, Say):
            for word in _words(reply.text):
                yield _event(head, {"content": word})
                await asyncio.sleep(self._pause_s)
            yield _event(head, {}, finish="stop")
        else:
            for index, call in enumerate(reply):
                yield _event(head, {"tool_calls": [{"index": index, **_tool_call(call)}]})
            yield _event(head, {}, finish="tool_calls")
        if include_usage:
            yield f"data: {json.dumps({**head, 'choices': [], 'usage': _usage(reply, turn)})}\n\n"
        yield "data: [DONE]\n\n"

    def _check_key(self, request: Request) -> Response | None:
        given = request.headers.get("authorization", "")
        if secrets.compare_digest(given.encode(), f"Bearer {self.api_key}".encode()):
            return None
        return _error(401, "the key is not the one of this process", "invalid_api_key")


def _turn(body: Mapping[str, Any]) -> Turn:
    messages = [message for message in body["messages"] if isinstance(message, dict)]
    tools = frozenset(str(tool["function"]["name"]) for tool in body.get("tools") or ())
    return Turn(messages, tools)


def _words(text: str) -> list[str]:
    """Split a text so that joining the parts gives it back, one part a word."""
    first, *rest = text.split(" ")
    return [first, *(f" {word}" for word in rest)]


def _tool_call(call: Call) -> dict[str, Any]:
    return {
        "id": f"call_{uuid.uuid4().hex[:24]}",
        "type": "function",
        "function": {"name": call.tool, "arguments": json.dumps(dict(call.arguments))},
    }


def _event(head: Mapping[str, Any], delta: Mapping[str, Any], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"


def _completion(head: Mapping[str, Any], reply: Reply, turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if isinstance(reply, Say):
        message["content"] = reply.text
    else:
        message["tool_calls"] = [_tool_call(call) for call in reply]
    finish = "stop" if isinstance(reply, Say) else "tool_calls"
    return {
        **head,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": _usage(reply, turn),
    }


def _usage(reply: Reply, turn: Turn) -> dict[str, int]:
    """Count words, as the script has no tokens."""
    prompt = sum(len(str(message.get("content") or "").split()) for message in turn.messages)
    written = len(reply.text.split()) if isinstance(reply, Say) else len(reply)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
    }


def _error(status: int, message: str, code: str) -> JSONResponse:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return JSONResponse({"error": error}, status_code=status)
