"""Pages as a browser has them: RTVI over a WebSocket, and over WebRTC."""

import asyncio
import contextlib
import fractions
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pipecat.frames.protobufs.frames_pb2 as frame_protos
from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError
from av import AudioFrame
from websockets import ConnectionClosed
from websockets.asyncio.client import ClientConnection, connect

from app.caller.main_task import AUDIO_IN_HZ
from app.caller.recording import Recording

WAIT_S = 60.0
CHUNK_BYTES = AUDIO_IN_HZ // 50 * 2

Message = dict[str, Any]


class Page:
    """What a page hears, and the ways to wait for it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.loudest = 0
        self.closed = asyncio.Event()
        self._news = asyncio.Event()
        self._seen = 0

    def hear(self, message: Message) -> None:
        self.messages.append(message)
        self._news.set()

    def hear_sound(self, samples: "np.ndarray[Any, Any]") -> None:
        if samples.size:
            self.loudest = max(self.loudest, int(np.abs(samples.astype(np.int32)).max()))

    async def until(self, fits: Callable[[Message], bool]) -> Message:
        """Wait for a message that was not waited past yet."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for place, message in enumerate(self.messages[self._seen :], self._seen):
                    if fits(message):
                        self._seen = place + 1
                        return message
                self._news.clear()
                await self._news.wait()

    async def until_type(self, kind: str) -> Message:
        return await self.until(lambda message: message["type"] == kind)

    async def until_line(self, state: str) -> Message:
        found = await self.until(lambda message: line_of(message).get("state") == state)
        return line_of(found)

    async def until_answered(self, words: str) -> None:
        """Wait until the assistant has answered with some words, and spoken them."""
        await self.until(
            lambda message: (
                message["type"] == "bot-output"
                and message["data"]["spoken"]
                and words in message["data"]["text"]
            )
        )

    @property
    def lines(self) -> list[str]:
        return [state for message in self.messages if (state := line_of(message).get("state"))]

    def texts(self, kind: str) -> str:
        return "".join(one["data"]["text"] for one in self.messages if one["type"] == kind)

    async def send(self, kind: str, data: Message | None = None) -> None:
        raise NotImplementedError

    async def ready(self) -> None:
        """Say that the page is ready, and wait until the call is."""
        await self.send("client-ready", {"version": "1.0.0", "about": {"library": "tests"}})
        await self.until_type("bot-ready")

    async def type(self, text: str) -> None:
        options = {"run_immediately": True, "audio_response": True}
        await self.send("send-text", {"content": text, "options": options})


def line_of(message: Message) -> Message:
    data: Any = message.get("data")
    if message["type"] != "server-message" or data.get("trunkline") != "line":
        return {}
    found: Message = data
    return found


def rtvi(kind: str, data: Message | None) -> str:
    return json.dumps({"label": "rtvi-ai", "type": kind, "id": "1", "data": data or {}})


