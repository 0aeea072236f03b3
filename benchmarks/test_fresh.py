"""An empty database gets a schema of 20 tables."""

from __future__ import annotations

from collections.abc import Callable

import chdb.session
import pytest

from aaiclick import ensure_schema
from aaiclick.specs.ddl import create_table_sql
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from aaiclick.testing.recorded import SchemaRecorder, engine_target
from benchmarks.measure import Line, Results, interleaved
from benchmarks.schemas import small_schema

pytestmark = pytest.mark.bench


def test_twenty_tables(results: Results, aaiclick_engine: EmbeddedEngine) -> None:
    schema, session = small_schema(20), chdb.session.Session(aaiclick_engine.path)
    target, recorder = engine_target(aaiclick_engine), SchemaRecorder()
    made: list[str] = []

    def database() -> str:
        made.append(fresh_name())
        session.query(f"CREATE DATABASE {made[-1]} ENGINE = Atomic")
        return made[-1]

    def bare() -> None:
        name = database()
        for table in schema.tables:
            session.query(create_table_sql(table, name))

    def clean() -> None:
        while made:
            session.query(f"DROP DATABASE {made.pop()} SYNC")

    recorded: Callable[[], None] = lambda: made.append(recorder.create(target, schema))  # noqa: E731 - one of four cases
    recorded()
    cases = {"bare": bare, "ensure": lambda: ensure_schema(session, schema, database=database()), "fixture": recorded}
    spent = interleaved(cases, 15, before=clean)
    clean()
    for name, label in (("fixture", "the fixture `aaiclick_schema`"), ("ensure", "`ensure_schema`")):
        wall, cpu = spent[name].wall / spent["bare"].wall, spent[name].cpu / spent["bare"].cpu
        note = (
            "some twenty statements beside the 20 that create, whatever their number: the lease, the catalogue "
            "before and after, the record."
            if name == "ensure"
            else ""
        )
        results.add(
            Line(
                f"fresh schema of 20 tables, {label}",
                "the bare CREATE statements",
                "≤ 1.5 x",
                1.5,
                wall,
                f"{wall:.2f} x (CPU {cpu:.2f} x)",
                note,
            )
        )
    session.close()
