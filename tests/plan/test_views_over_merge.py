"""Plain views over a view over merge(): they store what that stored, and are made anew behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

ID = Column("id", "UInt64")
DROP = Policy.lossless().allow("drop-column t.a")


def declared(*columns: Column) -> Schema:
    return Schema("s", objects=[Table("t", [ID, *columns], engine=MergeTree(order_by=["id"]))])


@pytest.fixture
def client(aaiclick_client: Client) -> Client:
    ensure_schema(aaiclick_client, declared(Column("a", "UInt8")))
    aaiclick_client.command("INSERT INTO t VALUES (1, 2)")
    # Their names are not in the order in which they read each other.
    for name, query in (("m", "merge(currentDatabase(), '^t$')"), ("z", "m"), ("b", "z")):
        aaiclick_client.command(f"CREATE VIEW {name} AS SELECT * FROM {query}")
    return aaiclick_client


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ([Column("a", "UInt32")], [(1, 70000), (1, 2)]),
        ([Column("b", "UInt8", renamed_from="a")], [(1, 2)]),
        ([], [(1,)]),
    ],
    ids=["wider", "renamed", "dropped"],
)
def test_they_show_what_the_table_has(client: Client, columns: list[Column], shown: list[tuple[int, ...]]) -> None:
    after = declared(*columns)
    ensure_schema(client, after, policy=DROP)
    if len(shown) > 1:
        client.command("INSERT INTO t VALUES (1, 70000)")
    assert set(client.query("SELECT * FROM b").result_rows) == set(shown)
    assert plan_schema(client, after).steps == ()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([Column("b", "UInt8", renamed_from="a")], "named: it names a, which no table has then"),
        ([], "the view named names a, which no table has then"),
    ],
    ids=["renamed", "dropped"],
)
def test_one_that_names_a_column_that_goes_blocks(client: Client, columns: list[Column], said: str) -> None:
    client.command("CREATE VIEW named AS SELECT id, a + 1 AS c FROM b")
    with pytest.raises(BlockedError, match=said):
        ensure_schema(client, declared(*columns), policy=DROP)
    assert client.query("SELECT c FROM named").result_rows == [(3,)]
