"""Materialized views in a plan on a cluster: what is sent where, and what that means for writers."""

from __future__ import annotations

import pytest

from aaiclick import Schema
from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.shared.insert_window import InsertWindow, windows_of
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.approval.compare import changed_since
from aaiclick.plan.backfill.triggers import can_be_fenced
from aaiclick.plan.clusters.fills import placed_fill
from aaiclick.plan.clusters.placed import on_topology
from aaiclick.plan.model import Plan, Step
from aaiclick.plan.operations import BackfillWork, CallableWork, Fill
from aaiclick.routine import Row
from tests.plan.test_copies_on_clusters import NEW, hosts

WINDOW = "replicated_deduplication_window"
CREATE = "CREATE MATERIALIZED VIEW `shop`.`mv` TO `shop`.`sums` AS SELECT k FROM events"
FILL = Fill("events", "sums", (("k", "k"),), (), before="SELECT k FROM shop.events")
WORK = BackfillWork(
    "mv", ("DROP VIEW IF EXISTS `shop`.`mv`", "TRUNCATE TABLE `shop`.`sums`", CREATE), ("events",), FILL
)
STEP = Step("mv:create", "mv", "is missing", "backfill", ["as on one host"], WORK, (Hazard("holds-up-writers", "774"),))


def test_a_plan_says_where_everything_happens() -> None:
    shown = placed_fill(STEP, hosts("queue", 2))
    assert shown.sql == [
        "-- on all hosts: no INSERT into events from here on; those that run are waited for",
        "ALTER TABLE `shop`.`events` ADD CONSTRAINT _aaiclick_fence_a_migration_is_under_way CHECK 0",
        "DROP VIEW IF EXISTS `shop`.`mv` ON CLUSTER `c`",
        "-- once in each shard:",
        "TRUNCATE TABLE `shop`.`sums`",
        CREATE.replace("`mv` TO", "`mv` ON CLUSTER `c` TO"),
        "-- when all hosts show the view: writers may go on",
        "-- in shard 1 host h1 fills sums (k) with what events held before, part by part; its replicas fetch that",
        "-- in shard 2 host h3 fills sums (k) with what events held before, part by part; its replicas fetch that",
    ]
    refused, repeated, divided = shown.hazards
    assert refused.message.startswith("inserts into events are refused on 4 hosts (469)")
    assert repeated.message == (
        "an INSERT into events that was sent before and is repeated afterwards is recognised as a repetition by events, "
        "but not by sums: there its rows count twice"
    )
    assert "may be there in part" in divided.message


def test_a_replicated_database_takes_statements_to_its_hosts() -> None:
    shown = placed_fill(STEP, hosts("database"))
    assert not any("ON CLUSTER" in line for line in shown.sql)
    assert [hazard.message[:33] for hazard in shown.hazards] == [
        "inserts into events are refused o",
        "an INSERT into events that was se",
    ]


@pytest.mark.parametrize(
    ("hosts_say", "declared", "window"),
    [
        ([], (), None),
        ([(1, "10000", "3600", None)], (), (10000, 3600)),
        (
            [(1, "10000", "3600", "ReplicatedMergeTree ORDER BY v SETTINGS replicated_deduplication_window = 0")],
            (),
            (0, 3600),
        ),
        ([(1, "10000", "3600", None)], ((WINDOW, "0"),), (0, 3600)),
        # What is declared for a table that is there is not there yet.
        ([(1, "10000", "3600", "ReplicatedMergeTree ORDER BY v")], ((WINDOW, "0"),), (10000, 3600)),
        ([(1, "10000", "3600", None), (2, "500", "604800", None)], (), (500, 3600)),
    ],
)
def test_the_smallest_memory_of_all_hosts_counts(
    hosts_say: list[tuple[int, str, str, str | None]], declared: Settings, window: tuple[int, int] | None
) -> None:
    rows: list[Row] = []
    for place, inserts, seconds, definition in hosts_say:
        rows += [(place, WINDOW, inserts), (place, f"{WINDOW}_seconds", seconds)]
        rows += [(place, "", definition)] if definition else []
    found = windows_of(tuple(rows), declared)
    assert (found and (found.inserts, found.seconds)) == window


@pytest.mark.parametrize(
    ("inserts", "seconds", "reliable"), [(100, 600, True), (99, 600, False), (100, 599, False), (0, 3600, False)]
)
def test_a_memory_that_is_too_short_is_not_relied_on(inserts: int, seconds: int, reliable: bool) -> None:
    window = InsertWindow(inserts, seconds)
    assert window.reliable is reliable
    assert window.refusal("copied", "feed").startswith(f"copied remembers {inserts} INSERTs for {seconds} s (")


def test_which_host_fills_is_no_part_of_an_approval() -> None:
    def plan(host: str) -> Plan:
        step = placed_fill(STEP, hosts("queue"))
        moved = [line.replace("host h1 ", f"host {host} ") for line in step.sql]
        made = Step(step.id, step.object, step.change, step.strategy, moved, WORK, step.hazards)
        return Plan("shop", "shop", 1, 2, (made,), "", "")

    assert changed_since(plan("h1"), plan("h2")) == ()


@pytest.mark.parametrize(
    ("engine", "topology", "can"),
    [
        ("MergeTree", SINGLE, True),
        ("ReplicatedMergeTree", SINGLE, False),
        ("SharedMergeTree", SINGLE, False),
        ("MergeTree", hosts("queue"), False),
        ("ReplicatedMergeTree", hosts("queue"), True),
        ("Log", hosts("queue"), False),
    ],
)
def test_whose_writers_can_be_kept_out(engine: str, topology: Topology, can: bool) -> None:
    assert can_be_fenced(engine, topology) is can


@pytest.mark.parametrize(("shards", "said"), [(1, ""), (2, "its function sends statements of its own")])
def test_functions_need_one_shard(shards: int, said: str) -> None:
    step = Step("migration 2:move", "migration 2", "runs", "callable", ["-- move"], CallableWork(2))
    (placed,) = on_topology((step,), Schema("shop", objects=[]), hosts("queue", shards), {}, NEW)
    assert said in placed.blocked
    assert bool(placed.blocked) is bool(said)
