"""The disks of tables, and what is free on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.topology import LOOK, Topology
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.hex_text import hex_literal, hexed


@dataclass(frozen=True, slots=True)
class PartSizes:
    """Bytes of a table's active parts."""

    compact: int
    """Of those whose columns stand in one file: no column is dropped without writing the others anew."""
    largest: int
    """Of the largest one. The server begins to mutate a part only where so much is free, whatever it will write."""


def part_sizes(database: str, tables: Sequence[str]) -> Routine[dict[str, PartSizes]]:
    """The parts of these tables; none where the user may not see them."""
    if not tables:
        return {}
    listed = ", ".join(hex_literal(name) for name in tables)
    rows = yield from rows_or_refusal(
        Query(
            "SELECT table, toUInt64(sumIf(bytes_on_disk, part_type != 'Wide')), toUInt64(max(bytes_on_disk)) FROM"
            f" system.parts WHERE active AND database = unhex({{db:String}}) AND table IN ({listed}) GROUP BY table",
            {"db": hexed(database)},
        )
    )
    return {text(name): PartSizes(number(compact), number(largest)) for name, compact, largest in rows or ()}


LIMITLESS = 10**15
"""Disks that report so much, or more, report no limit (object storage)."""


@dataclass(frozen=True, slots=True)
class Disks:
    """The disks of a table's storage policy, by name, and the bytes that are free on all of them; None: no limit."""

    names: str
    free: int | None


def least_free(disks: Mapping[str, Disks], topology: Topology) -> Routine[dict[str, Disks]]:
    """The same with what is free on the host of a cluster that has least: each stores its own copy. A host that does
    not answer is left out."""
    if not disks:
        return {}
    rows = yield from rows_or_refusal(
        Query(
            f"SELECT toInt64(_shard_num), name, toUInt64(least(unreserved_space, {LIMITLESS})) FROM "
            f"{topology.everywhere('system.disks')}",
            {},
            LOOK,
        )
    )
    free: dict[int, dict[str, int]] = {}
    for place, name, unreserved in rows or ():
        free.setdefault(number(place), {})[text(name)] = number(unreserved)
    found: dict[str, Disks] = {}
    for table, each in disks.items():
        names = each.names.split(", ")
        # A host that calls its disks otherwise says nothing of them.
        sums = [sum(there[name] for name in names) for there in free.values() if there.keys() >= set(names)]
        least = min(sums, default=LIMITLESS)
        found[table] = Disks(each.names, least if least < LIMITLESS else each.free)
    return found


def disks_of(database: str, tables: Sequence[str]) -> Routine[dict[str, Disks]]:
    """The disks of these tables; none where the user may not see them."""
    if not tables:
        return {}
    listed = ", ".join(hex_literal(name) for name in tables)
    # Unreserved, not free: merges and copies have reserved some of it. ``require_room`` counts in the same way.
    rows = yield from rows_or_refusal(
        Query(
            "SELECT name, arrayStringConcat(arraySort(groupUniqArray(disk)), ', '),"
            f" toUInt64(sum(least(unreserved, {LIMITLESS}))) FROM (SELECT name, storage_policy FROM system.tables WHERE"
            f" database = unhex({{db:String}}) AND name IN ({listed})) AS t"
            " INNER JOIN (SELECT policy_name, arrayJoin(disks) AS disk FROM system.storage_policies) AS p"
            " ON t.storage_policy = p.policy_name"
            " INNER JOIN (SELECT name AS disk, unreserved_space AS unreserved FROM system.disks) AS d USING (disk)"
            " GROUP BY name",
            {"db": hexed(database)},
        )
    )
    return {
        text(name): Disks(text(disks), number(free) if number(free) < LIMITLESS else None)
        for name, disks, free in rows or ()
    }