class SocketPage(Page):
    """A page whose call comes over a WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__()
        self.socket = socket

    async def send(self, kind: str, data: Message | None = None) -> None:
        frame = frame_protos.Frame()  # type: ignore[attr-defined]
        frame.message.data = rtvi(kind, data)
        await self.socket.send(frame.SerializeToString())

    async def say(self, recording: Recording) -> None:
        """Speak as a microphone does, and be silent afterwards until cancelled."""
        due = asyncio.get_running_loop().time()
        audio = recording.audio
        while True:
            frame = frame_protos.Frame()  # type: ignore[attr-defined]
            piece, audio = audio[:CHUNK_BYTES], audio[CHUNK_BYTES:]
            frame.audio.audio = piece.ljust(CHUNK_BYTES, b"\0")
            frame.audio.sample_rate = AUDIO_IN_HZ
            frame.audio.num_channels = 1
            await self.socket.send(frame.SerializeToString())
            due += 0.02
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))

    async def listen(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for data in self.socket:
                frame = frame_protos.Frame.FromString(data)  # type: ignore[attr-defined]
                if frame.WhichOneof("frame") == "audio":
                    self.hear_sound(np.frombuffer(frame.audio.audio, dtype=np.int16))
                elif frame.WhichOneof("frame") == "message":
                    self.hear(json.loads(frame.message.data))
        self.closed.set()


async def invited(client: httpx.AsyncClient, assistant: str) -> str:
    answer = await client.post("/v1/calls/tickets", json={"assistant": assistant})
    assert answer.status_code == 201, answer.text
    url: str = answer.json()["url"]
    return url


@contextlib.asynccontextmanager
async def socket_page(
    client: httpx.AsyncClient, assistant: str = "acme"
) -> AsyncIterator[SocketPage]:
    async with connect(await invited(client, assistant), max_size=None) as socket:
        page = SocketPage(socket)
        listening = asyncio.create_task(page.listen())
        try:
            yield page
        finally:
            listening.cancel()


class Microphone(AudioStreamTrack):
    """Speaks recordings, and is silent in between."""

    def __init__(self) -> None:
        super().__init__()
        self._audio = b""
        self._samples = 0
        self._began: float | None = None

    def say(self, recording: Recording) -> None:
        self._audio += recording.audio

    async def recv(self) -> AudioFrame:
        now = asyncio.get_running_loop().time()
        self._began = self._began or now
        await asyncio.sleep(max(0.0, self._began + self._samples / AUDIO_IN_HZ - now))
        piece, self._audio = self._audio[:CHUNK_BYTES], self._audio[CHUNK_BYTES:]
        samples = np.frombuffer(piece.ljust(CHUNK_BYTES, b"\0"), dtype=np.int16)
        frame = AudioFrame.from_ndarray(samples[None, :], layout="mono")
        frame.sample_rate, frame.pts = AUDIO_IN_HZ, self._samples
        frame.time_base = fractions.Fraction(1, AUDIO_IN_HZ)
        self._samples += samples.size
        return frame


class WebRTCPage(Page):
    """A page whose call comes over WebRTC."""

    def __init__(self) -> None:
        super().__init__()
        self.peer = RTCPeerConnection()
        self.microphone = Microphone()
        self.call_id = ""
        self._opened = asyncio.Event()
        self._reading: set[asyncio.Task[None]] = set()
        self.peer.addTrack(self.microphone)
        self.channel: RTCDataChannel = self.peer.createDataChannel("chat", ordered=True)
        self.channel.on("open", self._opened.set)
        self.channel.on("message", self._on_message)
        self.peer.on("track", self._on_track)
        self.peer.on("connectionstatechange", self._on_state)

    def _on_message(self, message: str) -> None:
        self.hear(json.loads(message))

    def _on_state(self) -> None:
        if self.peer.connectionState in ("closed", "failed"):
            self.closed.set()

    def _on_track(self, track: Any) -> None:
        async def listen() -> None:
            with contextlib.suppress(MediaStreamError):
                while True:
                    self.hear_sound((await track.recv()).to_ndarray())

        self._reading.add(asyncio.create_task(listen()))

    async def offer(self) -> str:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def connect(self, answer: Message) -> None:
        self.call_id = answer["pc_id"]
        await self.peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        async with asyncio.timeout(WAIT_S):
            await self._opened.wait()

    async def send(self, kind: str, data: Message | None = None) -> None:
        self.channel.send(rtvi(kind, data))

    async def close(self) -> None:
        await self.peer.close()
        for reading in self._reading:
            reading.cancel()


@contextlib.asynccontextmanager
async def webrtc_page(
    client: httpx.AsyncClient, assistant: str = "acme"
) -> AsyncIterator[WebRTCPage]:
    page = WebRTCPage()
    try:
        offer = {"sdp": await page.offer(), "type": "offer"}
        answer = await client.post("/v1/calls", params={"assistant": assistant}, json=offer)
        assert answer.status_code == 200, answer.text
        await page.connect(answer.json())
        yield page
    finally:
        await page.close()


def recorded(path: Path) -> Recording:
    return Recording.load(path)
