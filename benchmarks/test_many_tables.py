"""Schemas of thousands of tables: the time grows with their number, and a check costs little more than reading the
catalogue."""

from __future__ import annotations

import chdb.session
import pytest

from aaiclick import ensure_schema, plan_schema, validate_schema
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from benchmarks.measure import Line, Results, Spent, interleaved
from benchmarks.schemas import plain_schema, small_schema

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
    note = (
        "`validate_schema` and plans split every definition in Python. These tables differ in their names only, so "
        "that scratch holds one of them."
    )
    results.add(Line(f"check at a start, {label}", "the bare catalogue query", "≤ 1.5 x", 1.5, ratio, note=note))


def test_tables_that_differ(results: Results, aaiclick_engine: EmbeddedEngine) -> None:
    session = chdb.session.Session(aaiclick_engine.path)
    schemas = {"alike": plain_schema(1000, 1), "different": small_schema(1000)}
    names = {label: fresh_name() for label in schemas}
    for label, schema in schemas.items():
        session.query(f"CREATE DATABASE {names[label]} ENGINE = Atomic")
        ensure_schema(session, schema, database=names[label])
    check = {
        label: (lambda label=label: validate_schema(session, schemas[label], database=names[label]))
        for label in schemas
    }
    spent = interleaved(check, 3)
    for name in names.values():
        session.query(f"DROP DATABASE {name} SYNC")
    session.close()
    ratio = spent["different"].wall / spent["alike"].wall
    note = (
        "what is as the record says is not made in scratch again, and definitions that differ in names only are "
        "split once; a first check, a new version of the"
        " schema or another release of server or library make every declared table once."
    )
    text = f"{ratio:.1f} x ({spent['different'].wall:.1f} s, CPU {spent['different'].cpu:.1f} s)"
    results.add(
        Line(
            "`validate_schema`, 1,000 tables that all differ",
            "1,000 that differ in their names only",
            "none",
            1e9,
            ratio,
            text,
            note,
        )
    )
