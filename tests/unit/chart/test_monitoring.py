"""The chart's alerts and dashboard: they name metrics that a prefetcher has, and fire when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.records import Meters
from penstock.steps._shared.prefetch_metrics import prefetch_metrics
from penstock.window import WindowGauges

CHART = Path(__file__).parents[3] / "charts" / "penstock"
RULES = CHART / "files" / "rules.yaml"
DASHBOARD = CHART / "files" / "dashboard.json"
DOCS = Path(__file__).parents[3] / "docs" / "monitoring.md"


def known() -> set[str]:
    found = WindowGauges(
        state="running",
        beats=1,
        meters=Meters(),
        used_bytes=1,
        num_slots={"ready": 1},
        in_flight_limit=32,
        fetched_index=1,
        end_index=2,
        cursors={0: 1},
        volume_bytes=1,
        volume_free_bytes=1,
    )
    return {metric.name for metric in prefetch_metrics(found)}


def named(expression: str) -> set[str]:
    return set(re.findall(r"\bpenstock_[a-z_]+", expression))


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def test_alerts_name_metrics_that_are_there() -> None:
    for rule in rules():
        assert named(rule["expr"]) <= known(), rule["alert"]


def test_every_alert_tells_what_to_do() -> None:
    for rule in rules():
        assert {"summary", "description", "runbook"} == set(rule["annotations"]), rule["alert"]
        assert f"## {rule['alert']}\n" in DOCS.read_text(), rule["alert"]


def test_dashboard_names_metrics_that_are_there(dashboard: dict[str, Any]) -> None:
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert set().union(*map(named, asked)) <= known()
    variables = [item["query"]["query"] for item in dashboard["templating"]["list"] if item["type"] == "query"]
    assert set().union(*map(named, variables)) <= known()


def test_panels_have_units_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on the PATH (Debian: apt-get install prometheus)")
    cases = tmp_path / "alerts.yaml"
    cases.write_text((Path(__file__).parent / "alerts.yaml").read_text().replace("RULES", str(RULES)))
    for words in (("check", "rules", str(RULES)), ("test", "rules", str(cases))):
        done = subprocess.run([promtool, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
