"""What each host of a cluster shows of the declared objects: what it lacks or has otherwise, what is in its way."""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.clickhouse.every_host import Shown, Subject, troubles
from aaiclick.clickhouse.topology import LOOK, Topology
from aaiclick.commands.inspection.alike import definitions, usual
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.inspection.subjects import objects_of, subjects_of
from aaiclick.commands.report import HostStatus
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.hex_text import hexed


def host_states(found: Inspection) -> Routine[tuple[HostStatus, ...]]:
    """The hosts in the order of the cluster; none where there is one host, or where they are not known.

    A host that does not answer is told as such. Rows of a table are compared within a shard.
    """
    topology, database = found.topology, found.catalog.database
    if topology.single or not topology.hosts:
        return ()
    objects = objects_of(found.schema, database).names
    wrong = yield from troubles(topology, database, objects)
    differs: dict[int, list[str]] = {place: [] for place in range(1, len(topology.hosts) + 1)}
    for subject in subjects_of(found.schema, database):
        _compare((yield from definitions(topology, subject)), subject, differs)
    fewer = _fewer(topology, (yield from _rows(topology, database, objects)))
    return tuple(
        HostStatus(
            host.label,
            host.shard,
            host.replica,
            wrong.get(place, ""),
            tuple(differs[place]),
            tuple(fewer.get(place, ())),
        )
        for place, host in enumerate(topology.hosts, 1)
    )


def _compare(shown: Shown, subject: Subject, differs: Mapping[int, list[str]]) -> None:
    names = sorted(subject.names)
    most = usual(shown, names)
    for place in shown.hosts:
        for name, here, other in zip(names, shown.digests(place, names), most, strict=True):
            if here != other:
                differs[place].append(
                    f"{name} is missing" if not here else f"{name} differs" if other else f"only it has {name}"
                )


def _rows(topology: Topology, database: str, names: tuple[str, ...]) -> Routine[dict[str, dict[int, int]]]:
    rows = yield Query(
        f"SELECT hex(name), toInt64(_shard_num), toInt64(total_rows) FROM {topology.everywhere('system.tables')} WHERE "
        "database = unhex({db:String}) AND has(splitByChar(',', {names:String}), hex(name)) AND total_rows IS NOT NULL "
        "AND engine LIKE '%MergeTree'",
        {"db": hexed(database), "names": ",".join(hexed(name) for name in sorted(names))},
        LOOK,
    )
    counted: dict[str, dict[int, int]] = {}
    for digits, place, count in rows:
        name = bytes.fromhex(text(digits)).decode("utf-8", "surrogateescape")
        counted.setdefault(name, {})[number(place)] = number(count)
    return counted


def _fewer(topology: Topology, counted: Mapping[str, Mapping[int, int]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for name, by_place in sorted(counted.items()):
        for place, count in by_place.items():
            shard = topology.at(place).shard
            most = max(rows for other, rows in by_place.items() if topology.at(other).shard == shard)
            if count < most:
                found.setdefault(place, []).append(f"{name} has {count:,} rows of {most:,}")
    return found
