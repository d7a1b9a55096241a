"""What the server counts, for Prometheus; for those who may see it."""

import asyncio

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client.exposition import choose_encoder
from starlette.requests import HTTPConnection

from app.processes.condition import ProcessState
from app.server.routes import Described, State
from app.server.together import paths
from app.telemetry.together import Exposition, exposition_of, registry_of, with_processes

METRICS_PATH = "/metrics"


async def observer(connection: HTTPConnection, state: State, _: Described) -> None:
    """Let nobody in without the right to see metrics."""
    await state.door.admit_observer(connection)


router = APIRouter(include_in_schema=False, dependencies=[Depends(observer)])


@router.get(METRICS_PATH)
async def metrics(request: Request, state: State) -> Response:
    """Expose every metric, of every process, as OpenMetrics where that is asked for."""
    registry = state.metrics.registry
    if state.membership is not None:
        others = await state.peers.ask(Exposition, "GET", paths.METRICS)
        own = {state.membership.place: exposition_of(registry)}
        registry = registry_of({**others.by_place, **own})
    states = list(state.processes(asyncio.get_running_loop().time()).values())
    counts = {one.value: states.count(one) for one in ProcessState}
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    # Not by the constructor, which would add a charset of its own.
    return Response(
        encode(with_processes(registry, counts)), headers={"Content-Type": content_type}
    )
