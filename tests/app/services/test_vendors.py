"""The vendors' real clients, against small servers that speak their protocols."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from agents import discover
from agents.acme.script import assistant_script
from app.caller.assistants import RemoteAssistant
from app.caller.call import Call, CallResult
from app.caller.local import LocalAssistant
from app.caller.transcript import Speaker
from app.demo import recordings
from app.errors import ServiceError
from app.loopback import serve_on_loopback
from app.server import running_server
from app.services import Roles
from app.services.vendors import cartesia_socket_url
from app.services.voices import list_voices
from app.settings import Settings
from tests.emulators import cartesia, deepgram, openai
from tests.emulators.cartesia import CartesiaEmulator
from tests.emulators.deepgram import DeepgramEmulator
from tests.emulators.openai import OpenAIEmulator

HEARD = ("How much are the rocket boots?", "Thank you. Goodbye.")


class Cloud:
    """The three vendors."""

    def __init__(self) -> None:
        self.openai = OpenAIEmulator(assistant_script)
        self.deepgram = DeepgramEmulator(HEARD)
        self.cartesia = CartesiaEmulator()

    @contextlib.asynccontextmanager
    async def settings(self, **further: Any) -> AsyncIterator[Settings]:
        """Serve all three, and give the settings that lead to them."""
        async with (
            serve_on_loopback(self.openai.app) as llm,
            serve_on_loopback(self.deepgram.app) as stt,
            serve_on_loopback(self.cartesia.app) as tts,
        ):
            yield Settings(
                openai_api_key=SecretStr(openai.KEY),
                openai_base_url=f"{llm}/v1",
                deepgram_api_key=SecretStr(deepgram.KEY),
                deepgram_base_url=stt,
                cartesia_api_key=SecretStr(cartesia.KEY),
                cartesia_base_url=tts,
                port=0,
                host="127.0.0.1",
                **further,
            )


def check(result: CallResult, cloud: Cloud) -> None:
    assert result.error is None
    assert result.ended_by_assistant
    assert result.transcript.said_by(Speaker.CALLER) == list(HEARD)
    began = [line.at_s for line in result.transcript.lines]
    assert began == sorted(began)
    said = " ".join(result.transcript.said_by(Speaker.ASSISTANT))
    assert "$299" in said
    assert "Goodbye" in said
    assert len(result.speaker.heard) > 3 * 48000
    assert cloud.deepgram.queries[0]["sample_rate"] == "16000"
    assert cloud.deepgram.queries[0]["encoding"] == "linear16"
    assert cloud.openai.requests[0]["stream"] is True
    assert cloud.cartesia.requests[0]["output_format"]["encoding"] == "pcm_s16le"


@pytest.mark.long
async def test_a_call_over_the_cloud_behind_a_url() -> None:
    cloud, assistants = Cloud(), discover()
    async with (
        cloud.settings() as settings,
        running_server(settings, assistants) as (url, _),
        Roles.open(settings, assistants) as roles,
    ):
        side = RemoteAssistant(f"{url}/ws/acme", token=None)
        result = await Call(side, recordings()).hold(roles)
    check(result, cloud)


@pytest.mark.long
async def test_a_call_over_the_cloud_in_one_process() -> None:
    cloud, assistants = Cloud(), discover()
    async with cloud.settings() as settings, Roles.open(settings, assistants) as roles:
        side = LocalAssistant(assistants["acme"], roles)
        result = await Call(side, recordings()).hold(roles)
    check(result, cloud)


async def test_cartesias_voices_are_listed_page_by_page() -> None:
    async with Cloud().settings() as settings:
        voices = await list_voices(settings)
    assert {voice.id: voice.name for voice in voices} == cartesia.VOICES


async def test_a_vendor_that_refuses_is_named_without_its_key() -> None:
    async with Cloud().settings() as settings:
        wrong = settings.model_copy(update={"cartesia_api_key": settings.openai_api_key})
        with pytest.raises(ServiceError, match="Cartesia answered 401") as refused:
            await list_voices(wrong)
    assert openai.KEY not in str(refused.value)


async def test_a_vendor_that_is_not_there_is_named() -> None:
    settings = Settings(cartesia_api_key="x", cartesia_base_url="http://127.0.0.1:9")  # type: ignore[arg-type]
    with pytest.raises(ServiceError, match="Cartesia cannot be reached"):
        await list_voices(settings)


@pytest.mark.parametrize(
    ("base", "socket"),
    [
        (None, "wss://api.cartesia.ai/tts/websocket"),
        ("http://localhost:1", "ws://localhost:1/tts/websocket"),
        ("https://eu.example/x/", "wss://eu.example/x/tts/websocket"),
    ],
)
def test_the_address_of_the_speech_socket_follows_the_base_url(base: str, socket: str) -> None:
    assert cartesia_socket_url(base) == socket
