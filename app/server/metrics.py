"""What the server counts, for Prometheus; for those who may use the server."""

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client.exposition import choose_encoder

from app.server.routes import State, admitted

METRICS_PATH = "/metrics"

router = APIRouter(include_in_schema=False, dependencies=[Depends(admitted)])


@router.get(METRICS_PATH)
async def metrics(request: Request, state: State) -> Response:
    """Expose every metric, as OpenMetrics where that is asked for."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    # Not by the constructor, which would add a charset of its own.
    return Response(encode(state.metrics.registry), headers={"Content-Type": content_type})
