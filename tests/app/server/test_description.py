"""The HTTP interface does what its OpenAPI document says, whatever it is asked."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from agents import Assistants
from app.server import create_app
from app.settings import Settings
from tests.app.server.admin.test_administration import ADMIN, administered, called
from tests.app.server.conftest import TOKEN
from tests.app.server.identity.asking import Asking, bearer
from tests.proxy.conversation import within

EXAMPLES = 40
# Who may not come in hears the same whatever is asked.
EXAMPLES_FOR_NOBODY = 10

# These refuse what no schema can tell from what they take: an offer is a language of its own.
CHOOSY = frozenset({"POST /v1/calls"})

# These take any words in their query, and what is of a wrong type becomes words on its way.
LENIENT = frozenset({"GET /v1/admin/sessions", "DELETE /v1/admin/sessions"})


def operations() -> list[str]:
    described = create_app(Settings(), Assistants([])).openapi()["paths"]
    return [f"{method.upper()} {path}" for path, ways in described.items() for method in ways]


def checking(
    base: str, document: dict[str, Any], label: str, token: str | None
) -> Callable[[], None]:
    """Make what asks one operation whatever comes to mind, and looks at every answer."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=base)
    refusals = schema.config.checks.negative_data_rejection
    # What is too long for its field may be too long for a body.
    refusals.expected_statuses = [*refusals.expected_statuses, "413"]
    method, _, path = label.partition(" ")
    operation = schema[path][method]
    takes_something = bool(list(operation.iter_parameters())) or bool(operation.body)
    cases = operation.as_strategy()
    if takes_something:
        cases |= operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @given(case=cases)
    @settings(
        max_examples=EXAMPLES_FOR_NOBODY if token is None else EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        excluded = [positive_data_acceptance] if label in CHOOSY else []
        excluded += [negative_data_rejection] if label in LENIENT else []
        headers = None if token is None else bearer(token)
        case.call_and_validate(headers=headers, timeout=30, excluded_checks=excluded)

    return check


def document_of(server: Asking) -> dict[str, Any]:
    described: dict[str, Any] = server.server._app.openapi()
    return described


# The server and its clients are in this process and use it.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("label", operations())
@pytest.mark.parametrize("token", [ADMIN, TOKEN, None], ids=["admin", "caller", "nobody"])
async def test_every_answer_is_one_that_is_described(
    assistants: Assistants, label: str, token: str | None
) -> None:
    # A machine that is busy with other tests is not what is asked about.
    calm = {"wrong_tokens_per_minute": 6000, "stall_timeout_s": 600.0}
    async with administered(assistants, **calm) as server:
        server.server.state.request_drain = lambda: None
        sockets = [await called(server) for _ in range(2)]
        base = server.url.replace("ws://", "http://")
        check = checking(base, document_of(server), label, token)
        await within(asyncio.to_thread(check))
        for socket in sockets:
            await socket.close()


async def test_the_description_is_valid_and_names_the_way_to_get_in(
    assistants: Assistants,
) -> None:
    async with administered(assistants) as server:
        answer = await server.client.get("/openapi.json", headers=bearer(TOKEN))
    document = answer.json()
    schemathesis.openapi.from_dict(document).validate()
    assert list(document["components"]["securitySchemes"]) == ["bearer"]
    for path, ways in document["paths"].items():
        for method, operation in ways.items():
            open_to_all = path in ("/livez", "/readyz")
            assert open_to_all != ("security" in operation), (method, path)
            for status, said in operation["responses"].items():
                if int(status) >= 400 and path != "/readyz":
                    assert list(said["content"]) == ["application/problem+json"]


async def test_what_is_not_there_is_a_problem_document_too(assistants: Assistants) -> None:
    async with administered(assistants) as server:
        for method, path, status in (
            ("GET", "/v1/nothing", 404),
            ("GET", "/ws", 404),
            ("PATCH", "/v1/drain", 405),
            ("DELETE", "/v1/assistants", 405),
        ):
            answer: httpx.Response = await server.client.request(method, path)
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == status
