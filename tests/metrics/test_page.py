"""The catalogue follows Prometheus' conventions, and the page says what the catalogue says."""

from __future__ import annotations

import re

import pytest

from aaiclick import errors
from aaiclick.metrics.catalogue import IN_FILE, METRICS, Metric
from aaiclick.metrics.labels import error_label
from tests.metrics.page import PAGE, written


def _name(metric: Metric) -> str:
    return metric.name


def test_the_page_says_what_the_code_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page) == page
    section = page.partition("### Labels")[2].partition("###")[0]
    explained = set(re.findall(r"^\| (\w+) \| [^|]*\|$", section, re.MULTILINE)) - {"label"}
    assert explained == {label for metric in (*METRICS, *IN_FILE) for label in metric.labels}


@pytest.mark.parametrize("metric", list(dict.fromkeys(METRICS + IN_FILE)), ids=_name)
def test_names_and_units(metric: Metric) -> None:
    assert re.fullmatch(r"aaiclick_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".")
    assert (metric.kind == "histogram") == bool(metric.buckets)
    assert list(metric.buckets) == sorted(metric.buckets)
    assert not re.search(r"duration|timestamp|size", metric.short) or metric.unit


def test_there_are_enough_and_each_once() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names)) >= 14


def test_errors_are_a_closed_set() -> None:
    assert error_label(errors.SchemaAheadError("shop", 2, 1, None)) == "SchemaAheadError"
    assert error_label(ValueError("anything")) == "other"
    assert error_label(type("Dynamic42", (errors.AaiclickError,), {})()) == "AaiclickError"
    assert error_label(KeyboardInterrupt()) == "Interrupted"
