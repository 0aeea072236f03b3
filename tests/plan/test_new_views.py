"""Views that are new, over a table with a column that nobody declares any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import (
    Column,
    MaterializedView,
    MergeTree,
    Migration,
    Policy,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import BlockedError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

DROP = Policy.lossless().allow("drop-column t.b")


def table(name: str, *columns: str) -> Table:
    return Table(name, [Column(column, "UInt64") for column in columns], engine=MergeTree(order_by=["id"]))


def before(client: Client, *views: View | MaterializedView) -> Schema:
    """The second version, over the first one with a row in it."""
    tables = [table("t", "id", "a", "b"), table("g", "id", "a")]
    ensure_schema(client, Schema("s", version=1, objects=[*tables]))
    client.command("INSERT INTO t VALUES (1, 2, 3)")
    after = [table("t", "id", "a"), tables[1], *views]
    return Schema("s", version=2, objects=after, migrations=[Migration(2, oldest_code=1)])


def test_plain_views_of_everything_are_made_again_behind_the_drop(aaiclick_client: Client) -> None:
    # In this order: the one that is read comes second.
    declared = before(aaiclick_client, View("v", query="SELECT * FROM w"), View("w", query="SELECT * FROM t"))
    ensure_schema(aaiclick_client, declared, policy=DROP)
    assert aaiclick_client.query("SELECT * FROM v").column_names == ("id", "a")
    assert aaiclick_client.query("SELECT * FROM v").result_rows == [(1, 2)]
    assert plan_schema(aaiclick_client, declared).steps == ()


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (View("v", query="SELECT b FROM t"), "t: the view v would fail .*`b`"),
        (
            MaterializedView("v", query="SELECT * FROM t", engine=MergeTree(order_by=["id"])),
            r"t: the new materialized view v says \*, and would keep b",
        ),
    ],
)
def test_a_view_that_would_keep_the_column_blocks_its_drop(
    aaiclick_client: Client, view: View | MaterializedView, words: str
) -> None:
    declared = before(aaiclick_client, view)
    with pytest.raises(BlockedError, match=words):
        ensure_schema(aaiclick_client, declared, policy=DROP)
    assert aaiclick_client.command("EXISTS v") == 0
    # Without the drop it is what it says, over the table as it is.
    ensure_schema(aaiclick_client, declared)
    aaiclick_client.command("INSERT INTO t VALUES (4, 5, 6)")
    assert (6,) in aaiclick_client.query("SELECT b FROM v").result_rows


def test_a_materialized_view_whose_target_lacks_what_nobody_declares(aaiclick_client: Client) -> None:
    declared = before(aaiclick_client, MaterializedView("v", query="SELECT * FROM t", to="g"))
    with pytest.raises(BlockedError, match=r"v: its query says \*, which is b as well: .* its target g has no such"):
        ensure_schema(aaiclick_client, declared)
    assert aaiclick_client.command("EXISTS v") == 0
    named = before(aaiclick_client, MaterializedView("v", query="SELECT * EXCEPT b FROM t", to="g"))
    ensure_schema(aaiclick_client, named)
    assert plan_schema(aaiclick_client, named).in_sync
