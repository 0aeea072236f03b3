"""The public surface: exactly these names, and an import that loads no driver."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys

import pytest

import aaiclick

FUNCTIONS = ["ensure_schema", "plan_schema", "validate_schema", "reflect_schema", "rollback_schema"]
SPECS = [
    "Column",
    "Constraint",
    "Dictionary",
    "Index",
    "MaterializedView",
    "MergeTree",
    "Migration",
    "Projection",
    "Rebuild",
    "Schema",
]
SPECS += ["Table", "TableFamily", "View"]
NAMES = [*SPECS, *FUNCTIONS, *(f"{name}_async" for name in FUNCTIONS), "forget", "Plan", "Policy"]
HEAVY = ["chdb", "clickhouse_connect", "numpy", "pandas", "pyarrow", "aiohttp", "typer", "rich", "pytest"]
HEAVY += ["prometheus_client", "opentelemetry"]
SIGNATURES = {
    "ensure_schema": ["client", "schema", "policy", "database", "once", "on_event"],
    "plan_schema": ["client", "schema", "database", "scratch", "quick"],
    "validate_schema": ["client", "schema", "database"],
    "reflect_schema": ["client", "database", "name"],
    "rollback_schema": ["client", "schema", "to"],
}


def test_all_names_are_exactly_the_documented_ones() -> None:
    assert sorted(aaiclick.__all__) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_and_documented(name: str) -> None:
    assert inspect.getdoc(getattr(aaiclick, name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_are_those_of_the_design_and_the_same_for_both_twins(name: str) -> None:
    twins = [getattr(aaiclick, name), getattr(aaiclick, f"{name}_async")]
    shapes = [
        [
            (parameter.name, parameter.kind, parameter.default)
            for parameter in inspect.signature(twin).parameters.values()
        ]
        for twin in twins
    ]
    assert [shape[0] for shape in shapes[0]][: len(SIGNATURES[name])] == SIGNATURES[name]
    assert shapes[0] == shapes[1]
    assert inspect.iscoroutinefunction(twins[1])
    assert not inspect.iscoroutinefunction(twins[0])


@pytest.mark.parametrize(
    "statement",
    ["import aaiclick", "from aaiclick import *", "import aaiclick.oplog", "from aaiclick.oplog import OPLOG"],
)
def test_importing_loads_no_driver(statement: str) -> None:
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    assert set(json.loads(done.stdout)) & set(HEAVY) == set()


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(aaiclick, "no_such_name")  # noqa: B009 - the dynamic look-up is what is tested


def test_a_former_name_that_programs_import() -> None:
    """The lease had another module before it got a package of its own."""
    former = importlib.import_module("aaiclick.apply.lease")
    assert former.acquire is importlib.import_module("aaiclick.lease.acquire").acquire
