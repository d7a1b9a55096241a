"""A call over WebRTC: the connection that a page offers, and its answer."""

import asyncio
import contextlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aiortc.sdp import candidate_from_sdp
from loguru import logger
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import IceServer, SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport

from app.calls.call import HostedCall
from app.calls.models import Candidate
from app.server.refusal import Refusal, TurnedAwayError
from app.settings import Settings

# Gathering takes no time without STUN servers, and five seconds with one that does not answer.
ANSWER_TIMEOUT_S = 10.0

# What was said last has crossed the network by then, if it ever does.
FLUSH_TIMEOUT_S = 1.0
FLUSH_EVERY_S = 0.02
CLOSE_TIMEOUT_S = 5.0

# A machine has a handful of addresses. Each costs a check from each of ours.
MAX_CANDIDATES = 64

BAD_OFFER = Refusal(
    HTTPStatus.UNPROCESSABLE_ENTITY, "bad_offer", "this is no offer that a call can answer"
)
BAD_CANDIDATE = Refusal(
    HTTPStatus.UNPROCESSABLE_ENTITY, "bad_candidate", "this is no candidate of this connection"
)
SLOW_ANSWER = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "no_answer", "the offer could not be answered in time", 5
)


class PageConnection(SmallWebRTCConnection):
    """Pipecat's connection, which lets what was said last arrive before it closes."""

    def __init__(self, ice_servers: Sequence[IceServer]) -> None:
        """Prepare.

        Args:
            ice_servers: Where else than on this machine's addresses to be reached.
        """
        super().__init__(list(ice_servers))
        self._candidates = 0

    async def answer(self, sdp: str, *, restart: bool | None = None) -> str:
        """Answer an offer, the first one or a later one.

        Args:
            sdp: The offer.
            restart: Whether to make the connection anew; None for the first offer.

        Raises:
            TurnedAwayError: 422 if it cannot be answered, 503 if that takes too long.
        """
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                if restart is None:
                    await self.initialize(sdp, "offer")
                else:
                    self._candidates = 0
                    await self.renegotiate(sdp, "offer", restart_pc=restart)
        except TimeoutError:
            raise TurnedAwayError(SLOW_ANSWER) from None
        except Exception as error:
            # aiortc raises whatever its parser stumbles over.
            logger.info(f"An offer could not be read ({type(error).__name__})")
            raise TurnedAwayError(BAD_OFFER) from None
        answer = self.get_answer()
        if answer is None or not self._has_sound_and_words():
            raise TurnedAwayError(BAD_OFFER)
        return str(answer["sdp"])

    def _has_sound_and_words(self) -> bool:
        """Tell whether the offer has what a call takes: sound first, and a channel for data."""
        kinds = [transceiver.kind for transceiver in self.pc.getTransceivers()]
        return kinds[:1] == ["audio"] and self.pc.sctp is not None

    async def add_candidates(self, candidates: Sequence[Candidate]) -> None:
        """Learn where else the page can be reached.

        Args:
            candidates: The ways.

        Raises:
            TurnedAwayError: 422 if one cannot be read, or there are too many.
        """
        self._candidates += len(candidates)
        if self._candidates > MAX_CANDIDATES:
            raise TurnedAwayError(BAD_CANDIDATE)
        try:
            for one in candidates:
                candidate = None
                if one.candidate:
                    candidate = candidate_from_sdp(one.candidate.removeprefix("candidate:"))
                    candidate.sdpMid, candidate.sdpMLineIndex = one.sdp_mid, one.sdp_mline_index
                await self.add_ice_candidate(candidate)
        except Exception as error:
            logger.info(f"A candidate could not be read ({type(error).__name__})")
            raise TurnedAwayError(BAD_CANDIDATE) from None

    def video_input_track(self) -> None:
        """There is no camera in a call; Pipecat would warn of that each time."""

    def screen_video_input_track(self) -> None:
        """Nor a screen."""

    async def disconnect(self) -> None:
        """Close, after what is in the data channel has gone."""
        channel: Any = self._data_channel
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_TIMEOUT_S):
                while channel is not None and channel.readyState == "open":
                    if channel.bufferedAmount == 0:
                        break
                    await asyncio.sleep(FLUSH_EVERY_S)  # aiortc tells of it by no event
        await super().disconnect()

    async def close(self) -> None:
        """Leave nothing behind; bounded, and may be called again."""
        closing = asyncio.create_task(self._close(), name="close-peer")
        _, pending = await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT_S)
        if pending:
            logger.warning("A connection did not close in time")
            closing.cancel()
        elif (error := closing.exception()) is not None:
            logger.warning(f"A connection did not close in order ({type(error).__name__})")


def make_connection(settings: Settings) -> PageConnection:
    """Make a connection that waits for its offer.

    Args:
        settings: Name the servers that help to find a way.
    """
    servers = [
        IceServer(
            urls=list(one.urls),
            username=one.username,
            credential=None if one.credential is None else one.credential.get_secret_value(),
        )
        for one in settings.ice_servers
    ]
    return PageConnection(servers)


async def hold(call: HostedCall, connection: PageConnection) -> None:
    """Hold a call over WebRTC, and leave nothing of it behind.

    Args:
        call: The call.
        connection: Its connection, which was answered.
    """
    try:
        params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
        await call.run(SmallWebRTCTransport(connection, params))
    finally:
        await asyncio.shield(connection.close())
