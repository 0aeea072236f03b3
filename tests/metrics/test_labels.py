"""However many schemas, databases and errors there are, the lines stay few, and none of them is told of no more."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aaiclick import errors
from aaiclick.commands.report import Report
from aaiclick.events import Compared, WritersRefused
from aaiclick.metrics.aggregated import AggregatedGauges, one_value
from aaiclick.metrics.catalogue import EXPECTED, EXPIRES, IN_SYNC, KEPT, METRICS, REFUSED, UNFINISHED, VERSION, Metric
from aaiclick.metrics.labels import FAILURES, REFUSALS, STRATEGIES, error_label
from aaiclick.metrics.prometheus import PrometheusSink
from aaiclick.metrics.recorder import Recorder
from aaiclick.metrics.textfile import exposition
from tests.metrics.conftest import Registry
from tests.metrics.test_textfile import found

COMBINATIONS = {
    "schema": 1, "database": 1, "command": 2, "strategy": len(STRATEGIES), "error": len(FAILURES),
}  # fmt: skip
PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def most(of_database: bool) -> int:
    """Lines that one schema can have, or one database of it."""
    return sum(
        (len(metric.buckets) + 3 if metric.kind == "histogram" else 1)
        * math.prod(
            len(REFUSALS) if metric is REFUSED and name == "error" else COMBINATIONS[name] for name in metric.labels
        )
        for metric in METRICS
        if "schema" in metric.labels and ("database" in metric.labels) == of_database
    )


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def recorder(registry: Registry) -> Recorder:
    return Recorder(PrometheusSink(registry))


def report(schema: str, database: str) -> Report:
    return Report(schema, database, 1, 2, (), (), (), (), True, 0.1)


def lines(registry: Registry) -> dict[str, int]:
    counted: dict[str, int] = defaultdict(int)
    for metric in registry.collect():
        for sample in metric.samples:
            counted[sample.labels.get("schema", "")] += not sample.name.endswith("_created")
    return counted


def test_a_thousand_schemas_and_databases_and_errors(registry: Registry, recorder: Recorder) -> None:
    for number in range(1000):
        name = f"s{number}"
        call = recorder.begun("ensure_schema", name)
        call.event(Compared(name, f"d{number}", 1, 2, "behind", 1))
        call.event(WritersRefused(f"d{number}", "t"))
        failed = type(f"Error{number}", (RuntimeError,), {})(name) if number % 2 else None
        call.ended(None if failed else report(name, f"d{number}"), failed)
    counted = lines(registry)
    assert len(counted) == 102  # a hundred, the others, and what has no schema
    assert max(counted.values()) <= most(False) + most(True)
    assert f"at most {most(False)} lines" in PAGE.read_text(encoding="utf-8")
    assert f"a database of it {most(True)}" in PAGE.read_text(encoding="utf-8")
    errors_told = {s.labels["error"] for m in registry.collect() for s in m.samples if "error" in s.labels}
    assert errors_told == {*REFUSALS, *FAILURES}


def test_the_others_are_told_of_by_the_worst_of_them(registry: Registry, recorder: Recorder) -> None:
    place = {"schema": "shop", "database": "other"}
    for number in range(150):
        recorder.standing(
            "shop", f"tenant_{number}", {VERSION: 2.0, EXPECTED: 2.0, IN_SYNC: 1.0, UNFINISHED: 0.0, KEPT: 1.0}
        )
    assert registry.of(KEPT.name, **place) == 50
    assert registry.of(IN_SYNC.name, **place) == 1
    recorder.standing("shop", "tenant_120", {VERSION: 1.0, IN_SYNC: 0.0, UNFINISHED: 1.0, KEPT: 0.0, EXPIRES: 7.0})
    recorder.standing("shop", "tenant_130", {EXPIRES: 9.0})
    assert [registry.of(each.name, **place) for each in (VERSION, EXPECTED, IN_SYNC, UNFINISHED, KEPT, EXPIRES)] == [
        1, 2, 0, 1, 49, 7,
    ]  # fmt: skip
    recorder.standing("shop", "tenant_120", {VERSION: 2.0, IN_SYNC: 1.0, UNFINISHED: 0.0, KEPT: 1.0, EXPIRES: None})
    recorder.standing("shop", "tenant_130", {EXPIRES: None})
    assert [registry.of(each.name, **place) for each in (VERSION, IN_SYNC, UNFINISHED, KEPT, EXPIRES)] == [
        2, 1, 0, 50, None,
    ]  # fmt: skip


def test_a_schema_or_database_that_is_called_other_is_told_of(registry: Registry, recorder: Recorder) -> None:
    recorder.standing("other", "other", {VERSION: 3.0})
    assert registry.of(VERSION.name, schema="other", database="other") == 3


@pytest.mark.parametrize("metric", [each for each in METRICS if each.together], ids=lambda each: each.short)
def test_what_is_kept_of_many_is_what_a_look_at_all_of_them_would_say(metric: Metric) -> None:
    chance = random.Random(metric.short)
    together, there = AggregatedGauges(), dict[tuple[str, str], float | None]()
    for _ in range(2000):
        member, value = ("s", str(chance.randrange(40))), chance.choice([None, 0.0, 1.0, chance.random()])
        there[member] = value
        said = together.put(metric, {"schema": "s"}, member, value)
        assert said == pytest.approx(one_value(metric, there.values()))


def test_every_gauge_of_a_database_has_a_way_to_be_told_together() -> None:
    assert all(bool(each.together) == ("database" in each.labels) for each in METRICS)


def test_a_file_of_many_databases() -> None:
    """Those that somebody should look at keep their names."""
    well = {"state": "in sync", "in_sync": True, "unfinished": "", "fenced": (), "kept_tables": (), "live_version": 3}
    there = {f"tenant_{number:04}": found(**well) for number in range(5000)}
    bad = {"tenant_0700": found(), "tenant_4999": None, "tenant_3000": found(**{**well, "unfinished": "a copy"})}
    text = exposition("shop", {**there, **bad}, 10.0)
    families = {family.name: family.samples for family in text_string_to_metric_families(text)}
    assert all(len(samples) <= 101 for samples in families.values())
    up = {sample.labels["database"]: sample.value for sample in families["aaiclick_up"]}
    assert len(up) == 101
    assert {*bad, "other", "tenant_0000"} <= set(up)
    assert (up["tenant_4999"], up["other"]) == (0, 1)
    in_sync = {sample.labels["database"]: sample.value for sample in families["aaiclick_schema_in_sync"]}
    assert [in_sync[name] for name in ("tenant_0700", "other")] == [0, 1]
    worse = exposition("shop", {**there, **bad}, 10.0, label_values=1)
    other = {
        f.name: s.value
        for f in text_string_to_metric_families(worse)
        for s in f.samples
        if s.labels["database"] == "other"
    }
    assert other["aaiclick_up"] == 0
    assert (other["aaiclick_unfinished_work"], other["aaiclick_fenced_tables"]) == (1, 0)


def test_errors_are_called_after_the_nearest_class_of_the_library() -> None:
    class Mine(errors.ApplyError):
        """One of an application."""

    class ApplyError(RuntimeError):
        """Not the library's, though it is called so."""

    assert error_label(Mine("x")) == "ApplyError"
    assert error_label(ApplyError("x")) == "other"
    assert error_label(KeyboardInterrupt()) == "Interrupted"
    assert error_label(errors.UsageError("x")) == "UsageError"
