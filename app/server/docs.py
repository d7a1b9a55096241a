"""The description of the HTTP interface, for those who may use it.

FastAPI's own pages would be open to everybody.
"""

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse

from app.server.routes import admitted

SCHEMA_PATH = "/openapi.json"

router = APIRouter(include_in_schema=False, dependencies=[Depends(admitted)])


@router.get(SCHEMA_PATH)
async def schema(request: Request) -> dict[str, Any]:
    """Describe the HTTP interface as an OpenAPI document."""
    described: dict[str, Any] = request.app.openapi()
    return described


@router.get("/docs")
async def swagger(request: Request) -> HTMLResponse:
    """Show the description with Swagger UI, whose script comes from its vendor's CDN."""
    return get_swagger_ui_html(openapi_url=SCHEMA_PATH, title=request.app.title)


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """Show the description with ReDoc, whose script comes from its vendor's CDN."""
    return get_redoc_html(openapi_url=SCHEMA_PATH, title=request.app.title)
