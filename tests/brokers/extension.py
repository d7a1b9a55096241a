"""A Postgres that has PGMQ as an extension, without anything being installed on this machine.

Postgres looks for extensions beside its own program. A folder with a copy of that program, and
links to everything else, is therefore an installation of its own, to which files can be added.
"""

import os
import shutil
import subprocess
from pathlib import Path

from app.bench.local_postgres import PGMQ_SQL

# As its own control file says; the version only names its SQL here.
CONTROL = """
default_version = '1'
schema = 'pgmq'
relocatable = false
superuser = false
"""


def with_extension(binaries: Path, folder: Path) -> Path:
    """Make an installation of Postgres in which `CREATE EXTENSION pgmq` works.

    Args:
        binaries: Where the programs of an installation are.
        folder: Where to make it; everybody can read it.

    Returns:
        Where its programs are.
    """
    asked = [str(binaries / "pg_config"), "--bindir", "--sharedir", "--pkglibdir"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    programs, share, libraries = map(Path, told.split())
    # The way from one to the other stays as it is.
    root = Path(os.path.commonpath([programs, share, libraries]))
    new_programs, new_share, new_libraries = (
        folder / path.relative_to(root) for path in (programs, share, libraries)
    )
    _link_all(programs, new_programs)
    (new_programs / "postgres").unlink()
    shutil.copy(programs / "postgres", new_programs / "postgres")
    _link_all(share, new_share)
    (new_share / "extension").unlink()
    _link_all(share / "extension", new_share / "extension")
    _link_all(libraries, new_libraries)
    (new_share / "extension" / "pgmq.control").write_text(CONTROL)
    shutil.copy(PGMQ_SQL, new_share / "extension" / "pgmq--1.sql")
    return new_programs


def _link_all(source: Path, target: Path) -> None:
    """Make a folder in which everything of another is, by links."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        (target / path.name).symlink_to(path.resolve())
