"""Schemas of thousands of tables: the time grows with their number, and a check costs little more than reading the catalogue."""

from __future__ import annotations

import chdb.session
import pytest

from aaiclick import ensure_schema, plan_schema, validate_schema
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from benchmarks.measure import Line, Results, Spent, interleaved
from benchmarks.schemas import plain_schema

pytestmark = pytest.mark.bench


def _measured(session: chdb.session.Session, count: int) -> dict[str, Spent]:
    name = fresh_name()
    session.query(f"CREATE DATABASE {name} ENGINE = Atomic")
    ensure_schema(session, plain_schema(count, 1), database=name)
    schema, newer = plain_schema(count, 1), plain_schema(count, 2, changed=10)
    bare = f"SELECT name, create_table_query FROM system.tables WHERE database = '{name}'"
    spent = interleaved(
        {
            "bare": lambda: session.query(bare, "JSONCompactEachRow").bytes(),
            "warm": lambda: ensure_schema(session, schema, database=name),
            "validate": lambda: validate_schema(session, schema, database=name),
            "plan": lambda: plan_schema(session, newer, database=name),
        },
        3,
    )
    session.query(f"DROP DATABASE {name} SYNC")
    return spent


def test_many_tables(results: Results, aaiclick_engine: EmbeddedEngine, pytestconfig: pytest.Config) -> None:
    most = int(pytestconfig.getoption("--tables"))
    session = chdb.session.Session(aaiclick_engine.path)
    few, many = _measured(session, most // 10), _measured(session, most)
    session.close()
    label = f"{most:,} tables"
    for name, what in (("warm", "check at a start"), ("validate", "`validate_schema`"), ("plan", "plan of 10 changes")):
        ratio = many[name].wall / few[name].wall
        text = f"{ratio:.1f} x ({many[name].wall:.1f} s)"
        results.add(Line(f"{what}, {label}", f"{most // 10:,} tables", "≤ 11 x", 11, ratio, text))
    ratio = many["warm"].wall / many["bare"].wall
    note = "`validate_schema` and plans split every definition in Python, which takes some 0.4 ms a table."
    results.add(Line(f"check at a start, {label}", "the bare catalogue query", "≤ 1.5 x", 1.5, ratio, note=note))
