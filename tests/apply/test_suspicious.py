"""Tables that were made under a setting which allows what is refused by default are rebuilt without it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    Constraint,
    MergeTree,
    Migration,
    Policy,
    Rebuild,
    Schema,
    Table,
    ensure_schema,
    plan_schema,
    rollback_schema,
)
from aaiclick.apply.rebuild.checksum import sums
from aaiclick.apply.rollback.chain import count
from aaiclick.catalog.permissive import curable, permissive
from aaiclick.clickhouse.parts import rows_in_reach
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clients.opening import open_url
from aaiclick.errors import BlockedError, OutcomeUnknownError, StatementError
from aaiclick.routine import Command, Query, run
from aaiclick.testing.engine import EmbeddedEngine

COLUMNS = [Column("a", "UInt8"), Column("l", "LowCardinality(UInt8)"), Column("f", "FixedString(300)")]


def test_a_table_with_types_that_are_refused_by_default_is_rebuilt(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str
) -> None:
    allowed = "allow_suspicious_low_cardinality_types = 1, allow_suspicious_fixed_string_types = 1"
    columns = ", ".join(f"{column.name} {column.type}" for column in COLUMNS)
    aaiclick_engine.command(
        f"SET {allowed}; CREATE TABLE {aaiclick_database}.t ({columns}) ENGINE = MergeTree ORDER BY a"
    )
    aaiclick_engine.command(
        "SET allow_suspicious_low_cardinality_types = DEFAULT, allow_suspicious_fixed_string_types = DEFAULT"
    )
    aaiclick_client.command("INSERT INTO t SELECT number, number % 3, 'x' FROM numbers(100)")
    report = ensure_schema(
        aaiclick_client,
        Schema("app", objects=[Table("t", COLUMNS, engine=MergeTree(order_by=["l", "a"]))]),
        policy=Policy.lossless(),
    )
    assert [step.strategy for step in report.steps] == ["rebuild"]
    assert aaiclick_client.query("SELECT count(), sum(a), sum(l) FROM t").result_rows == [(100, 4950, 99)]


def test_a_copy_reads_a_new_table_with_an_alias_of_such_a_type(aaiclick_client: Client) -> None:
    """Rows are written into it without the setting, but none is read."""
    aaiclick_client.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    aaiclick_client.command("INSERT INTO t SELECT number FROM numbers(100)")
    # Without the CAST in the expression the server takes the type and reads the rows.
    alias = "CAST(a + 1 AS LowCardinality(UInt8))"
    columns = [Column("a", "UInt8"), Column("l", "LowCardinality(UInt8)", alias=alias)]
    schema = Schema("app", objects=[Table("t", columns, engine=MergeTree(order_by=["a"], partition_by="a % 2"))])
    assert [step.strategy for step in ensure_schema(aaiclick_client, schema, policy=Policy.lossless()).steps] == [
        "rebuild"
    ]
    assert plan_schema(aaiclick_client, schema).steps == ()


def test_every_question_about_rows_is_asked_again_with_what_the_table_was_made_with(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str
) -> None:
    """The server refuses every query that reads rows of such a table, whatever it reads of them."""
    odd = "LowCardinality(UInt8) ALIAS CAST(a + 1 AS LowCardinality(UInt8))"
    aaiclick_client.command(
        f"CREATE TABLE t (a UInt8, l {odd}) ENGINE = MergeTree ORDER BY a",
        settings={"allow_suspicious_low_cardinality_types": 1},
    )
    aaiclick_client.command("INSERT INTO t SELECT number FROM numbers(100)")
    table = f"{aaiclick_database}.t"
    connection = open_url(aaiclick_engine.url)
    with pytest.raises(StatementError, match="suspicious"):
        connection.query(Query(f"SELECT sum(a) FROM {table}"))
    assert run(sums(table, "", ["a"], {}), connection).rows == 100
    assert run(rows_or_refusal(Query(f"SELECT toUInt64(max(a)) FROM {table}")), connection) == ((99,),)
    assert run(count(table, "a >= 50"), connection) == 50
    assert run(rows_in_reach(table, "a >= 50", 100_000), connection) == 50
    connection.close()


def test_rows_that_came_since_are_carried_back_into_such_a_table(aaiclick_client: Client) -> None:
    columns = [Column("a", "UInt8"), Column("l", "LowCardinality(UInt8)", alias="CAST(a AS LowCardinality(UInt8))")]

    def schema(version: int, partition: str) -> Schema:
        table = Table("t", columns, engine=MergeTree(order_by=["a"], partition_by=partition))
        return Schema("app", version=version, objects=[table])

    for version, partition in ((1, "a % 2"), (2, "a % 3")):
        ensure_schema(aaiclick_client, schema(version, partition), policy=Policy.lossless(keep_old=timedelta(days=1)))
        aaiclick_client.command("INSERT INTO t SELECT number FROM numbers(100)")
    limit = Constraint("small", check="a < 100")
    checked = Table("t", columns, engine=MergeTree(order_by=["a"], partition_by="a % 3"), constraints=[limit])
    plan = plan_schema(aaiclick_client, Schema("app", version=3, objects=[checked]))
    assert [(step.strategy, step.blocked) for step in plan.steps] == [("alter", "")]
    rollback_schema(aaiclick_client, schema(1, "a % 2"))
    assert aaiclick_client.query(
        "SELECT count(), sum(l) FROM t", settings={"allow_suspicious_low_cardinality_types": 1}
    ).result_rows == [(200, 9900)]


def test_a_new_table_is_made_with_what_it_declares(aaiclick_client: Client) -> None:
    schema = Schema("app", objects=[Table("t", COLUMNS, engine=MergeTree(order_by=["a"]))])
    ensure_schema(aaiclick_client, schema, policy=Policy.safe())
    assert plan_schema(aaiclick_client, schema).steps == ()


@pytest.mark.parametrize(
    ("wanted", "settings", "strategy"),
    [
        ([Column("d", "LowCardinality(Date)")], {}, "mutate"),
        ([Column("d", "Date", codec="NONE, NONE")], {}, "alter"),
        ([Column("d", "Date"), Column("n", "LowCardinality(Date)")], {}, "alter"),
        ([Column("d", "Date"), Column("n", "FixedString(1000)")], {"index_granularity": 1024}, "attach"),
        ([Column("d", "LowCardinality(Date)")], {"index_granularity": 1024}, "rebuild"),
    ],
    ids=["retype", "codec", "new-column", "attach", "copy"],
)
def test_what_is_refused_by_default_is_sent_as_it_was_rehearsed(
    aaiclick_client: Client, wanted: list[Column], settings: dict[str, str | int | float | bool | None], strategy: str
) -> None:
    aaiclick_client.command("CREATE TABLE t (a UInt8, d Date) ENGINE = MergeTree ORDER BY a")
    aaiclick_client.command("INSERT INTO t SELECT number, toDate('2026-01-01') + number FROM numbers(100)")
    schema = Schema(
        "app",
        objects=[Table("t", [Column("a", "UInt8"), *wanted], engine=MergeTree(order_by=["a"], settings=settings))],
    )
    report = ensure_schema(aaiclick_client, schema, policy=Policy.lossless())
    assert [step.strategy for step in report.steps] == [strategy]
    assert aaiclick_client.query("SELECT count(), sum(a), uniqExact(d), max(d) FROM t").result_rows == [
        (100, 4950, 100, date(2026, 4, 10))
    ]
    assert plan_schema(aaiclick_client, schema).steps == ()


def test_an_expression_of_a_migration_is_looked_at_with_what_the_copy_is_sent(aaiclick_client: Client) -> None:
    def schema(version: int, expression: str) -> Schema:
        columns = [Column("a", "UInt8"), Column("l", "LowCardinality(UInt32)")]
        return Schema(
            "app",
            version=version,
            objects=[Table("t", columns, engine=MergeTree(order_by=["a"]))],
            migrations=[Migration(2, rebuild={"t": Rebuild(columns={"l": expression})})] if version == 2 else [],
        )

    ensure_schema(aaiclick_client, schema(1, ""))
    aaiclick_client.command("INSERT INTO t SELECT number, number FROM numbers(10)")
    policy = Policy.lossless().allow("change-default t.l", "retype t.l")
    with pytest.raises(BlockedError, match="for instance \\(4294967296\\)"):
        ensure_schema(aaiclick_client, schema(2, "toUInt64(a) + 4294967296"), policy=policy)
    ensure_schema(aaiclick_client, schema(2, "CAST(a + 1 AS LowCardinality(UInt32))"), policy=policy)
    assert aaiclick_client.query("SELECT sum(l) FROM t").result_rows == [(55,)]


def test_what_is_no_longer_declared_is_dropped_from_a_table_that_was_made_so(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str
) -> None:
    """With every ALTER the engine looks at all defaults of the table again, also at those that it is not about."""
    odd = "Array(LowCardinality(Nullable(UInt64))) ALIAS CAST([], 'Array(LowCardinality(Nullable(UInt64)))')"
    allowed = "SET allow_suspicious_low_cardinality_types = 1"
    aaiclick_engine.command(
        f"{allowed}; CREATE TABLE {aaiclick_database}.t (a UInt8, b {odd}, c {odd}) ENGINE = MergeTree ORDER BY a"
    )
    aaiclick_engine.command(f"INSERT INTO {aaiclick_database}.t (a) SELECT number FROM numbers(100)")
    aaiclick_engine.command("SET allow_suspicious_low_cardinality_types = DEFAULT")
    schema = Schema("app", objects=[Table("t", [Column("a", "UInt8")], engine=MergeTree(order_by=["a"]))])
    ensure_schema(aaiclick_client, schema, policy=Policy.lossless().allow("drop-column t.b"))
    assert [step.id for step in plan_schema(aaiclick_client, schema).steps] == ["t:drop-column:c"]
    assert aaiclick_engine.command(f"{allowed}; SELECT count(), sum(a) FROM {aaiclick_database}.t") == "100\t4950\n"


@pytest.mark.parametrize(
    ("column", "tail", "cured"),
    [
        ("FixedString(300)", "", True),
        ("LowCardinality(UInt8)", "", True),
        ("String CODEC(NONE, NONE)", "", True),
        ("SimpleAggregateFunction(sum, UInt64)", ", v", True),
        ("Strin", "", False),
        ("String DEFAULT nothing()", "", False),
    ],
)
def test_only_what_a_setting_may_cure_is_tried_again(
    aaiclick_engine: EmbeddedEngine, aaiclick_database: str, column: str, tail: str, cured: bool
) -> None:
    connection = open_url(aaiclick_engine.url)
    statement = f"CREATE TABLE t (a UInt8, v {column}) ENGINE = MergeTree ORDER BY (a{tail})"
    with pytest.raises(StatementError) as refused:
        connection.command(Command(statement, database=aaiclick_database))
    allowed = run(permissive("t"), connection)
    assert curable(refused.value) is cured
    if cured:
        connection.command(Command(statement, settings=allowed, database=aaiclick_database))
    connection.close()


def test_what_names_a_setting_may_be_cured_and_a_lost_answer_may_not() -> None:
    assert curable(StatementError("Turn on allow_experimental_statistics", 80))
    assert not curable(StatementError("Syntax error", 62))
    assert not curable(OutcomeUnknownError("Turn on allow_experimental_statistics", 36))
