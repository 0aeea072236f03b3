"""Materialized views over tables that change, and what is wrong with a declared one before it is made."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MaterializedView,
    MergeTree,
    Policy,
    ReplacingMergeTree,
    SummingMergeTree,
    Table,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import BlockedError, SchemaVersionError, SpecError
from aaiclick.testing.engine import EmbeddedEngine
from tests.plan.migrating import migrate, rows, schema

BIG = 4294967297
COUNTED = "SELECT a, count() AS n FROM t GROUP BY a"


def source(kind: str = "UInt64", engine: object = None) -> Table:
    return Table("t", [Column("k", "UInt64"), Column("a", kind)], engine=engine or MergeTree(order_by=["k"]))  # type: ignore[arg-type]


def target(kind: str, *more: Column) -> Table:
    return Table("g", [Column("a", kind), Column("n", "UInt64"), *more], engine=SummingMergeTree(order_by=["a"]))


def command(client: Client, *statements: str) -> None:
    for sql in statements:
        client.command(sql)


NARROW = "CREATE TABLE t (k UInt64, a UInt8) ENGINE = MergeTree ORDER BY k"
ROW = "INSERT INTO t VALUES (1, 10)"


@pytest.mark.parametrize("declared", [True, False])
def test_a_table_of_the_views_own_follows(aaiclick_client: Client, declared: bool) -> None:
    command(aaiclick_client, NARROW, "CREATE MATERIALIZED VIEW m ENGINE = MergeTree ORDER BY k AS SELECT * FROM t", ROW)
    view = [MaterializedView("m", engine=MergeTree(order_by=["k"]), query="SELECT * FROM t")] if declared else []
    steps = migrate(aaiclick_client, schema(source(), *view))
    assert steps == [("m", "mutate"), ("m", "replace"), ("t", "mutate")]
    aaiclick_client.command(f"INSERT INTO t VALUES (2, {BIG})")
    assert rows(aaiclick_client, "SELECT k, a FROM m ORDER BY k") == [(1, 10), (2, BIG)]


@pytest.mark.parametrize("engine", ["MergeTree ORDER BY k", "Memory"])
def test_a_table_of_the_views_own_follows_where_the_database_shows_no_uuids(
    aaiclick_engine: EmbeddedEngine, engine: str
) -> None:
    """chdb's ``default``: the table is called by the UUID of the view, which is not shown there."""
    with aaiclick_engine.client(database="default") as client:
        command(client, NARROW, f"CREATE MATERIALIZED VIEW m ENGINE = {engine} AS SELECT * FROM t", ROW)
        try:
            if engine == "Memory":  # it shows no path, by which the one that belongs to the view could be known
                with pytest.raises(BlockedError, match="m: the table that it owns would have to follow, and nothing"):
                    migrate(client, schema(source()))
                return
            assert migrate(client, schema(source())) == [("m", "mutate"), ("m", "replace"), ("t", "mutate")]
            client.command(f"INSERT INTO t VALUES (2, {BIG})")
            assert rows(client, "SELECT k, a FROM m ORDER BY k") == [(1, 10), (2, BIG)]
        finally:
            client.command("DROP TABLE m SYNC")
            for name in rows(client, "SELECT name FROM system.tables WHERE database = 'default'"):
                client.command(f"DROP TABLE `{name[0]}` SYNC")


def test_a_key_of_a_table_of_the_views_own_stands_in_the_way(aaiclick_client: Client) -> None:
    command(
        aaiclick_client, NARROW, f"CREATE MATERIALIZED VIEW m ENGINE = SummingMergeTree ORDER BY a AS {COUNTED}", ROW
    )
    with pytest.raises(BlockedError, match="m: the table that it owns cannot follow: a is UInt8 there"):
        migrate(aaiclick_client, schema(source()))
    declared = schema(source(), MaterializedView("m", engine=SummingMergeTree(order_by=["a"]), query=COUNTED))
    with pytest.raises(SchemaVersionError, match="replace-view m"):
        migrate(aaiclick_client, declared)
    migrate(aaiclick_client, declared, "replace-view m")
    aaiclick_client.command(f"INSERT INTO t VALUES (2, {BIG})")
    assert rows(aaiclick_client, "SELECT a, n FROM m") == [(BIG, 1)]


