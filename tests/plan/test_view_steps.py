"""Aggregates as declarations and in plans."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Engine, MergeTree, Plan, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.aggregates import Aggregate, GroupKey, Measure, rollup
from aaiclick.errors import BlockedError, SchemaVersionError, SpecError

COLUMNS = [
    Column("at", "DateTime"),
    Column("shop", "LowCardinality(String)"),
    Column("price", "Nullable(Float64)"),
    Column("k", "UInt64"),
]
RAW = Table("raw", COLUMNS, engine=MergeTree(order_by="at"))
DAY: dict[str, str | GroupKey] = {"day": GroupKey("toDate(at)", "Date"), "shop": "shop"}


def schema(version: int, measures: dict[str, str | Measure], raw: Table = RAW, where: str | None = None) -> Schema:
    return Schema(
        "s",
        version=version,
        objects=rollup(raw, Aggregate("daily", by=DAY, measures=measures, reader="per_day", where=where)),
    )


def replace(declared: Schema, version: int) -> Schema:
    return Schema(declared.name, version=version, objects=declared.objects)


def kinds(plan: Plan) -> dict[str, tuple[str, list[str]]]:
    return {
        step.object: (step.strategy, [hazard.allow for hazard in step.hazards if hazard.allow]) for step in plan.steps
    }


@pytest.mark.parametrize(
    ("measure", "type"),
    [
        ("count()", "AggregateFunction(count)"),
        ("sum(price)", "AggregateFunction(sum, Nullable(Float64))"),
        ("uniq(shop)", "AggregateFunction(uniq, String)"),
        ("quantiles(0.5, 0.9)(k)", "AggregateFunction(quantiles(0.5, 0.9), UInt64)"),
        ("argMax(shop, at)", "AggregateFunction(argMax, String, DateTime)"),
        ("groupArray(3)(k)", "AggregateFunction(groupArray(3), UInt64)"),
        (Measure("sumIf(k, k > 3)", "UInt64", "UInt8"), "AggregateFunction(sumIf, UInt64, UInt8)"),
        (Measure("max(k)", simple="UInt64"), "SimpleAggregateFunction(max, UInt64)"),
        (Measure("any(concat(shop, ')', '('))", "String"), "AggregateFunction(any, String)"),
    ],
)
def test_the_engine_agrees_with_the_types(aaiclick_client: Client, measure: str | Measure, type: str) -> None:
    declared = schema(1, {"m": measure})
    table = declared.get("daily")
    assert isinstance(table, Table)
    assert [column.type for column in table.columns] == ["Date", "LowCardinality(String)", type]
    ensure_schema(aaiclick_client, declared)
    assert plan_schema(aaiclick_client, declared).steps == ()
    aaiclick_client.command("INSERT INTO raw VALUES (1, 'a', 1, 1), (2, 'a', 2, 5)")
    assert len(aaiclick_client.query("SELECT m FROM per_day").result_rows) == 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: schema(1, {}), "it has no measures"),
        (
            lambda: schema(1, {"m": "sum(price * 2)"}),
            r"m: price \* 2 is no column of raw: say the types of the arguments",
        ),
        (lambda: schema(1, {"m": "count(*)"}), "write it without the asterisk"),
        (lambda: schema(1, {"m": "sum(k) / count()"}), "more than the call of one aggregate function"),
        (lambda: schema(1, {"m": "uniq(DISTINCT k)"}), "DISTINCT has no state"),
        (lambda: schema(1, {"price": "sum(price)"}), "price: is a column of raw"),
        (lambda: schema(1, {"day": "count()"}), "day: is a key and a measure"),
        (lambda: schema(1, {"m": "k"}), "an aggregate function's call is needed"),
        (lambda: schema(1, {"m": "sum(k"}), "its brackets do not match"),
        (lambda: schema(1, {"m": Measure("sum(k)", "UInt64", "UInt8")}), "has 1 argument, and 2 types are given"),
        (
            lambda: rollup(RAW, Aggregate("d", by=["toDate(at)"], measures={"n": "count()"})),
            "is no column of raw: say its type",
        ),
        (
            lambda: rollup(RAW, Aggregate("d", by={"at": GroupKey("toDate(at)", "Date")}, measures={"n": "count()"})),
            "with another meaning",
        ),
    ],
)
def test_a_wrong_declaration_is_refused(make: object, said: str) -> None:
    assert callable(make)
    with pytest.raises(SpecError, match=said):
        make()


def test_a_type_that_is_not_what_the_query_yields_is_refused_also_on_an_empty_database(aaiclick_client: Client) -> None:
    wrong = schema(1, {"m": Measure("sum(k + 1)", "Int8")})
    with pytest.raises(
        SpecError,
        match=r"daily: "
        r"m: "
        r"is "
        r"declared "
        r"as "
        r"AggregateFunction\(sum, "
        r"Int8\), "
        r"but "
        r"sumState\(k "
        r"\+ "
        r"1\) "
        r"yields "
        r"AggregateFunction\(sum, "
        r"UInt64\)",
    ):
        ensure_schema(aaiclick_client, wrong)
    alone = Schema("s", version=1, objects=rollup(RAW, Aggregate("daily", by=DAY, measures={"n": "count()"}))[1:])
    with pytest.raises(SpecError, match="its table raw is not declared"):
        ensure_schema(aaiclick_client, alone)
    assert (
        aaiclick_client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND name NOT LIKE '\\_aaiclick%'"
        ).result_rows
        == []
    )


def test_what_is_there_is_filled_and_what_comes_later_alone(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=[RAW]))
    aaiclick_client.command(
        "INSERT INTO raw SELECT number * 9999, toString(number % 2), number, number FROM numbers(100)"
    )
    first = schema(2, {"n": "count()", "best": Measure("max(k)", simple="UInt64")}, where="k != 50")
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, first, policy=Policy.safe())
    assert kinds(plan_schema(aaiclick_client, first))["daily_mv"] == ("backfill", [])
    ensure_schema(aaiclick_client, first)
    aaiclick_client.command("INSERT INTO raw VALUES (1, 'a', 1, 50), (2, 'a', 2, 500)")
    assert aaiclick_client.query("SELECT sum(n), max(best) FROM per_day").result_rows == [(100, 500)]
    second = schema(3, {"n": "count()", "best": Measure("max(k)", simple="UInt64"), "total": "sum(k)"}, where="k != 50")
    planned = plan_schema(aaiclick_client, second)
    assert Plan.from_json(planned.to_json()).steps == planned.steps
    ensure_schema(aaiclick_client, second)
    assert aaiclick_client.query("SELECT sum(n), max(best), sum(total) FROM per_day").result_rows == [
        (100, 500, 4950 - 50 + 500)
    ]
    fewer = schema(4, {"n": "count()", "total": "sum(k)"}, where="k != 50")
    assert kinds(plan_schema(aaiclick_client, fewer))["daily_mv"] == ("replace", [])
    ensure_schema(
        aaiclick_client, schema(4, {"n": "count()", "best": Measure("max(k)", simple="UInt64")}, where="k != 50")
    )
    assert kinds(plan_schema(aaiclick_client, replace(second, 5)))["daily_mv"] == (
        "backfill",
        ["rebuild-aggregate daily"],
    )
    ensure_schema(aaiclick_client, replace(second, 5), policy=Policy.lossless().allow("rebuild-aggregate daily"))
    other = schema(6, {"n": "count()", "best": Measure("max(k)", simple="UInt64"), "total": "sum(k)"})
    assert kinds(plan_schema(aaiclick_client, other)) == {"daily_mv": ("backfill", ["rebuild-aggregate daily"])}
    ensure_schema(aaiclick_client, other, policy=Policy.lossless().allow("rebuild-aggregate daily"))
    assert aaiclick_client.query("SELECT sum(n), max(best), sum(total) FROM per_day").result_rows == [
        (102, 500, 4950 + 550)
    ]


def test_a_raw_table_that_forgets_is_said_by_name(aaiclick_client: Client) -> None:
    forgetting = Table("raw", COLUMNS, engine=MergeTree(order_by="at", ttl="at + INTERVAL 99 YEAR"))
    ensure_schema(aaiclick_client, schema(1, {"n": "count()"}, forgetting))
    plan = plan_schema(aaiclick_client, schema(2, {"n": "count()", "total": "sum(k)"}, forgetting))
    assert kinds(plan)["daily_mv"] == ("backfill", ["fill-from-the-rest daily"])
    # A maximum that a row does not have is 0: the rows that are there would say so.
    plan = plan_schema(
        aaiclick_client, schema(2, {"n": "count()", "best": Measure("max(k)", simple="UInt64")}, forgetting)
    )
    assert kinds(plan)["daily_mv"] == ("backfill", ["rebuild-aggregate daily"])


def test_where_nobody_can_tell_it_is_refused(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, {"n": "count()"}))
    aaiclick_client.command("INSERT INTO raw VALUES (1, 'a', 1, 1)")
    aaiclick_client.command("DROP VIEW daily_mv")
    with pytest.raises(BlockedError, match="daily holds 1 row, but there is no view that fills it"):
        ensure_schema(aaiclick_client, schema(1, {"n": "count()"}))


def test_a_raw_table_whose_writers_cannot_be_kept_out(aaiclick_client: Client) -> None:
    log = Table("raw", COLUMNS, engine=Engine("Log"))
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=[log]))
    aaiclick_client.command("INSERT INTO raw VALUES (1, 'a', 1, 1)")
    assert kinds(plan_schema(aaiclick_client, schema(2, {"n": "count()"}, log)))["daily_mv"] == (
        "create",
        ["start-empty daily"],
    )
    with pytest.raises(SchemaVersionError, match="--allow 'start-empty daily'"):
        ensure_schema(aaiclick_client, schema(2, {"n": "count()"}, log))
