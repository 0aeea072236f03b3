"""The dashboard and the alert rules ask for metrics and labels that there are, and Prometheus reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aaiclick.cli.main import main
from aaiclick.metrics.catalogue import IN_FILE, METRICS, Metric
from tests.metrics.make_dashboard import FILE, text
from tests.metrics.promtool import promtool

ALERTS = FILE.parent / "alerts.yaml"
METRIC = re.compile(r"\baaiclick_\w+")
BY = re.compile(r"\b(?:by|on|without)\s*\(([^)]*)\)")
TARGET = {"job", "instance", "service", "pod", "container", "endpoint", "node"}
"""Labels that Prometheus, or an operator of it, adds to everything that is read of one process."""
BOARD: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


def shown() -> dict[str, Metric]:
    """Metrics by the names that can be asked for."""
    found: dict[str, Metric] = {}
    for metric in (*METRICS, *IN_FILE):
        ends = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        found |= {metric.name + end: metric for end in ends}
    return found


def queries() -> Iterator[str]:
    for panel in BOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    rules = ALERTS.read_text(encoding="utf-8")
    found = re.findall(r"^ +- alert: \w+\n +expr: (.*?)\n +(?:for|labels):", rules, re.MULTILINE | re.DOTALL)
    assert len(found) == rules.count("- alert:") >= 5
    yield from (" ".join(expr.removeprefix(">-").split()) for expr in found)


def wrong(expr: str) -> list[str]:
    """What a query asks for that there is not."""
    there = shown()
    named = METRIC.findall(expr)
    if not named or any(name not in there for name in named):
        return [name for name in named if name not in there] or ["no metric"]
    labels = {label for name in named for label in there[name].labels} | {"le"} | TARGET
    asked = {label.strip() for group in BY.findall(expr) for label in group.split(",")}
    asked |= {label for group in re.findall(r"\{([^}]*)\}", expr) for label in re.findall(r"(\w+)\s*[=!]", group)}
    return sorted(asked - labels)


@pytest.mark.parametrize("expr", list(dict.fromkeys(queries())))
def test_every_query_names_what_there_is(expr: str) -> None:
    assert wrong(expr) == []


def test_a_query_for_what_there_is_not_is_found() -> None:
    assert wrong("sum(aaiclick_step_total)") == ["aaiclick_step_total"]
    assert wrong("sum by (table) (aaiclick_steps_total)") == ["table"]
    assert wrong('aaiclick_steps_total{schemas="x"}') == ["schemas"]
    assert wrong("up") == ["no metric"]


def test_every_metric_is_asked_for_somewhere() -> None:
    """But the release, which is a label of nothing else."""
    asked = {name for expr in queries() for name in METRIC.findall(expr)}
    assert {metric.name for name, metric in shown().items() if name in asked} == {
        metric.name for metric in (*METRICS, *IN_FILE)
    } - {"aaiclick_build_info"}


def test_the_dashboard_is_well_formed() -> None:
    assert FILE.read_text(encoding="utf-8") == text()
    assert BOARD["schemaVersion"] >= 36
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    real = [panel for panel in panels if panel["type"] != "row"]
    assert len(real) >= 10
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
    variables = {each["name"] for each in BOARD["templating"]["list"]}
    for panel in real:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["datasource"]["uid"] == "${datasource}"
        assert [target["refId"] for target in panel["targets"]] == ["A", "B", "C", "D"][: len(panel["targets"])]
        used = {name for target in panel["targets"] for name in re.findall(r"\$(\w+)", target["expr"])}
        assert used - {"__rate_interval"} <= variables


def test_the_colours_of_a_panel_are_its_own() -> None:
    """Grafana's default is red from 80 on: seconds until a kept table goes, or version 80, would look like trouble."""
    stats = [panel for panel in BOARD["panels"] if panel["type"] == "stat"]
    steps = {panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"] for panel in stats}
    assert len(steps) == 6
    assert all(each[0]["value"] is None for each in steps.values())
    assert {80} & {step["value"] for each in steps.values() for step in each} == set()
    assert [step["color"] for step in steps["In sync"]] == ["red", "green"]
    assert [step["color"] for step in steps["Unfinished work"]] == ["green", "red"]


def lost(given: object, read: object, path: str = "") -> list[str]:
    """What of a document is not there, or is another, when it has been read and written again."""
    if isinstance(given, dict) and isinstance(read, dict):
        return [found for key, value in given.items() for found in lost(value, read.get(key), f"{path}/{key}")]
    if isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        return [found for each, other in zip(given, read, strict=True) for found in lost(each, other, f"{path}[]")]
    return [] if given == read else [f"{path}: {given!r} is {read!r}"]


def test_grafanas_own_model_of_dashboards_knows_every_key_and_unit() -> None:
    sdk = pytest.importorskip("grafana_foundation_sdk", reason="it needs Python 3.11")
    assert sdk
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models import dashboard, prometheus, stat, timeseries, units

    register_default_plugins()
    read = dashboard.Dashboard.from_json(BOARD)
    # The words that Grafana shows for the query of a variable; it writes them itself, and its model does not have them.
    again = json.loads(JSONEncoder().encode(read))
    assert {found.partition(":")[0] for found in lost(BOARD, again)} == {"/templating/list[]/definition"}
    assert lost({**BOARD, "panels": [{**BOARD["panels"][1], "titel": "x"}]}, again)
    kinds = {"stat": stat.Options, "timeseries": timeseries.Options}
    for panel in read.panels or []:
        if isinstance(panel, dashboard.Panel):
            assert isinstance(panel.options, kinds[panel.type_val])
            assert all(isinstance(target, prometheus.Dataquery) for target in panel.targets or [])
            assert panel.field_config
            assert panel.field_config.defaults.unit in [getattr(units, name) for name in dir(units)]


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard"]) == 0
    assert json.loads(capsys.readouterr().out) == BOARD
    assert main(["dashboard", "--alerts"]) == 0
    assert capsys.readouterr().out == ALERTS.read_text(encoding="utf-8")


def test_prometheus_reads_every_query_and_rule(tmp_path: Path) -> None:
    names = "\n".join(
        f"  - record: q{number}\n    expr: {json.dumps(expr.replace('$__rate_interval', '5m'))}"
        for number, expr in enumerate(queries())
    )
    rules = tmp_path / "rules.yaml"
    rules.write_text(f"groups:\n- name: queries\n  rules:\n{names}\n", encoding="utf-8")
    if not promtool(["check", "rules", str(rules)]):
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    assert "SUCCESS: 8 rules found" in promtool(["check", "rules", str(ALERTS)])


def test_the_alerts_go_off_when_they_have_to() -> None:
    if not promtool(["test", "rules", str(Path(__file__).parent / "alerts_test.yaml")]):
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
