"""Names in a stored query that would mean a column of another table after a plan: ``b`` is ``u.b`` until ``t`` gets one."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Migration, Policy, Schema, Table, View, ensure_schema
from aaiclick.errors import BlockedError
from tests.plan.migrating import rows


def table(*names: str) -> Table:
    return Table("t", [Column(name, "UInt8", default="77") for name in ("k", *names)], engine=MergeTree(order_by=["k"]))


def world(client: Client, *statements: str, columns: str = "k UInt8, a UInt8") -> None:
    for sql in (
        f"CREATE TABLE t ({columns}) ENGINE = MergeTree ORDER BY k",
        "INSERT INTO t (k, a) VALUES (1, 2)",
        "CREATE TABLE u (k UInt8, b UInt8) ENGINE = MergeTree ORDER BY k",
        "INSERT INTO u VALUES (1, 9)",
        *statements,
    ):
        client.command(sql)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a, b FROM t LEFT JOIN u USING k",
        "SELECT a, b FROM t, u",
        "SELECT k FROM u WHERE EXISTS (SELECT 1 FROM t WHERE b = 9)",
        "SELECT k FROM t NATURAL JOIN u",
        "SELECT b FROM everything AS t LEFT JOIN u USING k",
    ],
)
def test_a_new_column_takes_no_name_from_another_table(aaiclick_client: Client, query: str) -> None:
    world(aaiclick_client, "CREATE VIEW everything AS SELECT * FROM t", f"CREATE VIEW v AS {query}")
    before = rows(aaiclick_client, "SELECT * FROM v")
    schema = Schema("names", version=1, objects=[table("a", "b")])
    with pytest.raises(
        BlockedError, match="v: its query says b without a table, and would read another column of that name"
    ):
        ensure_schema(aaiclick_client, schema, policy=Policy.safe())
    assert rows(aaiclick_client, "SELECT * FROM v") == before
    ensure_schema(aaiclick_client, Schema("names", version=1, objects=[table("a", "c")]), policy=Policy.safe())
    assert rows(aaiclick_client, "SELECT * FROM v") == before


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM t LEFT JOIN u USING k",
        "SELECT COLUMNS('^(a|b)') FROM t LEFT JOIN u USING k",
        "SELECT b FROM (SELECT * FROM t LEFT JOIN u USING k)",
    ],
)
def test_a_new_column_takes_the_plain_name_of_one_that_is_matched(aaiclick_client: Client, query: str) -> None:
    """``b`` was that of ``u``, which is called ``u.b`` from then on."""
    world(aaiclick_client, f"CREATE VIEW v AS {query}")
    named = "says b without a table" if query.startswith("SELECT b") else r"takes b from \* or COLUMNS"
    with pytest.raises(BlockedError, match=f"v: its query {named}, and"):
        ensure_schema(aaiclick_client, Schema("names", version=1, objects=[table("a", "b")]), policy=Policy.safe())
    assert rows(aaiclick_client, "SELECT b FROM v") == [(9,)]


@pytest.mark.parametrize("query", ["SELECT *, a + 1 AS b FROM t", "SELECT COLUMNS('^a'), k AS b FROM t AS x"])
def test_a_name_that_the_query_gives_itself_stays_its_own(aaiclick_client: Client, query: str) -> None:
    world(aaiclick_client, f"CREATE VIEW v AS {query}")
    before = rows(aaiclick_client, "SELECT b FROM v")
    ensure_schema(aaiclick_client, Schema("names", version=1, objects=[table("a", "b")]), policy=Policy.safe())
    assert rows(aaiclick_client, "SELECT b FROM v") == before


@pytest.mark.parametrize(
    "query", ["SELECT a, u.b AS b FROM t LEFT JOIN u USING k", "SELECT * FROM u LEFT JOIN t USING k"]
)
def test_a_query_that_says_which_table_is_meant_is_no_obstacle(aaiclick_client: Client, query: str) -> None:
    world(aaiclick_client, f"CREATE VIEW v AS {query}")
    report = ensure_schema(aaiclick_client, Schema("names", version=1, objects=[table("a", "b")]), policy=Policy.safe())
    assert report.in_sync
    assert rows(aaiclick_client, "SELECT b FROM v") == [(9,)]


def test_a_materialized_view_goes_on_to_write_what_it_wrote(aaiclick_client: Client) -> None:
    target = "CREATE TABLE w (a UInt8, b UInt8) ENGINE = MergeTree ORDER BY a"
    world(aaiclick_client, target, "CREATE MATERIALIZED VIEW m TO w AS SELECT a, b FROM t LEFT JOIN u USING k")
    with pytest.raises(BlockedError, match="m: its query says b without a table"):
        ensure_schema(aaiclick_client, Schema("names", version=1, objects=[table("a", "b")]))


def test_what_is_declared_is_said(aaiclick_client: Client) -> None:
    view = View("v", query="SELECT a, b FROM t LEFT JOIN u USING k")
    world(aaiclick_client, f"CREATE VIEW v AS {view.query}")
    report = ensure_schema(aaiclick_client, Schema("names", version=1, objects=[table("a", "b"), view]))
    assert any(
        note.startswith("v: its query says b without a table, and reads another column") for note in report.notes
    )


def test_a_column_that_goes_leaves_its_name_to_no_other(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, Schema("names", version=1, objects=[table("a", "b")]))
    for sql in (
        "INSERT INTO t VALUES (1, 2, 3)",
        "CREATE TABLE u (k UInt8, b UInt8) ENGINE = MergeTree ORDER BY k",
        "INSERT INTO u VALUES (1, 9)",
        "CREATE VIEW v AS SELECT a, b AS z FROM t LEFT JOIN u USING k",
    ):
        aaiclick_client.command(sql)
    renamed = Schema("names", version=2, objects=[table("a", "c")], migrations=[Migration(2, renames={"t.b": "c"})])
    with pytest.raises(BlockedError, match="v: its query says b without a table"):
        ensure_schema(aaiclick_client, renamed)
    dropped = Schema("names", version=2, objects=[table("a")])
    with pytest.raises(BlockedError, match="the view v would read another column b"):
        ensure_schema(aaiclick_client, dropped, policy=Policy.lossless().allow("drop-column t.b"))
    assert rows(aaiclick_client, "SELECT z FROM v") == [(3,)]


def test_a_column_hides_no_virtual_one(aaiclick_client: Client) -> None:
    world(aaiclick_client, "CREATE VIEW v AS SELECT k, toString(_part) AS part FROM t")
    with pytest.raises(BlockedError, match="v: its query says _part without a table"):
        ensure_schema(aaiclick_client, Schema("names", version=1, objects=[table("a", "_part")]))
