"""What earlier versions declared and this one does not: reported as long as it is there, dropped by name only."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MaterializedView,
    MergeTree,
    Policy,
    Schema,
    Table,
    View,
    ensure_schema,
    rollback_schema,
    validate_schema,
)
from aaiclick.errors import HazardNotAllowedError, SchemaVersionError

ID = Column("id", "UInt64")


def table(name: str, order_by: str = "id") -> Table:
    return Table(name, [ID, Column("v", "UInt64")], engine=MergeTree(order_by=[order_by]))


KEPT, GONE = table("kept"), table("gone")
VIEW = View("old_view", query="SELECT id FROM gone")
FEED = MaterializedView("old_feed", to="kept", query="SELECT id, v FROM gone")
ALL = Schema("app", version=1, objects=[KEPT, GONE, VIEW, FEED])
LESS = Schema("app", version=2, objects=[KEPT])


def names(client: Client) -> set[str]:
    rows = client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows
    return {str(row[0]) for row in rows} & {item.name for item in ALL.objects}


def test_objects_that_are_no_longer_declared_are_reported_until_they_are_dropped_by_name(
    aaiclick_client: Client,
) -> None:
    ensure_schema(aaiclick_client, ALL)
    aaiclick_client.command("INSERT INTO gone VALUES (1, 2)")
    report = ensure_schema(aaiclick_client, LESS, policy=Policy.everything())
    words = {
        "gone": "table is no longer declared",
        "old_feed": "materialized view is no longer declared",
        "old_view": "view is no longer declared",
    }
    assert {step.object: step.change for step in report.pending} == words
    assert names(aaiclick_client) == {"kept", "gone", "old_view", "old_feed"}
    # The version is recorded, and they are still known.
    status = validate_schema(aaiclick_client, LESS)
    assert status.in_sync
    assert set(status.notes) == {f"{name}: {change} (left alone)" for name, change in words.items()}
    report = ensure_schema(
        aaiclick_client, LESS, policy=Policy.safe().allow("drop-view old_feed", "drop-view old_view", "drop-table gone")
    )
    assert {step.object for step in report.steps} == set(words)
    assert names(aaiclick_client) == {"kept"}
    assert validate_schema(aaiclick_client, LESS).notes == ()


def test_a_name_that_is_declared_again_is_not_forgotten(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, ALL)
    ensure_schema(aaiclick_client, LESS)
    again = Schema("app", version=3, objects=[KEPT, GONE])
    assert {step.object for step in ensure_schema(aaiclick_client, again).pending} == {"old_view", "old_feed"}
    other = Schema("other", version=1, objects=[KEPT])
    assert ensure_schema(aaiclick_client, other).pending == ()


def test_detached_parts_stay_behind_by_name_only(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, Schema("app", version=1, objects=[table("t")]))
    for start in (0, 5):
        aaiclick_client.command(f"INSERT INTO t SELECT number, number FROM numbers({start}, 5)")
    aaiclick_client.command("ALTER TABLE t DETACH PART 'all_2_2_0'")
    wanted = Schema("app", version=2, objects=[table("t", "v")])
    with pytest.raises(SchemaVersionError, match="--allow 'leave-detached-parts t'"):
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    aaiclick_client.command("ALTER TABLE t ATTACH PART 'all_2_2_0'")
    assert [step.strategy for step in ensure_schema(aaiclick_client, wanted, policy=Policy.lossless()).steps] == [
        "rebuild"
    ]


def test_a_rollback_names_the_detached_parts_that_go(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, Schema("app", version=1, objects=[table("t")]))
    for start in (0, 5):
        aaiclick_client.command(f"INSERT INTO t SELECT number, number FROM numbers({start}, 5)")
    aaiclick_client.command("ALTER TABLE t DETACH PART 'all_2_2_0'")
    allowed = Policy.lossless().allow("leave-detached-parts t")
    ensure_schema(aaiclick_client, Schema("app", version=2, objects=[table("t", "v")]), policy=allowed)
    before = Schema("app", version=1, objects=[table("t")])
    with pytest.raises(
        HazardNotAllowedError, match=r"1 detached parts of _aaiclick_old_.* go at once.*leave-detached-parts t"
    ):
        rollback_schema(aaiclick_client, before)
    assert aaiclick_client.query(
        "SELECT count() FROM system.detached_parts WHERE database = currentDatabase()"
    ).result_rows == [(1,)]
    assert rollback_schema(aaiclick_client, before, allow=["leave-detached-parts t"]).to_version == 1
