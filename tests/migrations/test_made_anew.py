"""Columns and tables that one version drops and a later one makes anew: a jump over both ends as the versions do one by
one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, MaterializedView, MergeTree, Migration, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError, MigrationError, SchemaVersionError
from tests.migrations.building import rows, schema, table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

FIRST = table(Column("p", "String"), Column("q", "String"))
DROPPED = Migration(2, allow=["drop-column t.p"])


def fill(client: Client, *tables: Table) -> None:
    ensure_schema(client, schema(1, FIRST, *tables))
    client.command("INSERT INTO t VALUES (1, 'old', 'kept')")


@pytest.mark.parametrize(
    ("column", "reads"),
    [
        (Column("p", "String"), ""),
        (Column("p", "String", default="'fresh'"), "fresh"),
        (Column("p", "LowCardinality(String)", default="concat(q, '!')"), "kept!"),
        (Column("p", "String", materialized="concat(q, '?')"), "kept?"),
        (Column("p", "String", alias="concat(q, '.')"), "kept."),
        (Column("p", "UInt8", default="7"), 7),
    ],
    ids=["no default", "default", "another type", "materialized", "alias", "a number"],
)
def test_none_of_its_values_stays(aaiclick_client: Client, column: Column, reads: object) -> None:
    fill(aaiclick_client)
    declared = schema(3, table(column, Column("q", "String")), migrations=[DROPPED])
    ensure_schema(aaiclick_client, declared)
    assert rows(aaiclick_client, "t", "p, q") == [(reads, "kept")]
    aaiclick_client.command("INSERT INTO t (id, q) VALUES (2, 'later')")
    assert ensure_schema(aaiclick_client, declared).steps == ()


def test_a_column_that_no_release_drops_keeps_its_values(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    again = table(Column("p", "String", default="'fresh'"), Column("q", "String"))
    ensure_schema(aaiclick_client, schema(3, again, migrations=[Migration(2)]))
    assert rows(aaiclick_client, "t", "p") == [("old",)]


def test_the_plan_says_that_its_values_go_and_which_version_decides_it(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    plan = plan_schema(aaiclick_client, schema(3, FIRST, migrations=[DROPPED]))
    (step,) = plan.required
    assert step.change == "p begins anew: migration 2 drops it, and a later version adds it again"
    assert step.allowed == ("drop-column t.p",)
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, schema(3, FIRST, migrations=[DROPPED]), policy=Policy.safe())
    assert rows(aaiclick_client, "t", "p") == [("old",)]


def test_a_column_that_was_renamed_before_it_was_given_up_makes_way(aaiclick_client: Client) -> None:
    """Nobody drops ``r``: it keeps what ``p`` held, beside the new ``p``."""
    fill(aaiclick_client)
    renamed = Migration(2, renames={"t.p": "r"})
    again = table(Column("p", "String", default="'fresh'"), Column("q", "String"))
    ensure_schema(aaiclick_client, schema(3, again, migrations=[renamed]))
    assert rows(aaiclick_client, "t", "p, q, r") == [("fresh", "kept", "old")]


def test_a_column_that_gets_the_name_of_a_dropped_one_needs_the_version_between(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    migrations = [DROPPED, Migration(3, renames={"t.q": "p"})]
    with pytest.raises(BlockedError, match="migration 2 drops column p, whose name another column gets later"):
        ensure_schema(aaiclick_client, schema(3, table(Column("p", "String")), migrations=migrations))
    assert rows(aaiclick_client, "t", "p, q") == [("old", "kept")]


def test_a_table_begins_without_a_row(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    again = Table("t", [Column("id", "UInt64"), Column("p", "UInt8")], engine=MergeTree(order_by=["p", "id"]))
    declared = schema(3, again, migrations=[Migration(2, allow=["drop-table t"])])
    report = ensure_schema(aaiclick_client, declared)
    assert report.steps[0].change.endswith("migration 2 drops it, and a later version makes it again")
    assert rows(aaiclick_client) == []
    aaiclick_client.command("INSERT INTO t (id, p) VALUES (1, 2)")
    assert ensure_schema(aaiclick_client, declared).steps == ()
    assert rows(aaiclick_client, "t", "id, p") == [(1, 2)]


def test_names_that_mean_another_object_later_need_the_version_between(aaiclick_client: Client) -> None:
    view = MaterializedView("v", query="SELECT id FROM t", engine=MergeTree(order_by="id"))
    other = table(Column("p", "String"), name="u")
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=[FIRST, other, view]))
    dropped = Migration(2, allow=["drop-table t", "drop-view v"])
    taken = Migration(3, renames={"u": "t"})
    with pytest.raises(MigrationError, match="t: migration 2 drops it, and u gets its name later"):
        ensure_schema(aaiclick_client, schema(3, table(Column("p", "String")), migrations=[dropped, taken]))
    with pytest.raises(MigrationError, match="v: migration 2 drops it, and a later version makes it anew"):
        ensure_schema(
            aaiclick_client,
            Schema(
                "s",
                version=3,
                objects=[FIRST, other, view],
                migrations=[Migration(2, allow=["drop-view v"])],
            ),
        )
