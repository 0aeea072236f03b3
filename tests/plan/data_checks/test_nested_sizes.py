"""Arrays that come into a Nested have the sizes that its rows have, or the step is blocked with a count."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Migration, Policy, Rebuild, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError

OLD = Column("n.a", "Array(UInt8)")


def schema(*columns: Column, migration: Migration | None = None) -> Schema:
    table = Table("t", [Column("id", "UInt64"), *columns], engine=MergeTree(order_by=["id"]))
    if migration is None:
        return Schema("sizes", objects=[table])
    return Schema("sizes", version=2, objects=[table], migrations=[migration])


@pytest.fixture
def client(aaiclick_client: Client) -> Client:
    aaiclick_client.command("CREATE TABLE t (id UInt64, `n.a` Array(UInt8)) ENGINE = MergeTree ORDER BY id")
    aaiclick_client.command("INSERT INTO t VALUES (1, [1, 2]), (2, [7]), (3, [])")
    return aaiclick_client


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            (OLD, Column("n.b", "Array(String)", default="['none']")),
            "2 rows have another number of elements in n.b than",
        ),
        ((OLD, Column("n.b", "Array(String)", materialized="[]")), r"2 rows .* for instance \(\[\],\[1,2\]\)"),
        ((Column("n.b", "Array(String)", default="[]"),), "or drop n.a first"),
        (
            (Column("m.a", "Array(UInt8)", default="[]"), Column("m.b", "Array(UInt8)", default="[id]"), OLD),
            "3 rows have another number of elements in m.a than in m.b",
        ),
    ],
    ids=["a default", "a materialized one", "beside one that is no longer declared", "two new ones"],
)
def test_another_size_blocks(client: Client, columns: tuple[Column, ...], said: str) -> None:
    with pytest.raises(BlockedError, match=said):
        ensure_schema(client, schema(*columns), policy=Policy.lossless())
    assert client.query("SELECT `n.a` FROM t ORDER BY id").result_rows == [([1, 2],), ([7],), ([],)]


def test_an_expression_of_a_migration_has_to_give_the_size(client: Client) -> None:
    columns = (OLD, Column("n.b", "Array(String)"))
    wrong, right = (
        Migration(2, rebuild={"t": Rebuild(columns={"n.b": each})}) for each in ("['x']", "arrayMap(x -> 'x', n.a)")
    )
    ensure_schema(client, Schema("sizes", version=1, objects=schema(OLD).objects), policy=Policy.safe())
    with pytest.raises(BlockedError, match="2 rows have another number of elements in "):
        ensure_schema(client, schema(*columns, migration=wrong), policy=Policy.lossless())
    ensure_schema(client, schema(*columns, migration=right), policy=Policy.lossless())
    assert client.query("SELECT `n.b` FROM t ORDER BY id").result_rows == [(["x", "x"],), (["x"],), ([],)]


def test_nothing_is_said_of_arrays_that_are_of_one_size(client: Client) -> None:
    same = Column("n.b", "Array(UInt16)", default="arrayMap(x -> x + 1, n.a)")
    plan = plan_schema(client, schema(OLD, same, Column("n.c", "Array(String)"), Column("n.d", "UInt8", default="1")))
    assert [step.blocked for step in plan.required] == [""]


@pytest.mark.parametrize("engine", ["MergeTree", "SummingMergeTree"])
def test_a_default_over_a_new_array_without_one_reads_as_many_elements(client: Client, engine: str) -> None:
    """The server gives that array the size of the others, in rows of old parts and in those of a copy."""
    client.command(f"CREATE TABLE u (id UInt64, `n.a` Array(UInt8)) ENGINE = {engine} ORDER BY id")
    client.command("INSERT INTO u VALUES (1, [1, 2]), (2, [7]), (3, [])")
    text = (
        "CREATE TABLE u (id UInt64, `n.a` Array(UInt8), `n.b` Array(UInt32), `n.c` Array(String) DEFAULT "
        f"arrayMap(x -> toString(x + 1), `n.b`)) ENGINE = {engine} ORDER BY id"
    )
    ensure_schema(client, Schema("u", objects=[Table.from_sql(text)]), policy=Policy.lossless())
    rows = [([1, 2], [0, 0], ["1", "1"]), ([7], [0], ["1"]), ([], [], [])]
    for _ in range(2):
        assert client.query("SELECT `n.a`, `n.b`, `n.c` FROM u ORDER BY id").result_rows == rows
        client.command("OPTIMIZE TABLE u FINAL")
