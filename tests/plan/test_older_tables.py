"""Tables that an older server made and this one only loads: readable, left alone where nothing changes, with a way out,
and in nobody's way.

ATTACH TABLE with a whole definition loads a table as the server does when it starts: without the checks of a CREATE.
"""

from __future__ import annotations

import uuid

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    AggregatingMergeTree,
    Column,
    Index,
    MergeTree,
    Policy,
    ReplacingMergeTree,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
    reflect_schema,
    validate_schema,
)
from aaiclick.errors import BlockedError, SpecError

OTHER = Table("other", [Column("k", "UInt64"), Column("new", "UInt8")], engine=MergeTree(order_by="k"))
DATED = [Column("d", "Date"), Column("k", "UInt64")]
SUMS = [Column("k", "UInt64"), Column("s", "SimpleAggregateFunction(sum, UInt64)"), Column("p", "String")]
AGGREGATING = "(k UInt64, s SimpleAggregateFunction(sum, UInt64), p String) ENGINE = AggregatingMergeTree ORDER BY k"
NULLABLE = "(k Nullable(UInt64), v UInt8) ENGINE = MergeTree ORDER BY k"
FLOATING = "(k UInt64, f Float32) ENGINE = MergeTree PARTITION BY f ORDER BY k"
OLD_SYNTAX = "(d Date, k UInt64) ENGINE = MergeTree(d, k, 8192)"
SAMPLED = "(d Date, k UInt64) ENGINE = MergeTree(d, intHash32(k), (k, intHash32(k)), 1024)"
BY_MONTH = MergeTree(order_by="k", partition_by="toYYYYMM(d)")


def prepare(client: Client, definition: str) -> None:
    client.command(f"ATTACH TABLE t UUID '{uuid.uuid4()}' {definition}")
    client.command("INSERT INTO t SELECT * FROM generateRandom() LIMIT 3")
    client.command("CREATE TABLE other (k UInt64) ENGINE = MergeTree ORDER BY k")


@pytest.mark.parametrize("definition", [AGGREGATING, NULLABLE, FLOATING, OLD_SYNTAX, SAMPLED])
def test_it_is_in_nobodys_way_and_can_be_read(aaiclick_client: Client, aaiclick_database: str, definition: str) -> None:
    prepare(aaiclick_client, definition)
    schema = Schema("app", objects=[OTHER])
    ensure_schema(aaiclick_client, schema, policy=Policy.lossless())
    assert validate_schema(aaiclick_client, schema).in_sync
    reflected = reflect_schema(aaiclick_client, aaiclick_database)
    assert not reflected.unsupported
    assert plan_schema(aaiclick_client, reflected).steps == ()


