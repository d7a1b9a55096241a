"""The ways in which a call ends, and what its page is told."""

from dataclasses import dataclass
from enum import StrEnum

from app.caller.line_news import LineNews
from proxy import CloseCode, RefusedError
from proxy.close_codes import MEANINGS, reason_for


class CallEnd(StrEnum):
    """Why a call ended, as it is counted."""

    ASSISTANT = "assistant"  # the assistant said goodbye
    PAGE = "page"  # the page hung up, or is gone
    LINE = "line"  # the line to the assistant was lost, or closed for another reason
    REFUSED = "refused"  # there was no line to begin with
    NO_PAGE = "no_page"  # the page never spoke to the call
    SERVICE = "service"  # a recogniser or a voice cannot do its work
    GOING_AWAY = "going_away"  # the server stops
    FAILED = "failed"  # a defect, or a part that is not there


@dataclass(frozen=True)
class Ending:
    """How one call ends.

    Attributes:
        end: As it is counted.
        reason: As the page shows it, in words for people.
        code: The close code of the line, if that is what ended the call.
    """

    end: CallEnd
    reason: str
    code: int | None = None


PAGE_GONE = Ending(CallEnd.PAGE, "you hung up")
NO_PAGE = Ending(CallEnd.NO_PAGE, "the connection to the call was not made in time")
GOING_AWAY = Ending(
    CallEnd.GOING_AWAY, reason_for(CloseCode.GOING_AWAY), CloseCode.GOING_AWAY.value
)
SERVICE = Ending(CallEnd.SERVICE, "a service of the call can no longer do its work")
FAILED = Ending(CallEnd.FAILED, "the call failed")

_REFUSALS = {
    403: "this assistant is not open to you",
    404: "there is no such assistant",
    429: "you have as many sessions as you may have",
    503: "the server has no session to spare",
}


def ending_of(news: LineNews) -> Ending:
    """Tell how a call ends whose line has.

    Args:
        news: That the line has ended.
    """
    if news.refusal is not None:
        status = news.refusal.status if isinstance(news.refusal, RefusedError) else 0
        return Ending(CallEnd.REFUSED, _REFUSALS.get(status, "the assistant cannot be reached"))
    assert news.code is not None
    if news.code == CloseCode.ENDED:
        return Ending(CallEnd.ASSISTANT, reason_for(CloseCode.ENDED), news.code)
    if news.code == CloseCode.GOING_AWAY:
        return GOING_AWAY
    known = MEANINGS.get(CloseCode(news.code)) if news.code in set(CloseCode) else None
    reason = "the line to the assistant was lost" if known is None else known.reason
    return Ending(CallEnd.LINE, reason, news.code)
