"""Copies on replicas, without a cluster: which chunks may be attached, and where two tables stand on each host."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aaiclick.apply.backfill.recover_on_replicas import settle_backfills
from aaiclick.apply.rebuild.copy_chunk import Job
from aaiclick.apply.replicated.chunks import divide_in_order
from aaiclick.apply.replicated.clear import settle_restored_everywhere
from aaiclick.apply.replicated.exchange import HostStorages, host_storages, replaced_name
from aaiclick.apply.replicated.hosts import require_servers
from aaiclick.apply.replicated.resume import rising
from aaiclick.apply.replicated.shadow import attach_in_order, shadow_form
from aaiclick.apply.replicated.shards import Shard
from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.forms import TableForm
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.parts import Part
from aaiclick.clickhouse.shared.replicas import Placed
from aaiclick.clickhouse.tables import Physical
from aaiclick.clickhouse.topology import Host, Topology
from aaiclick.error_codes import DEADLOCK_AVOIDED
from aaiclick.errors import ApplyError, StatementError, UsageError
from aaiclick.plan.operations import BackfillWork, RebuildWork
from aaiclick.routine import Clock, Command, Peer, Query, Routine, Rows, run
from aaiclick.state.owned import Owned
from aaiclick.state.replicated.backfill_mark import backfill_mark_of
from aaiclick.state.replicated.mark import COMMENT, mark_of, parse_replicated_mark
from aaiclick.state.staged_chunks import StagedChunk, sources

HOSTS = Topology("queue", "c", (Host("h1", 9000, 1, 1, True), Host("h2", 9000, 1, 2)), "shop")
WORK = RebuildWork("events", TableForm("events", "ReplicatedMergeTree", ()), ())
MARK = mark_of(WORK, "abc123", ("h1", "h2"), ("old1", "old2"), "h1", (("parts_to_throw_insert", ""),), 0)


def part(partition: str, first: int, last: int | None = None) -> Part:
    end = first if last is None else last
    return Part(partition, first, end, 0, 0, 1, 1, f"{partition}_{first}_{end}_0", content="same")


def chunk(*parts: Part) -> StagedChunk:
    return StagedChunk(f"stage{next(NUMBERS)}", "old", "", sources(parts), len(parts))


NUMBERS = count()


def kept(ordered: bool, staged: list[StagedChunk], present: list[Part]) -> list[StagedChunk]:
    job = cast("Job", SimpleNamespace(work=SimpleNamespace(ordered=ordered)))
    return list(divide_in_order(job, staged, present)[0])


def test_chunks_whose_parts_are_there_are_kept_whatever_came_before_them() -> None:
    one, two = chunk(part("a", 1), part("b", 7)), chunk(part("a", 3))
    present = [part("a", 1), part("a", 2), part("a", 3), part("b", 7)]
    assert kept(False, [one, two], present) == [one, two]
    assert kept(False, [one, two], present[1:]) == [two]


def test_where_the_order_counts_a_chunk_behind_a_missing_part_is_filled_again() -> None:
    """Numbers are given out before a block is there, so an earlier one may come later; and what is left out for that is
    missing itself."""
    first, second, other = chunk(part("a", 1)), chunk(part("a", 3), part("b", 5)), chunk(part("b", 6))
    present = [part("a", 1), part("a", 3), part("b", 5), part("b", 6)]
    assert kept(True, [first, second, other], present) == [first, second, other]
    assert kept(True, [first, second, other], [*present, part("b", 9)]) == [first, second, other]
    assert kept(True, [first, second, other], [*present, part("a", 2)]) == [first]


def test_where_the_order_counts_chunks_are_taken_over_in_the_order_of_blocks() -> None:
    """The later of two rows has to come later: a chunk behind one with a later block is filled again."""
    first, later, second, other = chunk(part("a", 1)), chunk(part("a", 5)), chunk(part("a", 2)), chunk(part("b", 0))
    assert rising([first, later, second, other]) == (first, later, other)
    assert rising([first, second, later]) == (first, second, later)


def test_the_new_table_has_what_is_declared_but_for_its_fence_and_settings() -> None:
    form = TableForm(
        "events", "ReplicatedMergeTree", (), comment="of the user", settings=(("index_granularity", "64"),)
    )
    made = shadow_form(form, "run")
    assert (made.comment, made.settings[0]) == ("of the user", ("index_granularity", "64"))
    assert [each.name for each in made.constraints] == ["_aaiclick_fence_a_migration_is_under_way"]


def rows(place: int, **tables: str) -> list[tuple[Any, ...]]:
    names = {"live": "events", "shadow": MARK.shadow_name, "taken": replaced_name(MARK)}
    return [(place, names[name].encode().hex(), uuid, 0, "") for name, uuid in tables.items()]


def standing_of(*found: list[tuple[Any, ...]]) -> dict[int, HostStorages]:
    mark = cast("Any", MARK)
    mark = type(mark)(**{**{name: getattr(mark, name) for name in mark.__slots__}, "phase": "swap", "shadow": "new"})
    shown = {host[0][0]: {_name(row[1]): Placed(row[2], "") for row in host} for host in found if host}
    return host_storages(mark, Reach(HOSTS, here=1), {place: shown.get(place, {}) for place in (1, 2)})


def _name(digits: str) -> str:
    return bytes.fromhex(digits).decode()


def test_each_host_has_its_own_standing() -> None:
    assert standing_of(rows(1, live="new", shadow="old1"), rows(2, live="old2", shadow="new")) == {
        1: HostStorages(True, MARK.shadow_name),
        2: HostStorages(False, MARK.shadow_name),
    }
    assert standing_of(rows(1, live="old1", taken="new"), rows(2, live="new")) == {
        1: HostStorages(False, replaced_name(MARK)),
        2: HostStorages(True, ""),
    }


@pytest.mark.parametrize(
    "second",
    [
        rows(2, live="old2"),
        rows(2, live="old1", shadow="new"),
        rows(2, live="stranger", shadow="new"),
        rows(2, live="new", shadow="stranger"),
        rows(2, live="new", shadow="old2", taken="old2"),
        [],
    ],
)
def test_a_host_with_anything_else_under_the_names_is_named(second: list[tuple[Any, ...]]) -> None:
    with pytest.raises(ApplyError, match=r"host h2 has .* hosts that have the old storage refuse writers"):
        standing_of(rows(1, live="new", shadow="old1"), second)


def test_hosts_of_two_releases_make_no_copy() -> None:
    """Each says its own: a scalar subquery would be answered once, by the host that is asked, for all of them."""
    routine = require_servers(Reach(HOSTS, here=1), Physical("shop", "events", "old1", "ReplicatedMergeTree"))
    question = next(routine)
    assert isinstance(question, Query)
    assert question.sql.count("SELECT") == 1
    with pytest.raises(ApplyError, match=r"its hosts run different releases \(26.7, 26.9\).*Nothing was changed"):
        routine.send(((1, "server1", "26.9"), (2, "server2", "26.7")))


SHADOW: Rows = ((MARK.shadow_name, "new", "/store/new/", "ReplicatedMergeTree", "", "", 0),)
SHARD = Shard(1, Reach(HOSTS, here=1), Physical("shop", "events", "old1", "ReplicatedMergeTree"))


def attached(fails: int = -1) -> list[str]:
    """The ALTERs that add 45 partitions; ``fails``: the one that the server refuses in the middle."""
    mark = replace(MARK, shadow="new")
    routine = attach_in_order(SHARD, mark, [(f"p{number}", f"stage.s{number}") for number in range(45)], ())
    sent: list[str] = []
    effect = next(routine)
    with suppress(StopIteration):
        while True:
            if isinstance(effect, Command):
                sent.append(effect.sql)
                if len(sent) - 1 == fails:
                    routine.throw(StatementError("deadlock avoided", DEADLOCK_AVOIDED))
            effect = routine.send(SHADOW if isinstance(effect, Query) else ())
    return sent


def test_partitions_are_added_many_by_one_statement_and_in_their_order() -> None:
    sent = attached()
    assert len(sent) == 3
    partitions = re.findall(r"ATTACH PARTITION ID 'p(\d+)' FROM stage\.s(\d+)", " ".join(sent))
    assert partitions == [(str(number), str(number)) for number in range(45)]


def test_partitions_that_may_be_there_in_part_are_not_added_again() -> None:
    """What the server answers to other ALTERs before it does anything may come here behind the first of them."""
    with pytest.raises(StatementError):
        attached(1)


def test_a_restored_table_that_a_host_lacks_keeps_its_mark() -> None:
    """Without it nobody would let the writers of the others in."""
    routine = settle_restored_everywhere("shop", MARK, Reach(HOSTS, here=1), 1.0)
    # No host lists one of its storages as detached, or as dropped a moment ago.
    assert isinstance(next(routine), Query)
    assert isinstance(routine.send(()), Query)
    assert isinstance(routine.send(()), Clock)
    assert isinstance(routine.send(((0.0,),)), Query)
    with pytest.raises(ApplyError, match=r"host h2 does not have it.*Nothing was changed. Restore it there too"):
        routine.send(tuple(rows(1, live="restored")))


def test_a_restored_source_of_a_view_that_a_host_lacks_keeps_the_mark_of_the_view() -> None:
    """As above: the constraint that refuses writers came with the backup."""
    work = BackfillWork("daily", (), ("events",))
    mark = backfill_mark_of(work, "abc123", ("h1", "h2"), (("old1", "old2"),), (), "")
    owned = cast("Owned", SimpleNamespace(database="shop", replicated_backfills=lambda: (mark,)))
    options = ApplyOptions(reach=Reach(HOSTS, here=1))
    routine = settle_backfills(owned, Reach(HOSTS, here=1), options)
    assert isinstance(next(routine), Query)
    # Both hosts answer, and neither has a storage of the mark, or lists one as detached or dropped.
    assert isinstance(routine.send(((1, 0), (2, 0))), Query)
    assert isinstance(routine.send(()), Query)
    assert isinstance(routine.send(()), Clock)
    assert isinstance(routine.send(((0.0,),)), Query)
    with pytest.raises(ApplyError, match=r"events was restored while daily .* host h2 does not have it.*Restore it"):
        routine.send(tuple(rows(1, live="restored")))


def test_a_mark_is_read_back_and_nothing_else_is_taken_for_one() -> None:
    assert parse_replicated_mark(COMMENT.dump(MARK)) == MARK
    for other in ("", "{}", COMMENT.dump(MARK).replace('"format":101', '"format":999'), '{"format":101}'):
        assert parse_replicated_mark(other) is None


def test_a_statement_for_another_host_is_refused_where_a_connection_leads_to_one() -> None:
    class Single:
        embedded, identity = False, "one"

        def query(self, effect: Query) -> list[list[object]]:
            return [[1]]

        def command(self, effect: Command) -> None: ...

        def close(self) -> None: ...

    def asking(effect: Query | Command) -> Routine[Rows]:
        return (yield effect)

    assert run(asking(Query("SELECT 1")), Single()) == ((1,),)
    for effect in (Query("SELECT 1", at=Peer("h2", 8123)), Command("SELECT 1", at=Peer("h2", 8123))):
        with pytest.raises(UsageError, match="go to host h2 by itself, and this connection leads to one host only"):
            run(asking(effect), Single())
