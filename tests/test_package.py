"""What is installed has the page in it, and whoever installs it needs no Node."""

import asyncio
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "app/page/static"


def built() -> set[str]:
    """What the page consists of, by its place in the source."""
    return {str(path.relative_to(ROOT)) for path in STATIC.rglob("*") if path.is_file()}


@pytest.mark.timeout(300)
async def test_archives_of_the_source_and_wheels_made_of_them_have_the_page(
    tmp_path: Path,
) -> None:
    assert len(built()) > 10
    building = await asyncio.create_subprocess_exec(
        *(ROOT / ".venv/bin/uv", "build", "--quiet", "--out-dir", tmp_path, ROOT)
    )
    async with asyncio.timeout(280):
        assert await building.wait() == 0
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        inside = {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in opened.getnames()}
    assert built() <= inside
    assert not [name for name in inside if "node_modules" in name or ".node/" in name]
    (wheel,) = tmp_path.glob("*.whl")
    assert built() <= set(zipfile.ZipFile(wheel).namelist())
