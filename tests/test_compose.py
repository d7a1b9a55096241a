"""deploy/compose.yaml, as far as it can be checked without an engine."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from agents import discover
from app.addresses import problem_of
from app.cli import commands as _commands  # noqa: F401  # they add themselves
from app.cli.program import app as cli
from app.settings import POSTGRES_SCHEMES, REDIS_SCHEMES

ROOT = Path(__file__).parent.parent
FILE = ROOT / "deploy/compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
POOLS = {name: service for name, service in SERVICES.items() if "build" in service}
BROKERS = ("redis", "postgres")


def test_each_broker_has_a_profile_with_a_pool_for_each_task() -> None:
    for broker in BROKERS:
        there = {name for name, service in SERVICES.items() if service["profiles"] == [broker]}
        assert {broker, f"greeter-{broker}", f"support-{broker}"} <= there
    assert {profile for service in SERVICES.values() for profile in service["profiles"]} == set(
        BROKERS
    )


@pytest.mark.parametrize("name", POOLS)
def test_a_pool_runs_a_command_that_there_is(name: str) -> None:
    program, command, *options = POOLS[name]["command"]
    assert program == "trunkline"
    known = typer.main.get_command(cli).commands[command]  # type: ignore[attr-defined]
    given = known.make_context(command, list(options)).params
    assert discover()[given["assistant"]].exports == ("greeter", "support")
    assert given["tasks"] == [name.partition("-")[0]]


@pytest.mark.parametrize("name", POOLS)
def test_a_pool_finds_its_broker_and_is_not_asked_for_http(name: str) -> None:
    pool = POOLS[name]
    (broker,) = pool["profiles"]
    url = re.sub(r"\$\{BUS_PASSWORD[^}]*\}", "secret", pool["environment"]["TRUNKLINE_BUS_URL"])
    assert problem_of(url, (*REDIS_SCHEMES, *POSTGRES_SCHEMES)) is None
    assert f"@{broker}:" in url
    assert pool["depends_on"] == {broker: {"condition": "service_healthy"}}
    assert pool["healthcheck"] == {"disable": True}, "the image's own asks a session server"


def test_the_image_is_the_projects_with_clients_for_both_brokers() -> None:
    for pool in POOLS.values():
        assert (FILE.parent / pool["build"]["context"] / "Dockerfile").resolve().exists()
        assert {"redis", "postgres"} <= set(pool["build"]["args"]["EXTRAS"].split(","))


def test_nothing_is_published_beyond_this_machine_and_no_password_is_written_down() -> None:
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    for line in FILE.read_text().splitlines():
        if "PASSWORD" in line and not line.startswith("#"):
            assert "${BUS_PASSWORD" in line, line


def test_files_and_volumes_that_are_mounted_are_there() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (FILE.parent / source).resolve().exists(), source
            else:
                assert source in COMPOSE["volumes"]


def test_the_commands_at_its_top_are_commands_that_there_are() -> None:
    lines = [line.removeprefix("#").strip() for line in FILE.read_text().splitlines()]
    shown = [shlex.split(line) for line in lines if line.startswith("trunkline ")]
    assert len(shown) == 2
    for _, command, *options in shown:
        known = typer.main.get_command(cli).commands[command]  # type: ignore[attr-defined]
        assert known.make_context(command, list(options)).params["assistant"] == "handoff"
