"""What is in deploy/ is taken by the programs that it is for, and does what it says."""

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml
from websockets.asyncio.client import unix_connect

from agents import Assistants
from app.server import running_server
from app.settings import PREFIX, Settings
from app.stopping import LEAVE_TIMEOUT_S
from tests.app.server.conftest import TOKEN
from tests.app.server.recipes import RECIPES
from tests.app.server.test_sessions import BEARER, hear_words, ready, say
from tests.tools import ROOT, run, tool

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
UNIT = DEPLOY / "systemd" / "trunkline.service"
# The oldest version that is looked after, and the newest that the validator knows.
VERSIONS = ("1.31", "1.33")


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every manifest, with the name of its file."""
    for path in sorted(KUBERNETES.glob("*.yaml")):
        for manifest in yaml.safe_load_all(path.read_text()):
            yield path.name, manifest


MANIFESTS = {name: manifest for name, manifest in manifests() if name != "kustomization.yaml"}
DEPLOYMENT = MANIFESTS["deployment.yaml"]
POD = DEPLOYMENT["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_fits_the_schema_of_kubernetes(name: str, version: str) -> None:
    kubernetes_validate.validate(MANIFESTS[name], version, strict=True)


def test_every_manifest_is_applied() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert listed == list(MANIFESTS)


def test_manifests_name_each_other() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["service.yaml"]["spec"]["selector"] == labels
    assert MANIFESTS["disruption.yaml"]["spec"]["selector"]["matchLabels"] == labels
    scaled = MANIFESTS["autoscaling.yaml"]["spec"]["scaleTargetRef"]
    assert scaled == {
        "apiVersion": DEPLOYMENT["apiVersion"],
        "kind": DEPLOYMENT["kind"],
        "name": DEPLOYMENT["metadata"]["name"],
    }


def test_a_pod_has_time_for_its_hook_and_its_drain() -> None:
    drain_s = float(MANIFESTS["configmap.yaml"]["data"]["TRUNKLINE_DRAIN_TIMEOUT_S"])
    hook_s = float(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    assert POD["terminationGracePeriodSeconds"] > hook_s + drain_s + LEAVE_TIMEOUT_S


def test_pods_are_added_before_they_are_full() -> None:
    limit = int(MANIFESTS["configmap.yaml"]["data"]["TRUNKLINE_MAX_SESSIONS"])
    metric = MANIFESTS["autoscaling.yaml"]["spec"]["metrics"][0]["pods"]
    assert metric["metric"]["name"] == "trunkline_sessions"
    assert 0.5 * limit < int(metric["target"]["averageValue"]) < 0.8 * limit


def test_settings_in_deploy_are_settings() -> None:
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            named = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", path.read_text()))
            # What Kubernetes makes of a service's name is turned off.
            assert named <= known, path


def test_probes_ask_what_the_server_answers() -> None:
    probes = [CONTAINER[name]["httpGet"] for name in ("startupProbe", "livenessProbe")]
    assert {probe["path"] for probe in probes} == {"/livez"}
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert {probe["port"] for probe in probes} == {CONTAINER["ports"][0]["name"]}


def test_prometheus_takes_the_configuration_and_finds_the_pods(tmp_path: Path) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yaml").read_text())
    (job,) = config["scrape_configs"]
    # Debian builds Prometheus without the part that asks Kubernetes.
    (asked,) = job.pop("kubernetes_sd_configs")
    assert asked == {"role": "pod"}
    job["static_configs"] = [{"targets": ["127.0.0.1:8765"]}]
    path = tmp_path / "prometheus.yaml"
    path.write_text(yaml.safe_dump(config))
    run("promtool", "check", "config", "--syntax-only", path)
    (label, port) = (rule for rule in job["relabel_configs"] if rule.get("action") == "keep")
    assert label["regex"] in DEPLOYMENT["spec"]["template"]["metadata"]["labels"].values()
    assert port["regex"] == CONTAINER["ports"][0]["name"]
    assert job["metrics_path"] == "/metrics"


async def test_the_tokens_that_the_manifests_ask_for_open_what_they_are_for(tmp_path: Path) -> None:
    config = MANIFESTS["configmap.yaml"]["data"]
    (mount,) = (each for each in CONTAINER["volumeMounts"] if each["name"] == "principals")
    file = Path(config["TRUNKLINE_PRINCIPALS_FILE"]).relative_to(mount["mountPath"])
    said = (KUBERNETES / "kustomization.yaml").read_text()
    asked = re.findall(r"^# (trunkline token new .*)$", said, re.MULTILINE)
    callers, prometheus = [_made(words, tmp_path) for words in asked]
    settings = Settings(port=0, default_assistant="parrot", principals_file=tmp_path / file)
    async with running_server(settings, Assistants(RECIPES)) as (address, _):
        base = address.replace("ws://", "http://")
        async with httpx.AsyncClient(base_url=base) as client:
            for token, path, status in (
                (callers, "/v1/assistants", 200),
                (callers, "/metrics", 403),
                (prometheus, "/metrics", 200),
            ):
                header = {"Authorization": f"Bearer {token}"}
                assert (await client.get(path, headers=header)).status_code == status


def _made(words: str, folder: Path) -> str:
    """Make a token as somebody would who types what the manifest says."""
    program, *rest = shlex.split(words)
    assert program == "trunkline"
    command = [sys.executable, "-m", "app.cli", *rest]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    made = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return made.stdout.strip()


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, for a machine that has a trunkline."""
    if shutil.which("systemd-analyze") is None and "CI" not in os.environ:
        pytest.skip("there is no systemd here")
    program = tmp_path / "trunkline"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / "trunkline.service"
    path.write_text(UNIT.read_text().replace("/opt/trunkline/bin/trunkline", str(program)))
    return path


