"""Copies of replicated tables in a plan: where they are made, and what is refused."""

from __future__ import annotations

import pytest

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.clickhouse.topology import Host, Kind, Topology
from aaiclick.plan.clusters.copies import copy_refusal, placed_copy
from aaiclick.plan.clusters.distributed import sharding_refusal
from aaiclick.plan.model import Step
from aaiclick.plan.operations import Alter, AttachWork, CopyColumn, Guard, RebuildWork

FORM = TableForm("events", "ReplicatedMergeTree", (), order_by="id")
PLAIN = TableForm("events", "MergeTree", (), order_by="id")
COPY = RebuildWork("events", FORM, (CopyColumn("id", "`id`"),))
NEW, OLD = (26, 9, 2, 1), (25, 8, 1, 1)
GUARD = Guard("id = 0", "would be lost", "id")


def hosts(kind: Kind, shards: int = 1) -> Topology:
    listed = tuple(
        Host(f"h{2 * shard + replica}", 9000, shard + 1, replica, shard == 0 and replica == 1)
        for shard in range(shards)
        for replica in (1, 2)
    )
    return Topology(kind, "c", listed, "shop")


def with_path(arguments: str) -> RebuildWork:
    form = TableForm("events", "ReplicatedMergeTree", (), arguments=arguments, order_by="id")
    return RebuildWork("events", form, COPY.columns)


def filled(expression: str, where: str = "") -> RebuildWork:
    return RebuildWork("events", FORM, (CopyColumn("v", expression),), where)


@pytest.mark.parametrize(
    ("work", "shards", "said"),
    [
        (COPY, 1, ""),
        (COPY, 2, ""),
        (RebuildWork("events", FORM, COPY.columns, guards=(GUARD,)), 1, ""),
        (AttachWork("events", FORM), 1, ""),
        (AttachWork("events", FORM, guards=(GUARD,)), 1, ""),
        (AttachWork("events", FORM, guards=(GUARD,)), 2, ""),
        (AttachWork("events", FORM, (Alter("ALTER", guards=(GUARD,)),)), 1, ""),
        (AttachWork("events", FORM, (Alter("ALTER", guards=(GUARD,)),)), 2, ""),
        (filled("v + (select max(v) FROM t)"), 1, ""),
        (filled("v + (select max(v) FROM t)"), 2, "reads other rows than the one that it fills (v + (select max(v)"),
        (filled("v IN `known`"), 2, "reads other rows"),
        (filled("joinGet('j', 'x', v)"), 2, "reads other rows"),
        (filled("v", where="id IN (SELECT 1)"), 2, "reads other rows than the one that it fills (id IN (SELECT 1))"),
        (filled("v IN (1, 2) OR v IN tuple(3) OR 'SELECT' = v"), 2, ""),
        (with_path("'/clickhouse/tables/{uuid}/{shard}', '{replica}'"), 1, ""),
        (with_path("'/own/{uuid}', '{replica}'"), 1, ""),
        (with_path("'/own/events', '{replica}'"), 1, ""),
        (RebuildWork("events", PLAIN, COPY.columns), 2, "declare it with replicated='' in a version of its own first"),
        (AttachWork("events", PLAIN), 2, "declare it with replicated='' in a version of its own first"),
    ],
)
def test_what_is_refused(work: RebuildWork | AttachWork, shards: int, said: str) -> None:
    refusal = copy_refusal("events", work, hosts("queue", shards), NEW)
    assert said in refusal
    assert bool(refusal) is bool(said)


def test_a_path_that_is_written_out_is_refused_where_the_database_gives_it() -> None:
    pathed = with_path("'/own', '{replica}'")
    assert "its path in Keeper is written out" in copy_refusal("e", pathed, hosts("database"), NEW)


def test_a_replicated_database_with_shards_needs_a_server_that_attaches_where_it_is_told_to() -> None:
    for work in (COPY, AttachWork("events", FORM)):
        assert not copy_refusal("e", work, hosts("database", 2), NEW)
        assert not copy_refusal("e", work, hosts("database"), OLD)
        assert "before ClickHouse 26.9 a Replicated database with 2" in copy_refusal(
            "e", work, hosts("database", 2), OLD
        )


def test_a_plan_says_where_everything_happens() -> None:
    step = Step("events:rebuild", "events", "sort key", "rebuild", ["as on one host"], COPY)
    shown = placed_copy(step, hosts("queue"), {})
    text = "\n".join(shown.sql)
    assert "CREATE TABLE shop.`_aaiclick_new_<run>_events` ON CLUSTER `c`" in text
    assert "-- on host h1, in chunks, into MergeTree tables" in text
    assert "-- on each host by itself" in text
    assert "EXCHANGE TABLES `shop`.`events` AND `shop`.`_aaiclick_new_<run>_events`" in shown.sql
    assert [hazard.kind for hazard in shown.hazards] == ["rewrites-data", "holds-up-writers", "holds-up-writers"]
    assert "each of 2 replicas stores the copy" in shown.hazards[0].message
    by_log = "\n".join(placed_copy(step, hosts("database"), {}).sql)
    assert "ON CLUSTER" not in by_log
    assert "-- by the log of the database" in by_log
    attached = "\n".join(
        placed_copy(Step("a", "events", "b", "attach", [], AttachWork("events", FORM)), hosts("queue"), {}).sql
    )
    assert "INSERT" not in attached.replace("no INSERT into", "")
    assert "ATTACH PARTITION ALL FROM `shop`.`events`" in attached


def test_a_plan_says_how_much_each_shard_copies() -> None:
    """The largest first: the copy takes as long as they take together, and each needs its own room."""
    step = Step("events:rebuild", "events", "sort key", "rebuild", ["as on one host"], COPY)
    shown = placed_copy(step, hosts("queue", 2), {1: (1000, 10), 2: (2000, 2048)})
    assert [hazard.message for hazard in shown.hazards[:2]] == [
        "shard 2: host h3 copies 2,000 rows (2.0 KiB), and each of 2 replicas stores the copy",
        "shard 1: host h1 copies 1,000 rows (10 B), and each of 2 replicas stores the copy",
    ]
    assert "refused on 4 hosts" in shown.hazards[2].message
    assert "may be there in part" in shown.hazards[-1].message


@pytest.mark.parametrize(
    ("key", "columns", "said"),
    [
        ("id", ("id", "v"), ""),
        ("(id)", ("id", "v"), ""),
        ("v", ("id", "v"), "its sharding key would change from id to v"),
        ("", ("id", "v"), "its sharding key would change from id to none"),
        ("id", ("v",), "reads id, which would be gone"),
    ],
)
def test_rows_never_leave_their_shard(key: str, columns: tuple[str, ...], said: str) -> None:
    def pair(by: str, names: tuple[str, ...]) -> TableForm:
        listed = tuple(ColumnForm(name, "UInt64") for name in names)
        return TableForm("all", "Distributed", listed, arguments=f"'c', 'shop', 'events'{f', {by}' if by else ''}")

    refusal = sharding_refusal(pair("id", ("id", "v")), pair(key, columns))
    assert said in refusal
    assert bool(refusal) is bool(said)
