"""The embedded model, asked with OpenAI's own client."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from openai import (
    AsyncOpenAI,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
)

from agents import Call, Reply, Say, Turn
from app.embedded.chat_endpoint import MAX_REQUEST_BYTES, ChatEndpoint
from app.loopback import serve_on_loopback

TOOL: Any = {"type": "function", "function": {"name": "look", "parameters": {}}}


def script(turn: Turn) -> Reply:
    text = turn.last_text
    if text == "fail":
        raise ValueError("a secret of the script")
    if turn.tools and text != "talk":
        return (Call("look", {"what": text}), Call("look", {"what": "more"}))
    return Say(f"You said {text}.")


class Served:
    def __init__(self, url: str, client: AsyncOpenAI) -> None:
        self.url = url
        self.client = client

    async def ask(self, text: str, **options: Any) -> Any:
        options = {"model": "mine/assistant", **options}
        messages: Any = [{"role": "user", "content": text}]
        return await self.client.chat.completions.create(messages=messages, **options)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    endpoint = ChatEndpoint({"mine/assistant": script}, words_per_s=10_000)
    async with serve_on_loopback(endpoint.app) as url:
        client = AsyncOpenAI(api_key=endpoint.api_key, base_url=f"{url}/v1", max_retries=0)
        async with client:
            yield Served(url, client)


async def test_it_answers_in_one_piece(served: Served) -> None:
    answer = await served.ask("hello")
    assert answer.choices[0].message.content == "You said hello."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 4


async def test_it_streams_words_that_join_to_the_answer(served: Served) -> None:
    stream = await served.ask("two  spaces", stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert "".join(word or "" for word in words) == "You said two  spaces."
    assert len(words) > 4
    assert chunks[-1].usage.completion_tokens == 4


async def test_it_calls_tools_in_parallel(served: Served) -> None:
    answer = await served.ask("find", tools=[TOOL])
    calls = answer.choices[0].message.tool_calls
    assert [call.function.arguments for call in calls] == ['{"what": "find"}', '{"what": "more"}']
    assert len({call.id for call in calls}) == 2
    assert answer.choices[0].finish_reason == "tool_calls"
    stream = await served.ask("find", tools=[TOOL], stream=True)
    deltas = [chunk.choices[0].delta async for chunk in stream]
    streamed = [call for delta in deltas for call in delta.tool_calls or ()]
    assert [call.index for call in streamed] == [0, 1]


async def test_it_lists_its_models(served: Served) -> None:
    assert [model.id async for model in served.client.models.list()] == ["mine/assistant"]


async def test_another_process_is_not_let_in(served: Served) -> None:
    stranger = served.client.with_options(api_key="another-key")
    with pytest.raises(AuthenticationError):
        await stranger.models.list()
    with pytest.raises(AuthenticationError):
        await stranger.chat.completions.create(model="mine/assistant", messages=[])


async def test_what_is_wrong_is_an_error_of_the_protocol(served: Served) -> None:
    with pytest.raises(NotFoundError, match="there is no model 'other'"):
        await served.ask("hello", model="other")
    with pytest.raises(InternalServerError) as failed:
        await served.ask("fail")
    assert "secret" not in str(failed.value)
    with pytest.raises(BadRequestError):
        await served.client.post("/chat/completions", cast_to=httpx.Response, body={"model": 1})
    key = {"Authorization": f"Bearer {served.client.api_key}"}
    async with httpx.AsyncClient(base_url=served.url, headers=key) as client:
        assert (await client.post("/v1/chat/completions", content=b"{")).status_code == 400
        big = b"x" * (MAX_REQUEST_BYTES + 1)
        assert (await client.post("/v1/chat/completions", content=big)).status_code == 413
