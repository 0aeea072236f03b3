"""Tables whose expressions ask a dictionary that gets other values: old rows keep what a copy made before would have."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    Dictionary,
    MergeTree,
    Migration,
    Policy,
    Projection,
    Rebuild,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import BlockedError
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.plan.migrating import migrate, rows, schema

BEFORE = (
    "CREATE TABLE prices (k UInt64, a UInt64, b UInt64) ENGINE = MergeTree ORDER BY k",
    "INSERT INTO prices VALUES (1, 10, 100), (2, 20, 200)",
    (
        "CREATE DICTIONARY look (k UInt64, a UInt64) PRIMARY KEY k SOURCE(CLICKHOUSE(TABLE 'prices' DB '{db}')) "
        "LAYOUT(HASHED()) LIFETIME(0)"
    ),
    "CREATE TABLE t (k UInt64, x UInt8) ENGINE = MergeTree ORDER BY k",
    "INSERT INTO t VALUES (1, 1)",
)
READ = "SELECT k, p FROM t ORDER BY k"


def setup(client: Client, *statements: str) -> None:
    for sql in (*BEFORE, *statements):
        client.command(sql.replace("{db}", str(client.database)))


def prices() -> Table:
    columns = [Column("k", "UInt64"), Column("a", "UInt64"), Column("b", "UInt64")]
    return Table("prices", columns, engine=MergeTree(order_by=["k"]))


def look(client: Client, source: str = "TABLE 'prices'", lifetime: str = "0") -> Dictionary:
    return Dictionary(
        "look",
        columns=[Column("k", "UInt64"), Column("a", "UInt64")],
        primary_key=["k"],
        source=f"CLICKHOUSE({source} DB '{client.database}')",
        layout="HASHED()",
        lifetime=lifetime,
    )


def from_b(client: Client) -> Dictionary:
    return look(client, f"QUERY 'SELECT k, b AS a FROM {client.database}.prices'")


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("alias", ["", "n UInt64 ALIAS dictGet('look', 'a', k)"])
def test_rows_of_old_parts_keep_what_they_read(aaiclick_client: Client, declared: bool, alias: str) -> None:
    default = "n + 1" if alias else "dictGet('look', 'a', k) + 1"
    added = [alias] if alias else []
    alters = [f"ALTER TABLE t ADD COLUMN {each}" for each in (*added, f"p UInt64 DEFAULT {default}")]
    setup(aaiclick_client, *alters, "INSERT INTO t (k, x, p) VALUES (2, 2, 7)")
    columns = [Column("k", "UInt64"), Column("x", "UInt16")]
    columns += [Column("n", "UInt64", alias="dictGet('look', 'a', k)")] if alias else []
    table = Table("t", [*columns, Column("p", "UInt64", default=default)], engine=MergeTree(order_by=["k"]))
    done = migrate(aaiclick_client, schema(prices(), from_b(aaiclick_client), *([table] if declared else [])))
    assert done == [("t", "mutate"), *([("t", "mutate")] if declared else []), ("look", "replace")]
    aaiclick_client.command("INSERT INTO t (k, x) VALUES (3, 3)")
    aaiclick_client.command("INSERT INTO prices VALUES (3, 30, 300)")
    aaiclick_client.command("SYSTEM RELOAD DICTIONARY look")
    assert rows(aaiclick_client, READ) == [(1, 11), (2, 7), (3, 1)]


def test_what_nothing_reads_otherwise_stays(aaiclick_client: Client) -> None:
    """When it loads its rows is no other value; and a part that holds the column needs nothing."""
    setup(aaiclick_client, "ALTER TABLE t ADD COLUMN p UInt64 DEFAULT dictGet('look', 'a', k)")
    assert migrate(aaiclick_client, schema(prices(), look(aaiclick_client, lifetime="MIN 5 MAX 9"))) == [
        ("look", "replace")
    ]
    aaiclick_client.command("ALTER TABLE t MATERIALIZE COLUMN p SETTINGS mutations_sync = 2")
    assert migrate(aaiclick_client, schema(prices(), from_b(aaiclick_client))) == [("look", "replace")]
    assert rows(aaiclick_client, READ) == [(1, 10)]


def test_a_dictionary_over_a_view_that_gets_another_query(aaiclick_client: Client) -> None:
    setup(
        aaiclick_client,
        "CREATE VIEW v AS SELECT k, a FROM prices",
        "CREATE DICTIONARY over (k UInt64, a UInt64) PRIMARY KEY k SOURCE(CLICKHOUSE(TABLE 'v' DB '{db}')) "
        "LAYOUT(HASHED()) LIFETIME(0)",
        "ALTER TABLE t ADD COLUMN p UInt64 DEFAULT dictGet('over', 'a', k)",
    )
    done = migrate(aaiclick_client, schema(prices(), View("v", query="SELECT k, b AS a FROM prices")))
    assert done == [("t", "mutate"), ("v", "replace")]
    aaiclick_client.command("SYSTEM RELOAD DICTIONARY over")
    assert rows(aaiclick_client, READ) == [(1, 10)]


def test_a_migration_fills_what_a_dictionary_reads(aaiclick_client: Client) -> None:
    """The dictionary loads anew, which LIFETIME(0) alone would never do."""
    columns = [Column("k", "UInt64"), Column("x", "UInt8")]
    with_p = [*columns, Column("p", "UInt64", default="dictGet('look', 'a', k)")]

    def version(number: int, *migrations: Migration) -> Schema:
        table = Table("t", with_p, engine=MergeTree(order_by=["k"]))
        objects: list[Table | Dictionary] = [prices(), look(aaiclick_client), table]
        return Schema("outside", version=number, objects=objects, migrations=list(migrations))

    setup(aaiclick_client, "ALTER TABLE t ADD COLUMN p UInt64 DEFAULT dictGet('look', 'a', k)")
    ensure_schema(aaiclick_client, version(1))
    assert rows(aaiclick_client, READ) == [(1, 10)]
    second = version(2, Migration(2, rebuild={"prices": Rebuild(columns={"a": "a * 7"})}))
    report = ensure_schema(aaiclick_client, second, policy=Policy.lossless())
    assert [(step.object, step.strategy) for step in report.steps] == [
        ("t", "mutate"),
        ("prices", "rebuild"),
        ("look", "replace"),
    ]
    assert rows(aaiclick_client, READ) == [(1, 10)]
    assert rows(aaiclick_client, "SELECT dictGet('look', 'a', toUInt64(1))") == [(70,)]


def test_a_projection_is_computed_anew(aaiclick_client: Client) -> None:
    body = "SELECT dictGet('look', 'a', k) AS p, count() GROUP BY p"
    setup(
        aaiclick_client,
        f"ALTER TABLE t ADD PROJECTION by_price ({body})",
        "INSERT INTO t SELECT 1, 1 FROM numbers(20000)",
    )
    table = Table(
        "t",
        [Column("k", "UInt64"), Column("x", "UInt8")],
        engine=MergeTree(order_by=["k"]),
        projections=[Projection("by_price", query=body)],
    )
    asked = "SELECT dictGet('look', 'a', k) AS p, count() FROM t GROUP BY p"
    done = migrate(aaiclick_client, schema(prices(), from_b(aaiclick_client), table))
    assert done == [("look", "replace"), ("t", "mutate")]
    assert rows(aaiclick_client, asked) == [(100, 20001)]
    assert rows(aaiclick_client, f"{asked} SETTINGS force_optimize_projection = 1") == [(100, 20001)]


@pytest.mark.parametrize("former", [False, True])
def test_a_materialized_column(aaiclick_client: Client, former: bool) -> None:
    """Writing it would compute stored values of a former expression anew. A merge does not."""
    setup(
        aaiclick_client,
        *(["ALTER TABLE t ADD COLUMN p UInt64 MATERIALIZED 5", "INSERT INTO t (k, x) VALUES (2, 2)"] if former else []),
        f"ALTER TABLE t {'MODIFY' if former else 'ADD'} COLUMN p UInt64 MATERIALIZED dictGet('look', 'a', k)",
    )
    wanted = schema(prices(), from_b(aaiclick_client))
    if former:
        with pytest.raises(BlockedError, match=r"rows of old parts would read another p.*OPTIMIZE TABLE .*t.* FINAL"):
            migrate(aaiclick_client, wanted)
        aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    migrate(aaiclick_client, wanted)
    assert rows(aaiclick_client, READ) == [(1, 10), *([(2, 5)] if former else [])]


def test_a_table_of_another_database_is_named(aaiclick_client: Client, aaiclick_engine: EmbeddedEngine) -> None:
    away = fresh_name()
    aaiclick_engine.command(f"CREATE DATABASE {away}")
    setup(
        aaiclick_client,
        f"CREATE TABLE {away}.t (k UInt64) ENGINE = MergeTree ORDER BY k",
        f"INSERT INTO {away}.t VALUES (1)",
        f"ALTER TABLE {away}.t ADD COLUMN p UInt64 DEFAULT dictGet('{{db}}.look', 'a', k)",
    )
    wanted = schema(prices(), from_b(aaiclick_client))
    with pytest.raises(
        BlockedError, match=f"Write them first: (ALTER TABLE .*{away}.* MATERIALIZE COLUMN `p`)"
    ) as told:
        migrate(aaiclick_client, wanted)
    (_, _, way) = str(told.value).partition("Write them first: ")
    aaiclick_client.command(way.partition("COLUMN `p`")[0] + "COLUMN `p` SETTINGS mutations_sync = 2")
    migrate(aaiclick_client, wanted)
    assert rows(aaiclick_client, f"SELECT p FROM {away}.t") == [(10,)]
    aaiclick_engine.command(f"DROP DATABASE {away} SYNC")


def test_what_is_computed_at_every_query_is_said(aaiclick_client: Client) -> None:
    setup(
        aaiclick_client,
        "ALTER TABLE t ADD COLUMN n UInt64 ALIAS dictGet('look', 'a', k)",
        "ALTER TABLE t ADD CONSTRAINT known CHECK dictHas('look', k)",
    )
    plan = plan_schema(aaiclick_client, schema(prices(), from_b(aaiclick_client)))
    said = "t: ALIAS n, constraint known asks look, which gets other values, for rows that are there, too"
    assert said in plan.notes


def test_a_stored_column_that_asks_is_said_to_be_for_new_rows(aaiclick_client: Client) -> None:
    setup(aaiclick_client, "ALTER TABLE t ADD COLUMN m UInt64 MATERIALIZED dictGet('look', 'a', k)")
    columns = [
        Column("k", "UInt64"),
        Column("x", "UInt8"),
        Column("m", "UInt64", materialized="dictGet('look', 'a', k)"),
    ]
    wanted = schema(prices(), from_b(aaiclick_client), Table("t", columns, engine=MergeTree(order_by=["k"])))
    notes = plan_schema(aaiclick_client, wanted).notes
    assert notes == ("t: MATERIALIZED m asks look, which gets other values, for new rows",)


@pytest.mark.parametrize("over", ["a", "b"])
def test_a_stored_column_over_an_alias_that_changes_is_said_to_be_for_new_rows(
    aaiclick_client: Client, over: str
) -> None:
    def table(factor: int) -> Table:
        columns = [Column("k", "UInt64"), Column("a", "UInt64", alias=f"k * {factor}")]
        columns += [Column("b", "UInt64", alias="a + 1"), Column("m", "UInt64", materialized=f"{over} + 1")]
        return Table("s", [*columns, Column("n", "UInt64", materialized="k + 1")], engine=MergeTree(order_by=["k"]))

    ensure_schema(aaiclick_client, schema(table(2)))
    aaiclick_client.command("INSERT INTO s VALUES (1)")
    assert plan_schema(aaiclick_client, schema(table(20))).notes == (
        f"s: column m: MATERIALIZED {over} + 1 reads {over}, which changes, for new rows",
    )
    assert migrate(aaiclick_client, schema(table(20))) == [("s", "alter")]
    value = 3 if over == "a" else 4
    assert rows(aaiclick_client, "SELECT k, m, n FROM s") == [(1, value, 2)]
