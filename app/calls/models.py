"""What is asked of calls, and answered."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=64)]
Id = Annotated[str, Field(min_length=1, max_length=64)]

# With a microphone, a camera and a screen, a browser's offer has up to twenty kilobytes.
Sdp = Annotated[str, Field(min_length=1, max_length=48 * 1024)]


class RequestData(BaseModel):
    """What a client adds to its offer; what else it adds is let be.

    Attributes:
        assistant: The assistant; the query of the address goes before.
    """

    assistant: Name | None = None


class Offer(BaseModel):
    """A WebRTC offer, as Pipecat's small WebRTC transport makes it.

    Attributes:
        sdp: The offer.
        type: Always `offer`.
        pc_id: The call that it is for; None for a new one.
        restart_pc: Whether to make the connection of that call anew.
        request_data: What the client adds.
    """

    model_config = ConfigDict(populate_by_name=True)

    sdp: Sdp
    type: Literal["offer"]
    pc_id: Id | None = None
    restart_pc: bool | None = None
    request_data: Annotated[RequestData | None, Field(alias="requestData")] = None


class Answer(BaseModel):
    """The answer to an offer.

    Attributes:
        sdp: The answer.
        type: Always `answer`.
        pc_id: The call's id.
    """

    sdp: str
    type: Literal["answer"] = "answer"
    pc_id: str


class Candidate(BaseModel):
    """A way to reach the page.

    Attributes:
        candidate: As SDP has it; empty where there are no more.
        sdp_mid: The media that it is for.
        sdp_mline_index: The same, by its place.
    """

    candidate: Annotated[str, Field(max_length=512)]
    sdp_mid: Annotated[str, Field(max_length=64)] | None = None
    sdp_mline_index: Annotated[int, Field(ge=0, le=255)] | None = None


class Candidates(BaseModel):
    """Further ways to reach the page of a call.

    Attributes:
        pc_id: The call's id.
        candidates: The ways.
    """

    pc_id: Id
    candidates: Annotated[list[Candidate], Field(max_length=64)]


class Taken(BaseModel):
    """Candidates were taken."""

    status: Literal["taken"] = "taken"


class NewCall(BaseModel):
    """A call over a WebSocket that is asked for.

    Attributes:
        assistant: The assistant; None for the one behind `/ws`.
    """

    model_config = ConfigDict(extra="forbid")

    assistant: Name | None = None


class IceServer(BaseModel):
    """A STUN or TURN server, as browsers describe it."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class Services(BaseModel):
    """What a page needs to know before it calls.

    Attributes:
        version: Of this server.
        embedded: The roles that nobody is paid for: `stt`, `llm`, `tts`. Fit for trying out.
        calls: Whether calls are hosted here.
        voice: Whether they may come over WebRTC; over a WebSocket they always may.
        ice_servers: What helps WebRTC to find a way.
    """

    version: str
    embedded: list[str]
    calls: bool
    voice: bool
    ice_servers: list[IceServer]


class Told(BaseModel):
    """What another process of the server is asked: an offer or candidates for a call of its.

    Attributes:
        principal: Who asks.
        offer: The offer.
        candidates: The candidates.
    """

    principal: str
    offer: Offer | None = None
    candidates: Candidates | None = None


class Said(BaseModel):
    """What that process says.

    Attributes:
        answer: The answer; None for candidates that were taken.
        refusal: A problem document's status, code and detail; None if there is none.
    """

    answer: Answer | None = None
    refusal: tuple[int, str, str] | None = None
