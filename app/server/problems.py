"""Problem documents for whatever goes wrong with a request, in answers and in the description."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.server.refusal import PROBLEM_TYPE, Problem, Refusal, TurnedAwayError
from app.server.state import state_of


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the refusals of a route, for its `responses`.

    Args:
        *statuses: The HTTP statuses that it may answer with.
    """
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "model": Problem,
            "content": {PROBLEM_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def answer_with_problems(app: FastAPI) -> None:
    """Have every refusal of an application be a problem document.

    Args:
        app: The application.
    """
    app.add_exception_handler(TurnedAwayError, _on_turned_away)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    describe = app.openapi

    def described() -> dict[str, Any]:
        return _without_plain_json(describe())

    app.openapi = described  # type: ignore[method-assign]


def _without_plain_json(document: dict[str, Any]) -> dict[str, Any]:
    """Leave one form of every problem in a description: FastAPI adds the one of other answers."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for answer in operation["responses"].values():
                if PROBLEM_TYPE in answer.get("content", {}):
                    answer["content"].pop("application/json", None)
    return document


# What the framework refuses, in words that stay the same with every version of Python.
FRAMEWORK_PROBLEMS = {
    HTTPStatus.BAD_REQUEST: ("bad_request", "this request cannot be read"),
    HTTPStatus.NOT_FOUND: ("nothing_here", "there is nothing at this address"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("wrong_method", "this address takes no such request"),
    HTTPStatus.REQUEST_TIMEOUT: ("request_timeout", "the request did not come in time"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("request_too_large", "the request is too large"),
}


async def _on_turned_away(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TurnedAwayError)
    return state_of(request).turned_away(error.refusal)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # Places and what was expected there; never what was given.
    places = {".".join(str(step) for step in one["loc"]): _expected(one) for one in error.errors()}
    said = "; ".join(f"{place}: {kind}" for place, kind in list(places.items())[:5])
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", said[:500]).response()


def _expected(error: dict[str, Any]) -> str:
    """Say what was expected: the kind of mistake, and what there is to choose from."""
    choices = error.get("ctx", {}).get("expected") if error["type"] == "enum" else None
    return f"{error['type']}, one of {choices}" if choices else str(error["type"])


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code, detail = FRAMEWORK_PROBLEMS.get(status, ("refused", status.description))
    response = Refusal(status, code, detail).response()
    response.headers.update(error.headers or {})
    return response