def test_a_column_that_the_query_yields_anew_gets_a_place(aaiclick_client: Client) -> None:
    command(aaiclick_client, NARROW, "CREATE MATERIALIZED VIEW m ENGINE = MergeTree ORDER BY k AS SELECT * FROM t", ROW)
    wider = Table(
        "t", [Column("k", "UInt64"), Column("a", "UInt8"), Column("z", "String")], engine=MergeTree(order_by=["k"])
    )
    migrate(aaiclick_client, schema(wider))
    aaiclick_client.command("INSERT INTO t VALUES (2, 20, 'q')")
    assert rows(aaiclick_client, "SELECT k, a, z FROM m ORDER BY k") == [(1, 10, ""), (2, 20, "q")]


@pytest.mark.parametrize("to", [False, True], ids=["own table", "target"])
def test_no_column_is_dropped_that_a_view_reads_with_all_others(aaiclick_client: Client, to: bool) -> None:
    """The server refuses that, and an empty clone, which has no views, does not show it."""
    place = "TO g" if to else "ENGINE = MergeTree ORDER BY k"
    view = f"CREATE MATERIALIZED VIEW m {place} AS SELECT"
    tables = [f"CREATE TABLE {name} (k UInt64, a UInt8, b String) ENGINE = MergeTree ORDER BY k" for name in "tg"]
    command(aaiclick_client, *tables, f"{view} * FROM t", ROW.replace("t V", "t (k, a) V"))
    left = Table("t", [Column("k", "UInt64"), Column("a", "UInt8")], engine=MergeTree(order_by=["k"]))
    with pytest.raises(BlockedError, match="and m reads b with all others: give it a query that names the columns"):
        migrate(aaiclick_client, schema(left), "drop-column t.b")
    aaiclick_client.command("ALTER TABLE m MODIFY QUERY SELECT k, a FROM t")
    assert migrate(aaiclick_client, schema(left), "drop-column t.b") == [("t", "mutate")]


def test_a_declared_view_whose_own_table_is_narrow_already_differs(aaiclick_client: Client) -> None:
    command(
        aaiclick_client,
        NARROW,
        "CREATE MATERIALIZED VIEW m ENGINE = MergeTree ORDER BY k AS SELECT k, a FROM t",
        "ALTER TABLE t MODIFY COLUMN a UInt64",
    )
    declared = schema(source(), MaterializedView("m", engine=MergeTree(order_by=["k"]), query="SELECT k, a FROM t"))
    assert migrate(aaiclick_client, declared) == [("m", "mutate"), ("m", "replace")]
    aaiclick_client.command(f"INSERT INTO t VALUES (2, {BIG})")
    assert rows(aaiclick_client, "SELECT a FROM m") == [(BIG,)]


def test_a_target_that_stays_narrow_is_named(aaiclick_client: Client) -> None:
    command(aaiclick_client, NARROW, "CREATE TABLE g (a UInt8, n UInt64) ENGINE = SummingMergeTree ORDER BY a")
    command(aaiclick_client, f"CREATE MATERIALIZED VIEW m TO g AS {COUNTED}", ROW)
    with pytest.raises(
        BlockedError, match="m: values would be changed on their way into its target g: a is UInt8 there"
    ):
        migrate(aaiclick_client, schema(source()))
    view = MaterializedView("m", to="g", query=COUNTED)
    with pytest.raises(SpecError, match="its query yields UInt64 for a, and g keeps UInt8"):
        migrate(aaiclick_client, schema(source(), target("UInt8"), view))
    assert "`a` UInt8" in str(
        rows(
            aaiclick_client,
            "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 't'",
        )
    )


