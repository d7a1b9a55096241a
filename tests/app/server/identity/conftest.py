from collections.abc import AsyncIterator

import pytest

from app.loopback import serve_on_loopback
from tests.app.server.identity.issuer import Issuer


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    async with serve_on_loopback(issuer.app) as url:
        issuer.url = f"{url}/keys"
        yield issuer
        issuer.held.set()