CHANGES = {
    "aggregating: nothing": (AGGREGATING, SUMS, AggregatingMergeTree(order_by="k"), []),
    "aggregating: a comment": (
        AGGREGATING,
        [*SUMS[:2], Column("p", "String", comment="x")],
        AggregatingMergeTree(order_by="k"),
        ["alter"],
    ),
    "aggregating: a new measure": (
        AGGREGATING,
        [*SUMS, Column("m", "SimpleAggregateFunction(max, UInt8)")],
        AggregatingMergeTree(order_by="k"),
        ["alter"],
    ),
    "aggregating: the setting": (
        AGGREGATING,
        SUMS,
        AggregatingMergeTree(order_by="k", settings={"allow_dimensions_outside_sorting_key": 1}),
        ["alter"],
    ),
    "aggregating: a measure": (
        AGGREGATING,
        [*SUMS[:2], Column("p", "SimpleAggregateFunction(any, String)")],
        AggregatingMergeTree(order_by="k"),
        ["alter"],
    ),
    "aggregating: into the key": (AGGREGATING, SUMS, AggregatingMergeTree(order_by=["k", "p"]), ["rebuild"]),
    "aggregating: another engine": (AGGREGATING, SUMS, MergeTree(order_by="k"), ["attach"]),
    "nullable key: a new column": (
        NULLABLE,
        [Column("k", "Nullable(UInt64)"), Column("v", "UInt8"), Column("n", "UInt8")],
        MergeTree(order_by="k"),
        ["alter"],
    ),
    "nullable key: the setting": (
        NULLABLE,
        [Column("k", "Nullable(UInt64)"), Column("v", "UInt8")],
        MergeTree(order_by="k", settings={"allow_nullable_key": 1}),
        ["alter"],
    ),
    "nullable key: no key": (
        NULLABLE,
        [Column("k", "Nullable(UInt64)"), Column("v", "UInt8")],
        MergeTree(order_by="v"),
        ["rebuild"],
    ),
    "floating partitions: a new column": (
        FLOATING,
        [Column("k", "UInt64"), Column("f", "Float32"), Column("n", "UInt8")],
        MergeTree(order_by="k", partition_by="f"),
        ["alter"],
    ),
    "floating partitions: none": (
        FLOATING,
        [Column("k", "UInt64"), Column("f", "Float32")],
        MergeTree(order_by="k", partition_by=None),
        ["rebuild"],
    ),
    "old syntax: nothing": (OLD_SYNTAX, DATED, BY_MONTH, []),
    "old syntax: a new column": (OLD_SYNTAX, [*DATED, Column("n", "UInt8")], BY_MONTH, ["alter"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_it_stays_where_nothing_changes_and_has_a_way_out(aaiclick_client: Client, name: str) -> None:
    definition, columns, engine, expected = CHANGES[name]
    prepare(aaiclick_client, definition)
    rows = aaiclick_client.query("SELECT count() FROM t").result_rows
    schema = Schema("app", objects=[OTHER, Table("t", columns, engine=engine)])
    plan = plan_schema(aaiclick_client, schema)
    assert [step.strategy for step in plan.steps if step.object == "t"] == expected
    allowed = [hazard.allow for step in plan.steps for hazard in step.hazards if hazard.allow]
    ensure_schema(aaiclick_client, schema, policy=Policy.lossless().allow(*allowed))
    assert plan_schema(aaiclick_client, schema).steps == ()
    assert aaiclick_client.query("SELECT count() FROM t").result_rows == rows


@pytest.mark.parametrize(
    ("definition", "table", "why"),
    [
        (
            AGGREGATING,
            Table("t", [Column("k", "UInt32"), *SUMS[1:]], engine=AggregatingMergeTree(order_by="k")),
            (
                r"a new "
                r"table "
                r"of "
                r"that "
                r"definition "
                r"is "
                r"not "
                r"created "
                r"by "
                r"this "
                r"server "
                r"\(Column\(s\) "
                r"p "
                r"of "
                r"the "
                r"AggregatingMergeTree "
                r"table"
            ),
        ),
        (
            OLD_SYNTAX,
            Table("t", DATED, engine=MergeTree(order_by=["k", "d"], partition_by="toYYYYMM(d)")),
            r"t was created as MergeTree\(d, k, 8192\)",
        ),
        (
            OLD_SYNTAX,
            Table("t", DATED, engine=ReplacingMergeTree(order_by="k", partition_by="toYYYYMM(d)")),
            r"t was created as MergeTree\(d, k, 8192\)",
        ),
        (
            OLD_SYNTAX,
            Table("t", DATED, engine=BY_MONTH, indexes=[Index("i", expr="k", type="minmax", granularity=1)]),
            r"t was created as MergeTree\(d, k, 8192\)",
        ),
    ],
    ids=["aggregating", "old sort key", "old engine", "old index"],
)
def test_what_no_server_makes_is_blocked_by_name(
    aaiclick_client: Client, definition: str, table: Table, why: str
) -> None:
    prepare(aaiclick_client, definition)
    schema = Schema("app", objects=[OTHER, table])
    plan = plan_schema(aaiclick_client, schema)
    allowed = [hazard.allow for step in plan.steps for hazard in step.hazards if hazard.allow]
    with pytest.raises(BlockedError, match=why):
        ensure_schema(aaiclick_client, schema, policy=Policy.everything().allow(*allowed))
    assert aaiclick_client.query(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'other'"
    ).result_rows == [("k",)]


def test_a_view_over_it_is_planned(aaiclick_client: Client) -> None:
    prepare(aaiclick_client, AGGREGATING)
    aaiclick_client.command("CREATE VIEW seen AS SELECT k, s FROM t")
    view = View("seen", query="SELECT k, s, p FROM t")
    schema = Schema("app", objects=[OTHER, Table("t", SUMS, engine=AggregatingMergeTree(order_by="k")), view])
    ensure_schema(aaiclick_client, schema, policy=Policy.lossless())
    assert plan_schema(aaiclick_client, schema).steps == ()
    assert len(aaiclick_client.query("SELECT * FROM seen").column_names) == 3


def test_a_view_over_it_follows_a_column_that_is_dropped(aaiclick_client: Client) -> None:
    """The table is one that the server would not make, until the column is gone."""
    client = aaiclick_client
    client.command("CREATE TABLE t (k UInt8, v UInt8) ENGINE = AggregatingMergeTree ORDER BY k")
    client.command("CREATE VIEW w AS SELECT * FROM t")
    client.command("ALTER TABLE t ADD COLUMN b SimpleAggregateFunction(max, UInt64)")
    columns = [Column("k", "UInt8"), Column("v", "UInt8")]
    table = Table("t", columns, engine=AggregatingMergeTree(order_by=["k"]))
    schema = Schema("s", objects=[table, View("w", query="SELECT * FROM t")])
    ensure_schema(client, schema, policy=Policy.lossless().allow("drop-column t.b"))
    assert client.query("DESCRIBE w").result_columns[0] == ["k", "v"]
    assert plan_schema(client, schema).steps == ()


def test_a_slip_of_the_pen_in_a_table_that_can_be_made_is_an_error_as_before(aaiclick_client: Client) -> None:
    aaiclick_client.command("CREATE TABLE t (k UInt64) ENGINE = MergeTree ORDER BY k")
    schema = Schema(
        "app",
        objects=[
            Table(
                "t", [Column("k", "UInt64"), Column("n", "UInt8", default="nosuch(k)")], engine=MergeTree(order_by="k")
            )
        ],
    )
    with pytest.raises(SpecError, match="nosuch"):
        plan_schema(aaiclick_client, schema)


@pytest.mark.parametrize(("from_here_on", "strategy"), [((26, 0), "alter"), ((99,), "rebuild")])
def test_a_column_that_is_stored_no_longer_goes_by_a_copy_where_mutations_would_fail_later(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch, from_here_on: tuple[int, ...], strategy: str
) -> None:
    monkeypatch.setattr("aaiclick.plan.old_parts.absent_columns.PASSES_UNSTORED", from_here_on)
    aaiclick_client.command("CREATE TABLE t (k UInt64, c String) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t VALUES (1, 'a')")
    table = Table(
        "t", [Column("k", "UInt64"), Column("c", "String", alias="toString(k)")], engine=MergeTree(order_by="k")
    )
    schema = Schema("older", objects=[table])
    assert [step.strategy for step in plan_schema(aaiclick_client, schema).steps] == [strategy]
