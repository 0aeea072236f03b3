"""Expressions that fail on real rows block the plan with count and example, before anything is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, MergeTree, Migration, Policy, Rebuild, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError
from tests.migrations.building import names, rows, schema, table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

T = table(Column("s", "String"), Column("n", "UInt32"), Column("x", "Nullable(UInt32)"))
NUMBER = Column("size", "UInt8")


@pytest.fixture
def client(aaiclick_client: Client) -> Client:
    ensure_schema(aaiclick_client, schema(1, T))
    aaiclick_client.command("INSERT INTO t VALUES (1, '1', 200, 5), (2, 'two', 300, NULL), (3, '', 400, 7)")
    return aaiclick_client


def declared(expression: str, where: str | None = None, kind: str = "UInt8") -> object:
    last = table(Column("s", "String"), Column("n", "UInt32"), Column("x", "Nullable(UInt32)"), Column("size", kind))
    return schema(2, last, migrations=[Migration(2, rebuild={"t": Rebuild(columns={"size": expression}, where=where)})])


@pytest.mark.parametrize(
    ("expression", "where", "kind", "words"),
    [
        ("s", None, "UInt8", "2 rows give a value of size = s that UInt8 cannot hold, for instance ('two')"),
        ("n", None, "UInt8", "2 rows give a value of size = n that UInt8 cannot hold, for instance (300)"),
        ("n + 1", "id > 1", "UInt8", "2 rows give a value of size = n + 1 that UInt8 cannot hold, for instance (301)"),
        ("x", None, "UInt8", "1 row gives a value of size = x that UInt8 cannot hold, for instance (NULL)"),
        ("toUInt8(s)", None, "UInt8", "size = toUInt8(s) fails on its rows (the engine: "),
        ("intDiv(n, n - 300)", None, "UInt64", "size = intDiv(n, n - 300) fails on its rows (the engine: "),
        ("1", "toUInt8(s) = 1", "UInt8", "the filter toUInt8(s) = 1 fails on its rows (the engine: "),
        ("JSONExtractString(throwIf(n = 300)::String, 'a')", None, "String", "fails on its rows (the engine: "),
    ],
)
def test_it_is_told_before_anything_is_done(
    client: Client, expression: str, where: str | None, kind: str, words: str
) -> None:
    before = names(client), rows(client)
    target = declared(expression, where, kind)
    (step,) = plan_schema(client, target).steps  # type: ignore[arg-type]
    assert step.blocked.startswith(words) or words in step.blocked
    with pytest.raises(BlockedError, match="cannot be migrated now: "):
        ensure_schema(client, target, policy=Policy.lossless().allow("drop-rows t"))  # type: ignore[arg-type]
    assert (names(client), rows(client)) == before


@pytest.mark.parametrize(
    ("expression", "where", "kind", "expected"),
    [
        ("s", "id = 1", "UInt8", [1]),
        ("toUInt8OrZero(s)", None, "UInt8", [1, 0, 0]),
        ("x", None, "Nullable(UInt8)", [5, None, 7]),
        ("n / 7", None, "UInt8", [28, 42, 57]),
        ("map('a', n)", None, "Map(String, UInt32)", [{"a": 200}, {"a": 300}, {"a": 400}]),
    ],
)
def test_what_fits_goes_on(
    client: Client, expression: str, where: str | None, kind: str, expected: list[object]
) -> None:
    ensure_schema(client, declared(expression, where, kind), policy=Policy.lossless().allow("drop-rows t"))  # type: ignore[arg-type]
    assert [row[0] for row in client.query("SELECT size FROM t ORDER BY id").result_rows] == expected


@pytest.mark.parametrize(
    ("old", "new", "value", "expression", "meant"),
    [
        ("Array(UInt16)", "Array(UInt8)", "[1, 300]", "a", "CAST(arrayMap(x -> x % 256, a), 'Array(UInt8)')"),
        ("UInt32", "Date", "100001", "a + 0", "CAST(a, 'Date')"),
        ("Int64", "DateTime('UTC')", "5000000000", "a", "toDateTime(a, 'UTC')"),
        ("Float64", "UInt8", "300.75", "a * 1", "CAST(a, 'UInt8')"),
        ("Decimal(18, 4)", "Decimal(9, 2)", "1.2345", "a", "CAST(round(a, 2), 'Decimal(9, 2)')"),
        ("String", "Bool", "'yes'", "a", "a = 'yes'"),
    ],
)
def test_nothing_is_cut_to_size_unasked(
    aaiclick_client: Client, old: str, new: str, value: str, expression: str, meant: str
) -> None:
    """An expression that says the conversion itself means it."""
    ensure_schema(
        aaiclick_client,
        Schema(
            "cut",
            version=1,
            objects=[Table("cut", [Column("k", "UInt8"), Column("a", old)], engine=MergeTree(order_by="k"))],
        ),
    )
    aaiclick_client.command(f"INSERT INTO cut VALUES (1, {value})")
    for raw, blocked in ((expression, True), (meant, False)):
        migrations = [Migration(2, title="cut", rebuild={"cut": Rebuild(columns={"a": raw})})]
        schema = Schema(
            "cut",
            version=2,
            objects=[Table("cut", [Column("k", "UInt8"), Column("a", new)], engine=MergeTree(order_by="k"))],
            migrations=migrations,
        )
        step = next(step for step in plan_schema(aaiclick_client, schema).steps if step.work.kind == "rebuild")
        assert bool(step.blocked) is blocked, step.blocked
        if blocked:
            assert f"1 row gives a value of a = {raw} that" in step.blocked
