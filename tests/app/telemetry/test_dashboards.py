"""The dashboard and the alerts ask for what a server shows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.processes.condition import ProcessState
from app.telemetry.record import reason_of
from proxy import CloseCode
from proxy.filter import DropReason
from tests.app.telemetry.served import Served, names, whole_conversation
from tests.test_operations import refusals
from tests.tools import ROOT, run

DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "trunkline.json").read_text())
ALERTS_FILE = ROOT / "deploy" / "prometheus" / "alerts.yaml"
ALERTS = yaml.safe_load(ALERTS_FILE.read_text())

# Prometheus adds them to everything that it scrapes, and to histograms.
ADDED = {"instance", "job", "le"}

SELECTOR = re.compile(r"\b(trunkline_\w+|process_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")

REFUSALS = {code for _, code in refusals()}
REASONS = {*(reason_of(code) for code in CloseCode), *DropReason, *REFUSALS}
OUTCOMES = {"resumed", "refused", "expired"}


def in_dashboard() -> Iterator[str]:
    """Every expression of the dashboard."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def in_alerts() -> Iterator[dict[str, Any]]:
    """Every rule."""
    for group in ALERTS["groups"]:
        yield from group["rules"]


EXPRESSIONS = [*in_dashboard(), *(rule["expr"] for rule in in_alerts())]


async def test_every_metric_and_label_in_them_is_shown_by_a_server(server: Served) -> None:
    await whole_conversation(server)
    metrics = await server.scrape()
    shown = {
        sample.name: set(sample.labels) for family in metrics.values() for sample in family.samples
    }
    asked = set()
    for expression in EXPRESSIONS:
        labels: set[str] = set()
        for name, matchers in SELECTOR.findall(expression):
            assert name in shown, expression
            asked.add(name)
            labels |= shown[name]
            given = {label for label, _ in MATCHER.findall(matchers)}
            assert given <= shown[name] | ADDED, expression
        for grouping in GROUPING.findall(expression):
            by = {label.strip() for label in grouping.split(",") if label.strip()}
            assert by <= labels | ADDED, expression
    # Each is there to be seen.
    bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names(metrics)}
    drawn = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert bases <= drawn


def test_values_of_labels_in_them_exist() -> None:
    known = {"reason": {*REASONS, "home", "local"}, "outcome": OUTCOMES}
    known["status"] = {"failed", "error"}
    known["state"] = set(ProcessState)
    for expression in EXPRESSIONS:
        for label, given in MATCHER.findall(expression):
            if not given.startswith("$"):
                assert set(given.split("|")) <= known[label], expression


def test_the_rules_are_rules() -> None:
    assert "SUCCESS" in run("promtool", "check", "rules", ALERTS_FILE)
    for rule in in_alerts():
        assert rule["labels"].keys() == {"severity"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_the_rules_fire_when_they_should_and_not_otherwise() -> None:
    played = Path(__file__).parent / "played_alerts.yaml"
    assert "SUCCESS" in run("promtool", "test", "rules", played)
    tests = yaml.safe_load(played.read_text())["tests"]
    fired = {
        play["alertname"]
        for test in tests
        for play in test["alert_rule_test"]
        if play["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in in_alerts()}


def test_the_dashboard_asks_in_the_language_of_prometheus(tmp_path: Path) -> None:
    rules = [
        {
            "record": f"panel:number{number}",
            "expr": expression.replace("$__rate_interval", "5m"),
        }
        for number, expression in enumerate(in_dashboard())
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run("promtool", "check", "rules", path)


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_a_panel_has_its_place(panel: dict[str, Any]) -> None:
    place = panel["gridPos"]
    assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    others = (other for other in DASHBOARD["panels"] if other is not panel)
    for other in (other["gridPos"] for other in others):
        apart_x = other["x"] >= place["x"] + place["w"] or place["x"] >= other["x"] + other["w"]
        apart_y = other["y"] >= place["y"] + place["h"] or place["y"] >= other["y"] + other["h"]
        assert apart_x or apart_y
    if panel["type"] != "row":
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_the_picture_of_the_dashboard_has_every_panel() -> None:
    """Drawn anew by `.venv/bin/python -m tests.dashboard`."""
    drawn = (ROOT / "docs" / "dashboard.svg").read_text()
    assert re.findall(r'class="title"[^>]*>([^<]*)<', drawn) == [
        panel["title"] for panel in DASHBOARD["panels"]
    ]


def test_variables_that_panels_use_are_there() -> None:
    given = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(DASHBOARD["panels"])))
    assert used == given
