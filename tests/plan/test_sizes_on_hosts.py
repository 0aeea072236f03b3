"""Rows host by host: what shards have, who gives its parts, and what the host that is asked has not."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.clickhouse.topology import Host, Topology
from aaiclick.commands.inspection.shard_rows import host_sizes
from aaiclick.plan.clusters.copies import placed_copy, several_owners
from aaiclick.plan.clusters.sizes import UNDER_WAY, HostSizes
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AttachWork
from aaiclick.routine import Rows
from tests.plan.test_copies_on_clusters import FORM, hosts

PAIR, SHARDS = hosts("queue"), hosts("queue", 2)
UNSAID = Topology("database", "c", tuple(Host(f"h{each}", 9000, 1, each) for each in (1, 2)), "shop")


def test_replicas_count_once_and_hosts_with_rows_of_their_own_are_added_up() -> None:
    seen = {1: (5, 50), 2: (10, 90), 3: (7, 70)}
    assert HostSizes(seen).shards(SHARDS) == {1: (10, 90), 2: (7, 70)}
    assert HostSizes(seen, replicated=False).shards(SHARDS) == {1: (15, 140), 2: (7, 70)}


def test_room_is_that_of_the_host_with_most() -> None:
    assert HostSizes({1: (3, 30), 2: (3, 30), 3: (1, 10), 4: (1, 10)}).largest(SHARDS) == 0.75
    assert HostSizes({1: (3, 30), 2: (1, 10)}, replicated=False).largest(PAIR) == 0.75
    assert HostSizes({1: (3, 30), 2: (3, 30)}).largest(PAIR) == 1.0
    assert HostSizes({1: (0, 0), 2: (0, 0)}).largest(PAIR) == 1.0


def test_the_host_with_rows_gives_its_parts_whoever_is_asked() -> None:
    only = HostSizes({1: (0, 0), 2: (10, 90), 3: (0, 0), 4: (0, 0)}, replicated=False).owners(SHARDS)
    assert only == {1: (2,), 2: ()}
    step = Step("events:attach", "events", "becomes replicated", "attach", [], AttachWork("events", FORM))
    assert "-- on hosts h2, h3; the other hosts" in "\n".join(placed_copy(step, SHARDS, {}, only).sql)
    assert several_owners("events", SHARDS, only) == ""
    both = HostSizes({1: (1, 9), 2: (10, 90)}, replicated=False).owners(PAIR)
    assert "hosts h1, h2 have rows in tables of their own" in several_owners("events", PAIR, both)


def test_a_host_that_has_not_all_rows_is_not_asked_about_them() -> None:
    assert HostSizes({1: (95, 1), 2: (100, 1)}).lacking(PAIR) == ""
    assert HostSizes({1: (100, 1), 2: (0, 0)}).lacking(PAIR) == ""
    # Nearly all is enough only while the others are under way.
    assert HostSizes({1: (95, 1), 2: (100, 1)}, late=UNDER_WAY).lacking(PAIR) == ""
    said = HostSizes({1: (95, 1), 2: (100, 1)}, late=UNDER_WAY + 1).lacking(PAIR)
    assert "host h1 has 95 of 100 rows, and others have been under way to it for 61 s: run again" in said
    assert "host h1 has 95 of 100 rows: run again" in HostSizes({1: (95, 1), 2: (100, 1)}, late=None).lacking(PAIR)
    assert HostSizes({1: (100, 1), 2: (95, 1)}, late=None).lacking(PAIR) == ""
    assert "host h1 has 2 of 2,000 rows" in HostSizes({1: (2, 1), 2: (2000, 1)}).lacking(PAIR)
    assert HostSizes({1: (100, 1), 2: (100, 1)}).lacking(UNSAID) == ""
    assert "that is connected to has 1 of 100 rows" in HostSizes({1: (100, 1), 2: (1, 1)}).lacking(UNSAID)
    own = HostSizes({1: (9, 1), 2: (8, 1)}, replicated=False)
    assert own.lacking(PAIR) == "the rows of host h2 are not looked at"
    assert HostSizes({1: (9, 1), 2: (0, 0)}, replicated=False).lacking(PAIR) == ""


def test_hosts_that_may_be_asked_for_another_shard_have_to_have_its_rows() -> None:
    """For its own shard the host that is connected to is asked, for another one the first host that answers."""
    whole = {1: (100, 1), 2: (1, 1), 3: (50, 1), 4: (50, 1)}
    assert HostSizes(whole).lacking(SHARDS) == ""
    assert HostSizes({**whole, 2: (200, 1)}).lacking(SHARDS).startswith("host h1 has 100 of 200 rows: run again")
    for place in (3, 4):
        said = HostSizes({**whole, place: (100, 1)}).lacking(SHARDS)
        assert said.startswith(f"host h{7 - place} has 50 of 100 rows: run again")
    nearly = HostSizes({**whole, 4: (49, 1)})
    assert nearly.nearly(SHARDS) == (4,)
    assert "host h4 has 49 of 50 rows: run again" in nearly.lacking(SHARDS)
    assert replace(nearly, delays={4: UNDER_WAY}).lacking(SHARDS) == ""
    assert "have been under way to it for 61 s" in replace(nearly, delays={4: UNDER_WAY + 1}).lacking(SHARDS)
    assert HostSizes({1: (9, 1), 2: (0, 0), 3: (3, 1)}, replicated=False).lacking(SHARDS) == ""


def test_only_where_it_has_nearly_all_rows_it_is_asked_for_how_long_it_lacks_the_others() -> None:
    def seen(here: int, late: Rows) -> HostSizes:
        routine = host_sizes("shop", PAIR)
        next(routine)
        answers = iter((tuple((place, b"t".hex(), rows, 1, 1) for place, rows in ((1, here), (2, 100))), late))
        try:
            while True:
                routine.send(next(answers))
        except StopIteration as done:
            found: HostSizes = done.value["t"]
            assert next(answers, None) == (None if here == 95 else late)
            return found

    assert seen(95, ((b"t".hex(), 90),)).late == 90
    assert seen(95, ()).late is None
    assert seen(100, ()).late == 0
    assert seen(10, ()).late == 0
