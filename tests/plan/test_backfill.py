"""MaterializedView(..., backfill=True): every row of the source is in the target once, or the reason why that cannot be
is said."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    AggregatingMergeTree,
    Column,
    MaterializedView,
    MergeTree,
    Policy,
    ReplacingMergeTree,
    Schema,
    SummingMergeTree,
    Table,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import BlockedError, SchemaVersionError, SpecError
from aaiclick.plan.backfill.fill import split_query
from aaiclick.sql.quoting import quote_name

ROWS = 1000


def source(name: str = "t") -> Table:
    columns = [
        Column("k", "UInt64"),
        Column("p", "UInt8"),
        Column("m", "UInt64", materialized="k + 1"),
        Column("twice", "UInt64", alias="k * 2"),
    ]
    return Table(name, columns, engine=MergeTree(order_by=["k"], partition_by="p"))


def target(engine: object, *columns: Column) -> Table:
    return Table("g", [Column("k", "UInt64"), *columns], engine=engine)  # type: ignore[arg-type]


def schema(*objects: object) -> Schema:
    return Schema("backfill", objects=list(objects))  # type: ignore[arg-type]


def fill(client: Client, name: str = "t") -> None:
    ensure_schema(client, schema(source(name)))
    for start in range(0, ROWS, 100):
        client.command(f"INSERT INTO {quote_name(name)} SELECT number + {start}, number % 3 FROM numbers(100)")


def answer(client: Client, sql: str) -> tuple[object, ...]:
    return tuple(client.query(sql).result_rows[0])


PLAIN = MergeTree(order_by=["k"])
ADDING = SummingMergeTree(order_by=["k"])
N = Column("n", "UInt64")


@pytest.mark.parametrize(
    ("engine", "columns", "query", "expected"),
    [
        (PLAIN, (), "SELECT k FROM t", "SELECT count(), sum(k) FROM t"),
        (
            PLAIN,
            (),
            "SELECT k FROM t AS x WHERE x.k > 10 OR x.p = 0",
            "SELECT count(), sum(k) FROM t WHERE k > 10 OR p = 0",
        ),
        (PLAIN, (N,), "SELECT m AS n, k FROM t", "SELECT count(), sum(k), sum(m) FROM t"),
        (PLAIN, (N,), "SELECT t.k, twice AS n FROM t", "SELECT count(), sum(k), sum(twice) FROM t"),
        (
            PLAIN,
            (N,),
            "SELECT k, x AS n FROM t ARRAY JOIN [toUInt64(1), 2] AS x WHERE k < 500",
            "SELECT count(), sum(k), sum(x) FROM t ARRAY JOIN [1, 2] AS x WHERE k < 500",
        ),
        (PLAIN, (N,), "WITH k + 5 AS five SELECT k, five AS n FROM t", "SELECT count(), sum(k), sum(k + 5) FROM t"),
        (ADDING, (N,), "SELECT k % 10 AS k, count() AS n FROM t GROUP BY k", "SELECT 10, 45, count() FROM t"),
        (
            ADDING,
            (N,),
            "SELECT intDiv(m, 100) AS k, sum(m) AS n FROM t WHERE p = 1 GROUP BY k",
            "SELECT uniqExact(intDiv(m, 100)), 55, sum(m) FROM t WHERE p = 1",
        ),
        (
            ReplacingMergeTree(order_by=["k"], version="n"),
            (N,),
            "SELECT k, m AS n FROM t",
            "SELECT count(), sum(k), sum(m) FROM t",
        ),
    ],
)
@pytest.mark.parametrize("own", [True, False])
def test_every_row_is_brought_in_once(
    aaiclick_client: Client, engine: object, columns: tuple[Column, ...], query: str, expected: str, own: bool
) -> None:
    fill(aaiclick_client)
    view = MaterializedView("v", query=query, backfill=True, **({"engine": engine} if own else {"to": "g"}))
    wanted = schema(source(), view, *([] if own else [target(engine, *columns)]))
    plan = plan_schema(aaiclick_client, wanted)
    assert [step.strategy for step in plan.steps if step.object == "v"] == ["backfill"]
    with pytest.raises(SchemaVersionError, match="is filled from t"):
        ensure_schema(aaiclick_client, wanted, policy=Policy.safe())
    report = ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert report.steps[-1].rows == ROWS
    assert plan_schema(aaiclick_client, wanted).steps == ()
    aaiclick_client.command("INSERT INTO t SELECT number + 5000, number % 3 FROM numbers(100)")
    place = "v" if own else "g"
    aaiclick_client.command(f"OPTIMIZE TABLE {place} FINAL")
    sums = ", ".join(f"sum({name})" for name in ("k", *(column.name for column in columns)))
    if engine is ADDING and "% 10" not in query:
        expected = expected.replace("55", "(SELECT sum(DISTINCT intDiv(m, 100)) FROM t WHERE p = 1)")
    assert answer(aaiclick_client, f"SELECT count(), {sums} FROM {place}") == answer(aaiclick_client, expected)


@pytest.mark.parametrize(
    ("engine", "query", "said"),
    [
        (
            PLAIN,
            "SELECT k, count() AS n FROM t GROUP BY k",
            "it aggregates each INSERT by itself, and MergeTree does not add the pieces up",
        ),
        (PLAIN, "SELECT k, toUInt64(now()) AS n FROM t", "now returns another value at every call"),
        (PLAIN, "SELECT t.k AS k, t.k AS n FROM t INNER JOIN t AS u ON t.k = u.k", "which rows the joined table held"),
        (PLAIN, "SELECT k, k AS n FROM t WHERE k IN (SELECT k FROM t)", "it has a subquery"),
        (PLAIN, "SELECT DISTINCT k, k AS n FROM t", "DISTINCT depends on which rows came together"),
        (PLAIN, "SELECT k, k AS n FROM t LIMIT 5", "LIMIT depends on which rows came together"),
        (ADDING, "SELECT k, count() AS n FROM t GROUP BY k HAVING n > 1", "HAVING depends on which rows came together"),
        (PLAIN, "SELECT k, row_number() OVER () AS n FROM t", "OVER depends on which rows came together"),
        (PLAIN, "SELECT k, k AS n FROM t UNION ALL SELECT k, k AS n FROM t", "it has a subquery"),
        (
            ReplacingMergeTree(order_by=["k"]),
            "SELECT k, k AS n FROM t",
            "ReplacingMergeTree keeps rows by the order in which they were inserted",
        ),
    ],
)
def test_what_cannot_be_exact_is_refused(aaiclick_client: Client, engine: object, query: str, said: str) -> None:
    fill(aaiclick_client)
    wanted = schema(source(), target(engine, N), MaterializedView("v", to="g", query=query, backfill=True))
    with pytest.raises(BlockedError, match=said):
        ensure_schema(aaiclick_client, wanted, policy=Policy.everything())
    assert aaiclick_client.query("EXISTS TABLE g").result_rows == [(0,)]


@pytest.mark.parametrize(
    ("condition", "refused"),
    [
        ("k IN (d.other)", True),
        ("(k NOT IN other) AND p = 1", True),
        ("p = 1 OR k GLOBAL IN (`an other`)", True),
        ("k IN (1, 2)", False),
        ("k IN (NULL)", False),
        ("k IN (true)", False),
        ("k IN (p, m)", False),
        ("k IN tuple(1)", False),
    ],
)
def test_another_table_behind_in_is_refused(condition: str, refused: bool) -> None:
    found = split_query(f"SELECT k FROM d.t WHERE {condition}")
    assert (isinstance(found, str) and "held at that time" in found) is refused


def test_without_it_the_plan_says_what_will_not_be_there(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    wanted = schema(source(), target(PLAIN), MaterializedView("v", to="g", query="SELECT k FROM t"))
    hazards = plan_schema(aaiclick_client, wanted).hazards
    assert [(hazard.kind, hazard.allow) for hazard in hazards] == [("readers-see-gap", "")]
    assert hazards[0].message == "the 1,000 rows that t holds already are not in it: backfill=True would bring them in"
    assert len(ensure_schema(aaiclick_client, wanted, policy=Policy.safe()).steps) == 2


def test_a_target_that_holds_rows_and_one_that_others_listen_to(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    wanted = schema(source(), target(PLAIN), MaterializedView("v", to="g", query="SELECT k FROM t", backfill=True))
    aaiclick_client.command("CREATE TABLE g (k UInt64) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("CREATE MATERIALIZED VIEW second ENGINE = MergeTree ORDER BY k AS SELECT k FROM g")
    with pytest.raises(BlockedError, match="second reads g, and would not see these rows"):
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    aaiclick_client.command("DROP VIEW second")
    aaiclick_client.command("INSERT INTO g VALUES (1)")
    with pytest.raises(BlockedError, match="g holds 1 row already"):
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())


def test_a_first_start_makes_both(aaiclick_client: Client) -> None:
    wanted = schema(source(), target(PLAIN), MaterializedView("v", to="g", query="SELECT k FROM t", backfill=True))
    assert [step.strategy for step in ensure_schema(aaiclick_client, wanted).steps] == ["create"] * 3


def test_names_that_need_quotes(aaiclick_client: Client) -> None:
    fill(aaiclick_client, "it's `a` table")
    wanted = schema(
        source("it's `a` table"),
        MaterializedView("a view", engine=PLAIN, query="SELECT k FROM `it's \\`a\\` table`", backfill=True),
    )
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert answer(aaiclick_client, "SELECT count() FROM `a view`") == (ROWS,)


def test_states_are_brought_in(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    states = AggregatingMergeTree(order_by=["k"])
    query = "SELECT p AS k, uniqExactState(t.k) AS n FROM t GROUP BY k"
    view = MaterializedView("v", engine=states, query=query, backfill=True)
    ensure_schema(aaiclick_client, schema(source(), view), policy=Policy.lossless())
    assert answer(aaiclick_client, "SELECT uniqExactMerge(n) FROM v") == (ROWS,)


def test_a_refreshable_view_needs_none() -> None:
    with pytest.raises(SpecError, match="a refreshable view reads everything"):
        MaterializedView("v", to="g", query="SELECT 1", refresh="EVERY 1 HOUR", backfill=True)
