"""A table changed in place answers as one that is created as declared and filled with the same rows: with and without
its indexes and projections, before and after a merge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Plan, Policy, ensure_schema, plan_schema, reflect_schema
from aaiclick.specs.schema import Schema
from aaiclick.testing.engine import EmbeddedEngine, fresh_name

UTC, TOKYO = "DateTime('UTC')", "DateTime('Asia/Tokyo')"
TIMES = ("'2020-01-31 12:00:00'", "'2020-01-31 23:30:00'", "'2020-02-01 00:30:00'", "'2019-12-31 15:00:00'")
TAIL = "SETTINGS index_granularity = 1, min_bytes_for_wide_part = 0, max_bytes_to_merge_at_max_space_in_pool = 1"
WITHOUT = "SETTINGS optimize_use_projections = 0, use_skip_indexes = 0, optimize_use_implicit_projections = 0"


@dataclass(frozen=True)
class Case:
    """``k`` of type ``old`` becomes ``new`` (``copied``: as the copy converts it); ``expression`` is what the table
    reads of it, at ``spot``."""

    old: str
    new: str
    copied: str
    values: tuple[str, ...]
    expression: str
    spot: str
    strategy: str

    def table(self, database: str, kind: str) -> str:
        """Its CREATE with ``k`` of that type."""
        parts = {
            "sort key": ("", f"ORDER BY {self.expression}"),
            "partition key": ("", f"PARTITION BY {self.expression} ORDER BY i"),
            "minmax": (f", INDEX ix {self.expression} TYPE minmax", "ORDER BY i"),
            "bloom": (f", INDEX ix {self.expression} TYPE bloom_filter", "ORDER BY i"),
            "alias": (f", l String ALIAS toString({self.expression}), INDEX ix l TYPE set(0)", "ORDER BY i"),
            "groups": (
                f", PROJECTION p (SELECT {self.expression}, count(), sum(i) GROUP BY {self.expression})",
                "ORDER BY i",
            ),
            "sorted": (f", PROJECTION p (SELECT k, i ORDER BY {self.expression})", "ORDER BY i"),
            "materialized": (
                f", m String MATERIALIZED toString({self.expression}), INDEX ix m TYPE minmax",
                "ORDER BY i",
            ),
            "implicit": ("", "ORDER BY i"),
            "statistics": ("", "ORDER BY i"),
        }
        inside, keys = parts[self.spot]
        statistics = " STATISTICS(minmax, uniq)" if self.spot == "statistics" else ""
        implicit = (
            ", add_minmax_index_for_numeric_columns = 1, add_minmax_index_for_temporal_columns = 1"
            if self.spot == "implicit"
            else ""
        )
        return (
            f"CREATE TABLE {database}.t (k {kind}{statistics}, i UInt32{inside}) ENGINE = MergeTree {keys} "
            f"{TAIL}{implicit}"
        )


def zone(expression: str, spot: str, strategy: str) -> Case:
    return Case(UTC, TOKYO, "k", TIMES, expression, spot, strategy)


def enum(expression: str, spot: str, strategy: str, new: str = "Int8") -> Case:
    return Case(
        "Enum8('a' = 1, 'b' = 2)",
        new,
        f"CAST(k, '{new}')".replace("'a'", "\\'a\\'").replace("'b'", "\\'b\\'"),
        ("'a'", "'b'"),
        expression,
        spot,
        strategy,
    )


CASES = [
    zone("k", "sort key", "alter"),
    zone("toDate(k)", "sort key", "rebuild"),
    zone("k", "partition key", "rebuild"),
    zone("toYYYYMM(k)", "partition key", "rebuild"),
    zone("toUnixTimestamp(k)", "partition key", "alter"),
    zone("toDate(k)", "minmax", "mutate"),
    zone("toStartOfHour(k)", "minmax", "alter"),
    zone("toDate(k)", "alias", "mutate"),
    zone("toDate(k)", "groups", "mutate"),
    zone("toDate(k)", "sorted", "mutate"),
    zone("toDate(k)", "materialized", "alter"),
    zone("k", "implicit", "alter"),
    zone("k", "statistics", "alter"),
    enum("toString(k)", "sort key", "rebuild"),
    enum("k", "sort key", "rebuild"),
    enum("k", "partition key", "rebuild"),
    enum("toString(k)", "bloom", "mutate"),
    enum("toString(k)", "alias", "mutate"),
    enum("toString(k)", "groups", "mutate"),
    enum("k", "implicit", "alter"),
    enum("k", "statistics", "alter"),
    Case("Date", "UInt16", "CAST(k, 'UInt16')", ("'2020-01-31'", "'2020-02-01'"), "toString(k)", "minmax", "mutate"),
    Case("Date", "UInt16", "CAST(k, 'UInt16')", ("'2020-01-31'", "'2020-02-01'"), "k", "partition key", "rebuild"),
    Case(UTC, "UInt32", "CAST(k, 'UInt32')", TIMES, "toString(k)", "sort key", "rebuild"),
    Case("UInt8", "Bool", "CAST(k, 'Bool')", ("0", "1"), "toString(k)", "minmax", "mutate"),
    Case("UInt8", "UInt64", "k", ("0", "9", "10", "200"), "toString(k)", "minmax", "mutate"),
    Case("UInt8", "UInt64", "k", ("0", "9", "10", "200"), "k", "implicit", "mutate"),
    Case("String", "UInt32", "CAST(k, 'UInt32')", ("'0'", "'9'", "'10'"), "k", "minmax", "mutate"),
]


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.spot} {case.expression} {case.old.split('(')[0]} {case.new.split('(')[0]}"
)
def test_answers(case: Case, aaiclick_engine: EmbeddedEngine) -> None:
    live, want = fresh_name(), fresh_name()
    client = aaiclick_engine.client()
    try:
        for database, kind in ((live, case.old), (want, case.new)):
            client.command(f"CREATE DATABASE {database}")
            client.command(case.table(database, kind))
        for part in range(2):
            rows = ", ".join(f"({value}, {100 * part + place})" for place, value in enumerate(case.values))
            client.command(f"INSERT INTO {live}.t (k, i) VALUES {rows}")
        schema = Schema(
            "answers", version=None, objects=list(reflect_schema(client, database=want, name="answers").objects)
        )
        stored = ", m" if case.spot == "materialized" else ""
        client.command(f"CREATE TABLE {want}.source ENGINE = Memory AS SELECT *{stored} FROM {live}.t ORDER BY i")
        plan = changed(client, schema, live)
        assert [step.strategy for step in plan.required] == [case.strategy], str(plan)
        settings = {"insert_allow_materialized_columns": 1, "max_threads": 1}
        client.command(
            f"INSERT INTO {want}.t (k, i{stored}) SELECT {case.copied}, i{stored} FROM {want}.source ORDER BY i",
            settings=settings,
        )
        compare(client, case, live, want)
        for database in (live, want):
            client.command(
                f"ALTER TABLE {database}.t MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 161061273600"
            )
            client.command(f"OPTIMIZE TABLE {database}.t FINAL")
        compare(client, case, live, want)
    finally:
        for database in (live, want):
            client.command(f"DROP DATABASE IF EXISTS {database} SYNC")
        client.close()


def changed(client: Client, schema: Schema, live: str) -> Plan:
    """Bring the live table to the declaration; a second plan has nothing to do."""
    plan = plan_schema(client, schema, database=live)
    ensure_schema(client, schema, policy=Policy.lossless(keep_old=timedelta(0)), database=live)
    assert plan_schema(client, schema, database=live).in_sync
    return plan


def compare(client: Client, case: Case, live: str, want: str) -> None:
    """The same questions to both tables, about every value that is in them."""

    def literal(row: tuple[str, str]) -> str:
        return (
            f"CAST({', '.join(repr(text) for text in (row[1], row[0]))})".replace('"', "'")
            if "'" not in row[0]
            else f"CAST('{row[1]}', $t${row[0]}$t$)"
        )

    asked = [
        f"toString({case.expression}) AS z, count(), sum(i) FROM @ GROUP BY z ORDER BY z",
        f"{case.expression} AS z, count() FROM @ GROUP BY z ORDER BY z",
    ]
    asked += ["toString(k), i FROM @ ORDER BY ALL", "min(k), max(k), toString(min(k)) FROM @"]
    for what in ("k", case.expression):
        for row in client.query(f"SELECT DISTINCT toTypeName({what}), toString({what}) FROM {want}.t").result_rows:
            value = literal((str(row[0]), str(row[1])))
            asked += [
                f"i FROM @ WHERE {what} = {value} ORDER BY i",
                f"count() FROM @ WHERE {what} >= {value}",
                f"count() FROM @ WHERE {what} < {value}",
            ]
            asked += [f"count() FROM @ WHERE toString({what}) = '{row[1]}'"]
    for question in asked:
        for settings in ("", WITHOUT):
            answers = [
                client.query(f"SELECT {question.replace('@', f'{database}.t')} {settings}").result_rows
                for database in (live, want)
            ]
            assert answers[0] == answers[1], f"SELECT {question} {settings}"
