"""Refusals: HTTP answers that say why somebody may not come in."""

from dataclasses import dataclass
from http import HTTPStatus

from fastapi.responses import JSONResponse
from pydantic import BaseModel

PROBLEM_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Why a request was refused; see RFC 9457.

    Attributes:
        type: Always `about:blank`: the code says which problem it is.
        title: The phrase of the status.
        status: The HTTP status.
        code: A word for programs.
        detail: A sentence for people.
    """

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str


@dataclass(frozen=True)
class Refusal:
    """Why somebody may not come in.

    Attributes:
        status: The HTTP status.
        code: A word for programs.
        detail: A sentence for people.
        retry_after_s: When asking again may help; None if it does not.
    """

    status: HTTPStatus
    code: str
    detail: str
    retry_after_s: int | None = None

    def response(self) -> JSONResponse:
        """Write the refusal as a problem document.

        Source: RFC 9457; Retry-After is that of RFC 9110 section 10.2.3.
        """
        headers = {}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        problem = Problem(
            title=self.status.phrase,
            status=self.status.value,
            code=self.code,
            detail=self.detail,
        )
        return JSONResponse(
            problem.model_dump(), status_code=self.status, headers=headers, media_type=PROBLEM_TYPE
        )


class TurnedAwayError(Exception):
    """Somebody may not come in.

    It carries the refusal and is not one itself: an exception is written to while it is raised
    (its traceback, its context), and a refusal does not change.
    """

    def __init__(self, refusal: Refusal) -> None:
        """Carry a refusal.

        Args:
            refusal: Why.
        """
        super().__init__(refusal.code)
        self.refusal = refusal
