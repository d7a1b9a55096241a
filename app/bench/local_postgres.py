"""A Postgres of our own for a while: on a free port of loopback, killed and restarted at will."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from app.bench.local_process import (
    ENVIRONMENT,
    START_TIMEOUT_S,
    LocalProcess,
    free_port,
    unprivileged,
)
from app.errors import AppError

# Where Debian keeps it, off the search path; the newest first.
_DEBIAN = "/usr/lib/postgresql"

# Where `scripts/setup --tests` puts the SQL of PGMQ, which is in no Postgres by itself.
PGMQ_SQL = Path(sys.prefix) / "pgmq" / "pgmq" / "sql" / "pgmq.sql"

# Between two looks whether a setting was taken.
_LOOK_EVERY_S = 0.01

_USER = "trunkline"
_READY = "database system is ready to accept connections"
MISSING = (
    "there is no Postgres on this machine; install it (Debian: postgresql), or name one with --bus"
)


def find_postgres() -> Path:
    """Return the directory of `postgres` and `initdb`.

    Raises:
        AppError: If there is none; says what to install.
    """
    found = [Path(os.path.realpath(at)).parent for at in [shutil.which("postgres")] if at]
    versions = [at for at in Path(_DEBIAN).glob("*/bin") if at.parent.name.isdigit()]
    found += sorted(versions, key=lambda at: int(at.parent.name), reverse=True)
    for directory in found:
        if all((directory / name).exists() for name in ("postgres", "initdb", "psql")):
            return directory
    raise AppError(MISSING)


class LocalPostgres:
    """One server and its data; it refuses to run as root, so root's runs as nobody.

    Attributes:
        port: Where it listens.
        password: Of its only user.
        process: Its process.
    """

    def __init__(self, directory: Path, binaries: Path) -> None:
        """Prepare; see `local_postgres`."""
        self.port = free_port()
        self.password = secrets.token_urlsafe(12)
        self._directory = directory
        self._binaries = binaries
        self.process = LocalProcess("Postgres", _READY, signal.SIGQUIT)

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Make the data directory."""
        secret = self._directory / "password"
        secret.write_text(self.password)
        who = unprivileged()
        if who:
            shutil.chown(self._directory, who["user"], who["group"])
            shutil.chown(secret, who["user"], who["group"])
        options = [f"--pwfile={secret}", "-A", "scram-sha-256", "--no-sync", "--no-locale"]
        data = str(self._directory / "data")
        self._run("initdb", "-D", data, "-U", _USER, "-E", "UTF8", *options)

    def start(self) -> None:
        """Start it, and wait until it takes connections.

        Raises:
            AppError: If it does not; carries its last words.
        """
        where = ["-D", str(self._directory / "data"), "-p", str(self.port), "-k", ""]
        settings = ("listen_addresses=127.0.0.1", "shared_buffers=32MB", "max_connections=200")
        command = [
            str(self._binaries / "postgres"),
            *where,
            *(f"--{setting}" for setting in settings),
        ]
        self.process.start(command, self._directory, **unprivileged())

    def kill(self) -> None:
        """Kill it and all its children with SIGKILL; what it had not written is lost."""
        self.process.kill()

    def sql(self, script: str, database: str = "postgres") -> str:
        """Run SQL as its user, and return what it prints: rows of values, split by `|`."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", _USER, "-d", database]
        printed = self._run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *where, script=script)
        return printed.strip()

    def install_pgmq(self, database: str = "postgres", *, sql: Path = PGMQ_SQL) -> None:
        """Install PGMQ without its extension.

        Raises:
            AppError: If its SQL is not there.
        """
        if not sql.exists():
            raise AppError("the SQL of PGMQ is missing; scripts/setup --tests installs it")
        self.sql(sql.read_text(), database)

    @contextlib.contextmanager
    def encrypted(self, key: Path, certificate: Path) -> Iterator[None]:
        """Let it speak TLS while the block runs.

        Args:
            key: A private key, PEM.
            certificate: What it shows, PEM.
        """
        who, data = unprivileged(), self._directory / "data"
        for source, name in ((key, "server.key"), (certificate, "server.crt")):
            shutil.copy(source, data / name)
            (data / name).chmod(0o600)
            if who:
                shutil.chown(data / name, who["user"], who["group"])
        self._set("ssl", "on")
        try:
            yield
        finally:
            self._set("ssl", "off")

    def _set(self, setting: str, value: str) -> None:
        self.sql(f"ALTER SYSTEM SET {setting} = {value}")
        self.sql("SELECT pg_reload_conf()")
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while self.sql(f"SHOW {setting}") != value:
            if time.monotonic() > deadline_s:
                raise AppError(f"Postgres does not take {setting} = {value}")
            time.sleep(_LOOK_EVERY_S)

    def _run(self, program: str, *arguments: str, script: str = "") -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [self._binaries / program, *arguments],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_TIMEOUT_S,
            cwd=self._directory,
            env={**ENVIRONMENT, "PGPASSWORD": self.password},
            **unprivileged(),
        )
        if done.returncode:
            words = done.stderr.replace(self.password, "***")
            raise AppError(f"{program} failed:\n{words}")
        return done.stdout


@contextlib.contextmanager
def local_postgres(*, pgmq: bool = True, binaries: Path | None = None) -> Iterator[LocalPostgres]:
    """Run a Postgres of our own while the block runs.

    Args:
        pgmq: Whether to install PGMQ in its database `postgres`.
        binaries: Where its programs are; None for those of this machine.

    Raises:
        AppError: If there is none on this machine, or it does not start.
    """
    binaries = binaries or find_postgres()
    directory = Path(tempfile.mkdtemp(prefix="trunkline-postgres-"))
    server = LocalPostgres(directory, binaries)
    try:
        server.initialise()
        server.start()
        if pgmq:
            server.install_pgmq()
        yield server
    finally:
        server.process.stop()  # killed, it would leave a piece of shared memory behind
        shutil.rmtree(directory, ignore_errors=True)