def test_systemd_takes_the_unit(unit: Path) -> None:
    assert run("systemd-analyze", "verify", unit) == ""


def test_the_unit_may_do_little(unit: Path) -> None:
    # Of a hundred; nothing that is on the network gets below 10.
    run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)


def test_systemd_waits_for_the_drain() -> None:
    text = UNIT.read_text()
    (drain_s,) = re.findall(r"^Environment=TRUNKLINE_DRAIN_TIMEOUT_S=(\d+)$", text, re.MULTILINE)
    (stop_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(stop_s) > int(drain_s) + LEAVE_TIMEOUT_S


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """A server's host and port."""
    settings = Settings(port=0, host="127.0.0.1", default_assistant="parrot", tokens=TOKEN)  # type: ignore[arg-type]
    async with running_server(settings, Assistants(RECIPES)) as (address, _):
        yield address.removeprefix("ws://")


def around_nginx(folder: Path) -> str:
    """What stands around the snippet, with everything in one folder."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    return (
        f"pid {folder}/pid; error_log {folder}/errors warn; worker_processes 1;"
        "events {} http {" + temporary + f"include {folder}/trunkline.conf;" + "}"
    )


Start = Callable[[str], Path]


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Start]:
    """Start nginx before a server, with a socket instead of a port and of TLS."""
    config = tmp_path / "nginx.conf"

    def start(upstream: str) -> Path:
        snippet = (DEPLOY / "nginx" / "trunkline.conf").read_text()
        snippet = snippet.replace("127.0.0.1:8765", upstream)
        snippet = snippet.replace("listen 443 ssl;", f"listen unix:{tmp_path}/front;")
        snippet = snippet.replace("/var/log/nginx", str(tmp_path))
        snippet = re.sub(r"^ *ssl_.*\n", "", snippet, flags=re.MULTILINE)
        (tmp_path / "trunkline.conf").write_text(snippet)
        config.write_text(around_nginx(tmp_path))
        run("nginx", "-e", tmp_path / "errors", "-t", "-c", config)
        # Returns when it listens.
        run("nginx", "-e", tmp_path / "errors", "-c", config)
        return tmp_path / "front"

    yield start
    subprocess.run([tool("nginx"), "-c", str(config), "-s", "stop"], check=False)


@pytest.fixture
def caddy(tmp_path: Path) -> Iterator[Start]:
    """Start Caddy before a server, with a socket instead of a port and of TLS."""
    admin = f"unix/{tmp_path}/admin"

    def start(upstream: str) -> Path:
        text = (DEPLOY / "caddy" / "Caddyfile").read_text()
        text = text.replace("127.0.0.1:8765", upstream)
        text = text.replace("{\n\tservers", f"{{\n\tadmin {admin}\n\tservers", 1)
        text = text.replace("voice.example {", f"http:// {{\n\tbind unix/{tmp_path}/front", 1)
        config = tmp_path / "Caddyfile"
        config.write_text(text)
        run("caddy", "start", "--config", config, "--adapter", "caddyfile")
        return tmp_path / "front"

    yield start
    subprocess.run([tool("caddy"), "stop", "--address", admin], check=False)


def test_nginx_takes_the_snippet_with_tls(tmp_path: Path) -> None:
    subprocess.run(
        shlex.split(
            "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=voice.example "
            "-keyout privkey.pem -out fullchain.pem"
        ),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    snippet = (DEPLOY / "nginx" / "trunkline.conf").read_text()
    for there in ("/etc/ssl/trunkline", "/var/log/nginx"):
        snippet = snippet.replace(there, str(tmp_path))
    (tmp_path / "trunkline.conf").write_text(snippet)
    config = tmp_path / "nginx.conf"
    config.write_text(around_nginx(tmp_path))
    run("nginx", "-e", tmp_path / "errors", "-t", "-c", config)


def test_caddy_takes_the_file_as_it_stands() -> None:
    path = DEPLOY / "caddy" / "Caddyfile"
    assert "Valid configuration" in run("caddy", "validate", "--config", path)


@pytest.mark.parametrize("front", ["nginx", "caddy"])
async def test_a_conversation_goes_through(
    server: str, front: str, request: pytest.FixtureRequest
) -> None:
    start: Start = request.getfixturevalue(front)
    # Not on this loop, which has to answer Caddy's question for the server's health.
    socket = await asyncio.to_thread(start, server)
    url = "ws://voice.example/ws/parrot?secret=1"
    async with unix_connect(str(socket), url, additional_headers=BEARER) as caller:
        await ready(caller)
        await say(caller, "one two three")
        assert await hear_words(caller, 3) == ["one", "two", "three"]
    for log in socket.parent.glob("*.log"):
        assert "secret" not in log.read_text()
