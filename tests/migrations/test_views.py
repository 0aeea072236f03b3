"""Views in a jump: what a statement or function may read is there, in the form of its version, before it begins; else
the reason is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, MaterializedView, MergeTree, Migration, Schema, Table, View, ensure_schema, plan_schema
from aaiclick.aggregates import Aggregate, rollup
from aaiclick.api.declared_forms import declared_forms
from aaiclick.errors import BlockedError
from aaiclick.specs.moves import MoveContext
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, dump_lock
from tests.migrations.building import rows, table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

T = table(Column("op", "String"))
LOG = table(name="log")
OLD = View("v", query="SELECT id, op FROM t")
READ = Migration(2, sql=["INSERT INTO log SELECT id FROM v"])


def schema(
    version: int, *objects: Table | View | MaterializedView, migrations: list[Migration] | None = None
) -> Schema:
    return Schema("s", version=version, objects=list(objects), migrations=migrations)


def begun(client: Client, *objects: Table | View | MaterializedView) -> None:
    ensure_schema(client, schema(1, *objects))
    client.command("INSERT INTO t (id, op) VALUES (1, 'a'), (2, 'b')")


def ids(client: Client, declared: Schema) -> list[str]:
    planned = [step.id for step in plan_schema(client, declared).steps]
    done = [step.id for step in ensure_schema(client, declared).steps]
    assert done[: len(planned)] == planned
    assert ensure_schema(client, declared).steps == ()
    return done


def test_a_column_is_renamed_under_a_view_that_is_replaced(aaiclick_client: Client) -> None:
    begun(aaiclick_client, T, OLD)
    new = schema(
        2,
        table(Column("operation", "String")),
        View("v", query="SELECT id, operation FROM t"),
        migrations=[Migration(2, renames={"t.op": "operation"})],
    )
    hazards = [hazard for hazard in plan_schema(aaiclick_client, new).hazards if hazard.kind == "readers-see-gap"]
    assert "the view v reads t and would fail" in hazards[0].message
    assert ids(aaiclick_client, new) == ["t:mutate", "v:replace"]
    assert rows(aaiclick_client, "v") == [(1, "a"), (2, "b")]


def test_a_view_that_stays_stands_in_the_way(aaiclick_client: Client) -> None:
    begun(aaiclick_client, T)
    aaiclick_client.command("CREATE VIEW mine AS SELECT op FROM t")
    new = schema(2, table(Column("operation", "String")), migrations=[Migration(2, renames={"t.op": "operation"})])
    with pytest.raises(BlockedError, match="the view mine reads t and would fail"):
        ensure_schema(aaiclick_client, new)
    assert rows(aaiclick_client, "mine") == [("a",), ("b",)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((T,), (T, LOG, OLD), ["log:create@0002", "v:create@0002", "0002:sql"]),
        (
            (T, OLD),
            (T, LOG, View("v", query="SELECT id + 10 AS id FROM t")),
            ["log:create@0002", "v:replace@0002", "0002:sql"],
        ),
        ((T, OLD), (table(Column("op", "String"), order="op"), LOG, OLD), ["log:create@0002", "0002:sql", "t:rebuild"]),
    ],
    ids=["new", "changed", "unchanged"],
)
def test_a_statement_reads_through_a_view_of_its_version(
    aaiclick_client: Client, before: tuple[Table | View, ...], after: tuple[Table | View, ...], expected: list[str]
) -> None:
    begun(aaiclick_client, *before)
    assert ids(aaiclick_client, schema(2, *after, migrations=[READ])) == expected
    assert rows(aaiclick_client, "log") == ([(11,), (12,)] if "v:replace@0002" in expected else [(1,), (2,)])


def test_a_function_reads_through_a_view_over_a_renamed_column_and_a_new_one(aaiclick_client: Client) -> None:
    seen: list[object] = []

    def move(context: MoveContext) -> None:
        seen.append(context.client.query(f"SELECT * FROM {context.table('v')} ORDER BY ALL").result_rows)

    begun(aaiclick_client, T, OLD)
    last = table(Column("operation", "String"), Column("n", "UInt8", default="7"), order="operation")
    new = schema(
        2,
        last,
        View("v", query="SELECT id, operation, n FROM t"),
        migrations=[Migration(2, renames={"t.op": "operation"}, move=move)],
    )
    done = ids(aaiclick_client, new)
    assert done[-2:] == ["0002:move", "t:rebuild"]
    assert "v:replace@0002" in done
    assert seen == [((1, "a", 7), (2, "b", 7))]


def test_a_statement_writes_where_a_materialized_view_of_an_earlier_version_passes_on(aaiclick_client: Client) -> None:
    """In a chain the view is there when the statement of version 3 runs."""
    passing = MaterializedView("passing", to="log", query="SELECT id FROM t")
    begun(aaiclick_client, T, LOG, passing)
    aaiclick_client.command("TRUNCATE TABLE log")
    migrations = [Migration(2, sql=["INSERT INTO t VALUES (8, 'x')"])]
    ensure_schema(
        aaiclick_client, schema(2, table(Column("op", "String"), order="op"), LOG, passing, migrations=migrations)
    )
    assert rows(aaiclick_client, "log") == [(8,)]


def test_a_view_that_cannot_be_made_yet_is_a_reason(aaiclick_client: Client) -> None:
    begun(aaiclick_client, T)
    new = schema(2, T, LOG, View("v", query="SELECT id, missing FROM nowhere"), migrations=[READ])
    step = next(
        step
        for step in plan_schema(aaiclick_client, schema(2, T, LOG, migrations=[READ])).steps
        if step.strategy == "sql"
    )
    assert not step.blocked
    with pytest.raises(Exception, match="nowhere"):
        ensure_schema(aaiclick_client, new)
    assert rows(aaiclick_client) == [(1, "a"), (2, "b")]


RAW = Table("t", [Column("id", "UInt64"), Column("op", "String")], engine=MergeTree(order_by=["id"]))
BY_OP = Aggregate("ops", by={"op": "op"}, measures={"n": "count()"})
SEEN = Table("seen", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))
VIEW = MaterializedView("seen_mv", to="seen", query="SELECT id FROM t WHERE id > 1", backfill=True)


@pytest.mark.parametrize(
    ("objects", "shown", "newest", "explicit"),
    [
        (
            [*rollup(RAW, BY_OP), LOG],
            ("SELECT op, countMerge(n) FROM ops GROUP BY op ORDER BY op", [("a", 1), ("b", 1)]),
            3,
            "function",
        ),
        ([RAW, SEEN, VIEW, LOG], ("SELECT id FROM seen", [(2,)]), 4, "statement"),
        ([RAW, SEEN, VIEW.model_copy(update={"backfill": False}), LOG], ("SELECT id FROM seen", []), 3, "function"),
    ],
    ids=[
        "an aggregate, a function of the newest version",
        "a view that is filled, a statement of one before",
        "a view that is not filled",
    ],
)
def test_a_view_of_a_version_before_a_script_is_filled_as_version_by_version(
    aaiclick_client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    objects: list[Table | View | MaterializedView],
    shown: tuple[str, list[tuple[object, ...]]],
    newest: int,
    explicit: str,
) -> None:
    """Version 2 has the view, version 3 statements or a function: the view is there before them, with the rows."""
    begun(aaiclick_client, T)
    _, forms = declared_forms(schema(2, *objects))
    package = tmp_path / "view_migrations"
    package.mkdir()
    text = (
        "from aaiclick import Migration\n\ndef move(context):\n"
        '    context.client.command(f\'INSERT INTO {context.table("log")} SELECT id FROM {context.table("t")}\')\n\n'
        "migration = Migration(3, move=move)\n"
    )
    if explicit == "function":
        (package / "0003_log.py").write_text(text, encoding="utf-8")
    else:
        (package / "0003_log.sql").write_text(
            "-- strategy: sql\n\nINSERT INTO log SELECT id FROM t;\n", encoding="utf-8"
        )
    lock = Lock(
        "s", tuple(LockedVersion(number, forms if number > 1 else {"t": forms["t"]}) for number in range(1, newest + 1))
    )
    (package / LOCK_FILE).write_text(dump_lock(lock), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("view_migrations")]:
        monkeypatch.delitem(sys.modules, name)
    declared = schema(newest, *objects).model_copy(update={"migrations": "view_migrations"})
    plan = plan_schema(aaiclick_client, declared)
    unsaid = [hazard.kind for hazard in plan.hazards if "are not in it" in hazard.message]
    assert unsaid == ([] if shown[1] else ["readers-see-gap"])
    ensure_schema(aaiclick_client, declared)
    assert [tuple(row) for row in aaiclick_client.query(shown[0]).result_rows] == shown[1]
    assert rows(aaiclick_client, "log") == [(1,), (2,)]
    assert ensure_schema(aaiclick_client, declared).steps == ()