@pytest.mark.parametrize("declared", [True, False])
def test_a_target_that_follows_is_changed_before_its_source(aaiclick_client: Client, declared: bool) -> None:
    """Else rows that come in between would be cut off in it."""
    command(aaiclick_client, NARROW, "CREATE TABLE g (a UInt8, n UInt64) ENGINE = SummingMergeTree ORDER BY a")
    command(aaiclick_client, f"CREATE MATERIALIZED VIEW m TO g AS {COUNTED}", ROW)
    view = [MaterializedView("m", to="g", query=COUNTED)] if declared else []
    steps = migrate(aaiclick_client, schema(source(), target("UInt64"), *view))
    assert [step for step, _ in steps] == ["g", "t", "m"]
    aaiclick_client.command(f"INSERT INTO t VALUES (2, {BIG})")
    assert (
        rows(aaiclick_client, "SELECT a, n FROM m ORDER BY a")
        == rows(aaiclick_client, "SELECT a, n FROM g ORDER BY a")
        == [(10, 1), (BIG, 1)]
    )


def test_a_view_that_was_made_with_a_narrow_target_is_told_of_and_left(aaiclick_client: Client) -> None:
    command(aaiclick_client, "CREATE TABLE t (k UInt64, a UInt64) ENGINE = MergeTree ORDER BY k")
    command(
        aaiclick_client,
        "CREATE TABLE g (a UInt64, n UInt32) ENGINE = SummingMergeTree ORDER BY a",
        f"CREATE MATERIALIZED VIEW m TO g AS {COUNTED}",
    )
    narrow = Table("g", [Column("a", "UInt64"), Column("n", "UInt32")], engine=SummingMergeTree(order_by=["a"]))
    plan = plan_schema(aaiclick_client, schema(source(), narrow, MaterializedView("m", to="g", query=COUNTED)))
    assert (plan.steps, len(plan.notes)) == ((), 1)
    assert "m: its query yields UInt64 for n, and g keeps UInt32" in plan.notes[0]


@pytest.mark.parametrize(
    ("to", "query", "said"),
    [
        ("nowhere", COUNTED, "materialized view m: to: nowhere is neither declared nor there"),
        (
            "no_such_database.g",
            COUNTED,
            "materialized view m: to: g is neither declared nor there in database no_such_database",
        ),
        ("g", "SELECT a, 1 AS n FROM t FINAL", "cannot have PREWHERE, SAMPLE or FINAL"),
        ("g", "SELECT a, 1 AS n FROM (SELECT a FROM t FINAL)", "cannot have PREWHERE, SAMPLE or FINAL"),
        ("g", "SELECT number AS a, 1 AS n FROM numbers(3)", "table functions"),
        ("g", "SELECT a, 1 AS n, 2 AS more FROM t", "its target g has no column more"),
        ("g", "SELECT a, toUInt64(1) AS count FROM t", "its target g has no column count"),
        ("g", "SELECT a, -1 AS n FROM t", "its query yields Int8 for n, and g keeps UInt64"),
        ("g", "SELECT toString(a) AS a, 1 AS n FROM t", "its query yields String for a, and g keeps UInt64"),
        (
            "g",
            "SELECT toNullable(a) AS a, 1 AS n FROM t",
            r"its query yields Nullable\(UInt64\) for a, and g keeps UInt64",
        ),
        ("g", "SELECT nothing AS a, 1 AS n FROM t", "nothing"),
    ],
)
def test_what_is_wrong_is_known_before_anything_is_made(
    aaiclick_client: Client, to: str, query: str, said: str
) -> None:
    replacing = source(engine=ReplacingMergeTree(order_by=["k"]))
    wanted = schema(replacing, target("UInt64"), MaterializedView("m", to=to, query=query))
    with pytest.raises(SpecError, match=said):
        ensure_schema(aaiclick_client, wanted, policy=Policy.everything())
    assert (
        rows(
            aaiclick_client,
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND name IN ('t', 'g', 'm')",
        )
        == []
    )


@pytest.mark.parametrize(
    "query",
    ["SELECT a, 1 AS n FROM t", "SELECT a, toUInt32(k) AS n FROM t", "SELECT a, 18446744073709551615 AS n FROM t"],
)
def test_what_fits_is_made(aaiclick_client: Client, query: str) -> None:
    wanted = schema(source(), target("UInt64"), MaterializedView("m", to="g", query=query))
    assert migrate(aaiclick_client, wanted) == [("t", "create"), ("g", "create"), ("m", "create")]
