"""``python -m tests.metrics.make_dashboard`` writes the Grafana dashboard that is in the package."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import aaiclick.metrics

FILE = Path(aaiclick.metrics.__file__).parent / "files" / "dashboard.json"
WIDTH, HEIGHT = 6, 7
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
RUN, PLACE = '{schema=~"$schema"}', '{schema=~"$schema", database=~"$database"}'
# Whatever else tells targets apart stays: two installs of an application are not one because their databases are called alike.
ALIKE = "without (job, instance, service, pod, container, endpoint, node)"


def state(metric: str, of: str = "max") -> str:
    return f"{of} {ALIKE} (aaiclick_{metric}{PLACE})"


def grown(name: str) -> str:
    # A process that migrates once may be read for the first time after that: its line appears with 1 and never grows.
    line = f"aaiclick_{name}{RUN}"
    return f"(({line} unless {line} offset $__rate_interval) or increase({line}[$__rate_interval]))"


def increase(metric: str, by: str = "schema") -> str:
    shown = f"sum by ({by}) {grown(f'{metric}_total')}"
    # Each error and strategy has a line from the first run on, most of them with 0 for ever.
    return shown if by == "schema" else f"{shown} > 0"


def quantile(part: float, metric: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({part}, sum by ({labels}) {grown(f'{metric}_seconds_bucket')})"


Target = tuple[str, str]
"""A query and the legend of its lines."""
Panel = tuple[str, str, str, str, Sequence[Target]]
"""Title, kind, unit, description, targets."""
STATE = "{{schema}} / {{database}}"
COLOURS: Mapping[str, Sequence[tuple[str, float | None]]] = {
    "Version": [("blue", None)],
    "Versions behind the code": [("green", None), ("orange", 1)],
    "In sync": [("red", None), ("green", 1)],
    "Unfinished work": [("green", None), ("red", 1)],
    "Until the first kept table is dropped": [("orange", None), ("green", 7200)],
    "Age of the last look": [("green", None), ("orange", 3600)],
}
"""From which value on a panel has which colour. Without its own, Grafana shows whatever is above 80 in red."""
ROWS: Sequence[tuple[str, Sequence[Panel]]] = (
    (
        "State of the databases",
        (
            (
                "Version",
                "stat",
                "none",
                "Version of each database; 0 where it is empty.",
                [(state("schema_version"), STATE)],
            ),
            (
                "Versions behind the code",
                "stat",
                "none",
                "What the code expects, less what the database is at.",
                [(f"{state('schema_expected_version')} - {state('schema_version')}", STATE)],
            ),
            (
                "In sync",
                "stat",
                "bool_yes_no",
                "Whether the database is as declared.",
                [(state("schema_in_sync", "min"), STATE)],
            ),
            (
                "Unfinished work",
                "stat",
                "bool_yes_no",
                "A run was begun and not brought to its end.",
                [(state("unfinished_work"), STATE)],
            ),
            (
                "Tables that refuse writers",
                "timeseries",
                "none",
                "Longer than a minute is worth a look.",
                [(state("fenced_tables"), STATE)],
            ),
            (
                "Kept tables",
                "timeseries",
                "none",
                "Old tables that are kept for a rollback.",
                [(state("kept_tables"), STATE)],
            ),
            ("Size of the kept tables", "timeseries", "bytes", "On disk.", [(state("kept_tables_size_bytes"), STATE)]),
            (
                "Until the first kept table is dropped",
                "stat",
                "s",
                "After that there is no way back past that rebuild.",
                [(f"{state('kept_tables_expiry_timestamp_seconds', 'min')} - time()", STATE)],
            ),
        ),
    ),
    (
        "Migrations",
        (
            (
                "Migrations",
                "timeseries",
                "none",
                "Started, applied, refused (somebody has to decide) and failed.",
                [
                    (increase("migrations_started"), "{{schema}} started"),
                    (increase("migrations_applied"), "{{schema}} applied"),
                    (increase("migrations_refused"), "{{schema}} refused"),
                    (increase("migrations_failed"), "{{schema}} failed"),
                ],
            ),
            (
                "Errors",
                "timeseries",
                "none",
                "By their class in aaiclick.errors.",
                [
                    (increase("migrations_refused", "error"), "{{error}}"),
                    (increase("migrations_failed", "error"), "{{error}}"),
                ],
            ),
            (
                "Running now",
                "timeseries",
                "none",
                "In all processes.",
                [(f"sum by (schema) (aaiclick_migrations_running{RUN})", "{{schema}}")],
            ),
            (
                "Time of a migration",
                "timeseries",
                "s",
                "Median and 95th percentile.",
                [(quantile(0.5, "migration_duration"), "50 %"), (quantile(0.95, "migration_duration"), "95 %")],
            ),
            ("Steps", "timeseries", "none", "By strategy.", [(increase("steps", "strategy"), "{{strategy}}")]),
            (
                "Time of a step",
                "timeseries",
                "s",
                "95th percentile, by strategy.",
                [(quantile(0.95, "step_duration", "strategy"), "{{strategy}}")],
            ),
            (
                "Drift found",
                "timeseries",
                "none",
                "Somebody changed tables by hand.",
                [(increase("drift_found"), "{{schema}}")],
            ),
            (
                "Warm starts",
                "timeseries",
                "s",
                "Starts with nothing to do: median and 95th percentile.",
                [(quantile(0.5, "warm_start_duration"), "50 %"), (quantile(0.95, "warm_start_duration"), "95 %")],
            ),
        ),
    ),
    (
        "Copies, fences and leases",
        (
            (
                "Rows copied",
                "timeseries",
                "none",
                "And those whose checksums were compared.",
                [(increase("copied_rows"), "{{schema}} copied"), (increase("verified_rows"), "{{schema}} verified")],
            ),
            (
                "Bytes copied",
                "timeseries",
                "bytes",
                "On disk.",
                [(increase("copied_bytes"), "{{schema}} copied"), (increase("verified_bytes"), "{{schema}} verified")],
            ),
            (
                "Time of a chunk",
                "timeseries",
                "s",
                "Median and 95th percentile.",
                [(quantile(0.5, "chunk_duration"), "50 %"), (quantile(0.95, "chunk_duration"), "95 %")],
            ),
            (
                "Time of a fence",
                "timeseries",
                "s",
                "Median and 95th percentile of the time in which a table refused writers.",
                [(quantile(0.5, "fence_duration"), "50 %"), (quantile(0.95, "fence_duration"), "95 %")],
            ),
            (
                "Refused writers",
                "timeseries",
                "none",
                "Statements that met a fence.",
                [(increase("refused_writers"), "{{schema}}")],
            ),
            (
                "Leases",
                "timeseries",
                "none",
                "Waits for another process, and leases of dead ones that were taken over.",
                [(increase("lease_waits"), "{{schema}} waits"), (increase("lease_takeovers"), "{{schema}} taken over")],
            ),
            (
                "Time of a wait for the lease",
                "timeseries",
                "s",
                "95th percentile.",
                [(quantile(0.95, "lease_wait_duration"), "95 %")],
            ),
            (
                "Age of the last look",
                "stat",
                "s",
                "Since the state above was asked for: validate_schema, or aaiclick status --metrics-file.",
                [(f"time() - {state('status_timestamp_seconds')}", STATE)],
            ),
        ),
    ),
)


def variable(name: str, label: str, query: str) -> dict[str, object]:
    return {
        "name": name, "label": label, "type": "query", "datasource": SOURCE, "refresh": 2, "sort": 1, "multi": True,
        "includeAll": True, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]},
        "query": {"query": query, "refId": name}, "definition": query,
    }  # fmt: skip


def panel(number: int, place: dict[str, int], given: Panel) -> dict[str, object]:
    title, kind, unit, text, targets = given
    options: dict[str, object] = (
        {
            "colorMode": "value",
            "graphMode": "none",
            "textMode": "value_and_name",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
        if kind == "stat"
        else {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    )
    defaults: dict[str, object] = {"unit": unit}
    if kind == "stat":
        steps = [{"color": colour, "value": value} for colour, value in COLOURS[title]]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        defaults["noValue"] = "nothing"
    else:
        defaults["min"] = 0
    if unit == "none":
        defaults["decimals"] = 0  # increase() reckons with the ends of its range: 1.33 migrations
    custom = {} if kind == "stat" else {"drawStyle": "line", "fillOpacity": 10, "lineWidth": 1, "showPoints": "auto"}
    return {
        "id": number,
        "title": title,
        "description": text,
        "type": kind,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {**defaults, "custom": custom}, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expr, "legendFormat": legend, "range": True}
            for index, (expr, legend) in enumerate(targets)
        ],
    }


def dashboard() -> dict[str, object]:
    panels: list[dict[str, object]] = []
    top = 0
    for title, given in ROWS:
        panels.append(
            {
                "id": len(panels) + 1,
                "title": title,
                "type": "row",
                "collapsed": False,
                "gridPos": {"x": 0, "y": top, "w": 24, "h": 1},
                "panels": [],
            }
        )
        top += 1
        for place, each in enumerate(given):
            x, y = place % 4 * WIDTH, top + place // 4 * HEIGHT
            panels.append(panel(len(panels) + 1, {"x": x, "y": y, "w": WIDTH, "h": HEIGHT}, each))
        top += (len(given) + 3) // 4 * HEIGHT
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}
    return {
        "uid": "aaiclick", "title": "aaiclick: schema migrations", "tags": ["aaiclick", "clickhouse"], "schemaVersion": 39, "version": 1,
        "editable": True, "graphTooltip": 1, "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "timezone": "browser",
        "annotations": {"list": []}, "links": [],
        "templating": {
            "list": [
                source,
                variable("schema", "Schema", "label_values(aaiclick_schema_version, schema)"),
                variable("database", "Database", 'label_values(aaiclick_schema_version{schema=~"$schema"}, database)'),
                {"name": "targets", "label": "Targets", "type": "adhoc", "datasource": SOURCE},
            ]
        },
        "panels": panels,
    }  # fmt: skip


def text() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
