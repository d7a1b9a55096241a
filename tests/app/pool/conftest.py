"""A place for pools and callers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.pool.places import Place, place


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Place]:
    async with place(tmp_path) as there:
        yield there
