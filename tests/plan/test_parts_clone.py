"""What an empty clone accepts and a table with rows refuses is known before anything is done."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Plan, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.inspection.inspect import inspect_database
from aaiclick.commands.inspection.planning import make_plan
from aaiclick.errors import BlockedError, StatementError
from aaiclick.plan.rehearsal.sample import MOST_PARTS, LivePart, partitions, smallest_of_each_kind
from aaiclick.routine import Command, Query, run
from aaiclick.testing.engine import EmbeddedEngine

PLAIN = [Column("k", "UInt64"), Column("v", "UInt64")]


def declared(columns: list[Column] | None = None, **settings: int) -> Schema:
    return Schema(
        "app", objects=[Table("t", columns or PLAIN, engine=MergeTree(order_by="k", settings=dict(settings)))]
    )


def strategies(plan: Plan) -> list[str]:
    return [step.strategy for step in plan.steps]


def test_the_smallest_part_of_each_kind_stays() -> None:
    parts = [LivePart("a", "1", 10, "wide"), LivePart("b", "1", 5, "wide"), LivePart("c", "2", 7, "compact")]
    assert {part.name for part in smallest_of_each_kind(parts)} == {"b", "c"}
    assert partitions(parts, 3) == ("2", "1")


def test_partitions_of_too_many_parts_are_left_alone() -> None:
    many = [LivePart(f"p{number}", "big", 1, "wide") for number in range(MOST_PARTS + 1)]
    assert partitions(many, 3) == ()
    assert partitions([*many, LivePart("q", "small", 1, "wide")], 3) == ("small",)


def test_a_partition_with_waiting_updates_is_not_attached() -> None:
    parts = [
        LivePart("a", "1", 10, "wide"),
        LivePart("x", "patch-0123456789abcdef-1", 1, "wide", patch=True),
        LivePart("c", "2", 7, "compact"),
    ]
    assert partitions(parts, 3) == ("2",)


def test_updates_that_wait_in_patch_parts_go_by_a_copy(aaiclick_client: Client) -> None:
    settings = "enable_block_number_column = 1, enable_block_offset_column = 1"
    aaiclick_client.command(f"CREATE TABLE t (k UInt64, v UInt64) ENGINE = MergeTree ORDER BY k SETTINGS {settings}")
    aaiclick_client.command("INSERT INTO t SELECT number, 1 FROM numbers(10)")
    aaiclick_client.command("SYSTEM STOP MERGES t")
    aaiclick_client.command("UPDATE t SET v = 5 WHERE k = 3")
    schema = declared(index_granularity=1024)
    assert strategies(plan_schema(aaiclick_client, schema)) == ["rebuild"]
    ensure_schema(aaiclick_client, schema, policy=Policy.lossless())
    assert aaiclick_client.query("SELECT count(), sum(v) FROM t").result_rows == [(10, 14)]
    assert plan_schema(aaiclick_client, schema).steps == ()


def test_parts_without_adaptive_granularity_go_by_a_copy(aaiclick_client: Client) -> None:
    aaiclick_client.command(
        "CREATE TABLE t (k UInt64, v UInt64) ENGINE = MergeTree ORDER BY k SETTINGS index_granularity_bytes = 0"
    )
    aaiclick_client.command("INSERT INTO t SELECT number, 1 FROM numbers(10)")
    schema = declared(index_granularity=1024)
    report = ensure_schema(aaiclick_client, schema, policy=Policy.lossless())
    assert [step.strategy for step in report.steps] == ["rebuild"]
    assert plan_schema(aaiclick_client, schema).steps == ()


def test_what_an_empty_clone_accepts_and_a_part_refuses_is_another_strategy(aaiclick_client: Client) -> None:
    """Every stored column of an old part is given up: "Empty parts are not allowed"."""
    aaiclick_client.command("CREATE TABLE t (k UInt64, `v.x` Array(UInt8)) ENGINE = MergeTree ORDER BY tuple()")
    aaiclick_client.command("INSERT INTO t SELECT number, [1, 2] FROM numbers(10)")
    aaiclick_client.command("ALTER TABLE t ADD COLUMN n UInt8 DEFAULT 7")
    aaiclick_client.command("ALTER TABLE t DROP COLUMN k")
    schema = Schema(
        "app",
        objects=[Table("t", [Column("n", "UInt8", default="7"), Column("v", "UInt8")], engine=MergeTree(order_by=[]))],
    )
    plan = plan_schema(aaiclick_client, schema)
    keys = [hazard.allow for step in plan.steps for hazard in step.hazards if hazard.allow]
    ensure_schema(aaiclick_client, schema, policy=Policy.lossless().allow(*keys))
    assert aaiclick_client.query("SELECT count(), sum(n), sum(v) FROM t").result_rows == [(10, 70, 0)]


@pytest.mark.parametrize(
    "columns",
    [[*PLAIN, Column("w", "UInt8")], [Column("k", "UInt64"), Column("v", "String")]],
    ids=["metadata", "copy"],
)
def test_a_read_only_table_is_blocked_by_the_plan(aaiclick_client: Client, columns: list[Column]) -> None:
    aaiclick_client.command("CREATE TABLE t (k UInt64, v UInt64) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t SELECT number, 1 FROM numbers(10)")
    aaiclick_client.command("ALTER TABLE t MODIFY SETTING table_readonly = 1")
    with pytest.raises(
        BlockedError, match=r"t is read-only \(table_readonly\): run ALTER TABLE .* RESET SETTING table_readonly first"
    ):
        ensure_schema(aaiclick_client, declared(columns), policy=Policy.lossless())
    aaiclick_client.command("ALTER TABLE t RESET SETTING table_readonly")
    ensure_schema(aaiclick_client, declared(columns), policy=Policy.lossless())


def test_a_column_that_hides_the_part_blocks_a_copy(aaiclick_client: Client) -> None:
    aaiclick_client.command("CREATE TABLE t (k UInt64, _part UInt64) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t SELECT number, 1 FROM numbers(10)")
    schema = Schema(
        "app",
        objects=[
            Table("t", [Column("k", "UInt64"), Column("_part", "UInt64")], engine=MergeTree(order_by=["_part", "k"]))
        ],
    )
    with pytest.raises(BlockedError, match="a column of t is called _part"):
        ensure_schema(aaiclick_client, schema, policy=Policy.lossless())


class Listening:
    """A connection that remembers what it was sent, and refuses one kind of statement."""

    def __init__(self, engine: EmbeddedEngine, refused: str = "") -> None:
        self.connection = open_url(engine.url)
        self.embedded, self.identity = self.connection.embedded, self.connection.identity
        self.sent: list[str] = []
        self.refused = refused

    def command(self, effect: Command) -> None:
        self.sent.append(effect.sql)
        if self.refused and self.refused in effect.sql:
            raise StatementError("refused", 999)
        self.connection.command(effect)

    def query(self, effect: Query) -> Sequence[Sequence[object]]:
        self.sent.append(effect.sql)
        return self.connection.query(effect)

    def close(self) -> None:
        self.connection.close()


@pytest.mark.parametrize("clones", [True, False])
def test_no_clone_of_parts_where_none_is_wanted(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str, clones: bool
) -> None:
    aaiclick_client.command("CREATE TABLE t (k UInt64, v UInt64) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t SELECT number, 1 FROM numbers(10)")
    connection = Listening(aaiclick_engine)
    found = run(inspect_database(declared(index_granularity=1024), aaiclick_database), connection)
    plan = run(make_plan(found, clones=clones), connection).plan
    assert strategies(plan) == ["attach"]
    assert any(f"FROM `{aaiclick_database}`.`t`" in sql and "ATTACH" in sql for sql in connection.sent) is clones
    assert Policy.lossless().tries_on_parts
    assert not Policy.safe().tries_on_parts


def scratch(client: Client) -> set[str]:
    """Scratch databases; those of runs that other tests have killed stay until the engine starts again."""
    asked = "SELECT name FROM system.databases WHERE startsWith(name, '_aaiclick_scratch_')"
    return {row[0] for row in client.query(asked).result_rows}


def test_nothing_is_left_in_scratch_where_a_rehearsal_fails(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str
) -> None:
    others = scratch(aaiclick_client)
    aaiclick_client.command("CREATE TABLE t (k UInt64, v UInt64) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t SELECT number, 1 FROM numbers(10)")
    connection = Listening(aaiclick_engine, "alter-parts` MODIFY")
    found = run(
        inspect_database(declared([Column("k", "UInt64"), Column("v", "String")]), aaiclick_database), connection
    )
    run(make_plan(found), connection)
    assert any("alter-parts` MODIFY" in sql for sql in connection.sent)
    assert scratch(aaiclick_client) == others


def test_the_live_table_is_only_read_and_no_ttl_takes_a_row_of_the_clone(aaiclick_client: Client) -> None:
    others = scratch(aaiclick_client)
    aaiclick_client.command(
        "CREATE TABLE t (k UInt64, v UInt64, d DateTime) ENGINE = MergeTree PARTITION BY v ORDER BY k"
    )
    for number in range(3):
        aaiclick_client.command(f"INSERT INTO t SELECT number, {number}, now() - 86400 FROM numbers(10)")
    aaiclick_client.command("SYSTEM STOP MERGES t")
    aaiclick_client.command(
        "ALTER TABLE t MODIFY TTL d + INTERVAL 1 HOUR", settings={"materialize_ttl_after_modify": 0}
    )
    before = aaiclick_client.query(
        "SELECT name, modification_time FROM system.parts WHERE database = currentDatabase() AND table = 't' AND active"
    ).result_rows
    schema = declared([*PLAIN, Column("d", "DateTime"), Column("n", "UInt8")], index_granularity=1024)
    plan = plan_schema(aaiclick_client, schema)
    assert strategies(plan) == ["attach"]
    time.sleep(0.2)
    after = aaiclick_client.query(
        "SELECT name, modification_time FROM system.parts WHERE database = currentDatabase() AND table = 't' AND active"
    ).result_rows
    assert before == after
    assert scratch(aaiclick_client) == others
