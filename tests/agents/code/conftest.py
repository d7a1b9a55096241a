"""A reader of this very repository, by the embedded script or by an emulated vendor."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents import Script, discover
from agents.code.model import Completes, LoopLimits, ModelDriver
from agents.code.project import Project
from agents.code.tools import Toolbox
from agents.code.worker import NAME
from app.loopback import serve_on_loopback
from app.services import Roles
from app.settings import Settings
from tests.emulators import openai
from tests.emulators.openai import OpenAIEmulator

ROOT = Path(__file__).parents[3]


def driver(roles: Roles, limits: LoopLimits | None = None, root: Path = ROOT) -> ModelDriver:
    llm = roles.for_assistant(discover()["code"]).llm(NAME, instruction="Read, then answer.")
    assert isinstance(llm, Completes)
    return ModelDriver(llm, Toolbox(Project(root)), limits)


@contextlib.asynccontextmanager
async def reading(root: Path) -> AsyncIterator[ModelDriver]:
    """Read another project with the embedded script."""
    async with Roles.open(Settings(), discover()) as roles:
        yield driver(roles, root=root)


@pytest.fixture
async def scripted() -> AsyncIterator[ModelDriver]:
    """The embedded script, over its real endpoint."""
    async with Roles.open(Settings(), discover()) as roles:
        yield driver(roles)


@contextlib.asynccontextmanager
async def emulated(
    script: Script, *, timeout_s: float = 5.0, limits: LoopLimits | None = None
) -> AsyncIterator[tuple[ModelDriver, OpenAIEmulator]]:
    """Read with a vendor that does as a test says."""
    vendor = OpenAIEmulator(script)
    async with serve_on_loopback(vendor.app) as url:
        settings = Settings(
            openai_api_key=openai.KEY,  # type: ignore[arg-type]
            openai_base_url=f"{url}/v1",
            openai_model="gpt-emulated",
            llm_timeout_s=timeout_s,
        )
        try:
            async with Roles.open(settings, discover()) as roles:
                yield driver(roles, limits), vendor
        finally:
            vendor.release()
