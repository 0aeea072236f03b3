"""Which parts of a table hold which columns. Values of lightweight UPDATEs are in patch parts, which hold no rows of
their own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from aaiclick.clickhouse.shared.host_answers import ask_hosts
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.routine import Query, Routine, Rows, number, text
from aaiclick.sql.quoting import quote_string

_PATCH = "patch-"


@dataclass(frozen=True, slots=True)
class PartColumns:
    """The columns that parts of a table hold."""

    table: str
    """Name of the table that was read."""
    parts: int
    """Number of active parts."""
    columns: Mapping[str, int]
    """For each column the number of parts that hold it."""
    patched: bool = False
    """True where there are patch parts."""
    together: tuple[frozenset[str], ...] = ()
    """The different sets of columns that parts hold."""
    unseen: bool = False
    """True where a shard did not answer: its parts may lack any column."""

    def lacking(self, column: str) -> int:
        """Number of parts that do not hold the column; those that nobody saw count for one."""
        return self.parts - self.columns.get(column, 0) + self.unseen

    def emptied(self, columns: Collection[str]) -> int:
        """Number of different column sets that would be empty without these columns."""
        return sum(names <= set(columns) for names in self.together)


def held_columns(database: str, table: str, hosts: Topology = SINGLE) -> Routine[PartColumns]:
    """Read it from ``system.parts`` and ``system.parts_columns``. ``hosts``: those that have the table, all of which
    are asked; a part that several replicas of a shard have counts once."""
    named = {"database": database, "table": table}
    if hosts.reached:
        return (yield from _on_hosts(hosts, table, named))
    rows = yield Query(
        f"SELECT toUInt64(countIf(NOT startsWith(name, '{_PATCH}'))), toUInt64(countIf(startsWith(name, "
        f"'{_PATCH}'))) FROM system.parts"
        " WHERE active AND database = {database:String} AND table = {table:String}",
        named,
    )
    # Without _block_number and _block_offset, which the server stores by itself and no definition has.
    sets = yield Query(
        "SELECT toJSONString(columns), toUInt64(count()) FROM (SELECT name, arraySort(groupUniqArray(column)) AS "
        "columns FROM system.parts_columns"
        f" WHERE active AND database = {{database:String}} AND table = {{table:String}} AND NOT startsWith(name, "
        f"'{_PATCH}')"
        " AND column NOT IN ('_block_number', '_block_offset') GROUP BY name) GROUP BY columns ORDER BY columns",
        named,
    )
    return _counted(table, number(rows[0][0]), number(rows[0][1]) > 0, sets)


def _on_hosts(hosts: Topology, table: str, named: Mapping[str, str]) -> Routine[PartColumns]:
    # The same name in one shard is the same part, with the same columns: a mutation gives it another one.
    places = [str(place) for place in range(1, len(hosts.hosts) + 1)]
    shards = [str(host.shard) for host in hosts.hosts]
    shard = f"transform(place, [{', '.join(places)}], [{', '.join(shards)}], 0)"
    which = "active AND database = {database:String} AND table = {table:String}"
    looked = yield from ask_hosts(
        hosts,
        f"SELECT toUInt64(uniqExactIf(({shard}, name), NOT startsWith(name, '{_PATCH}'))), "
        f"toUInt64(countIf(startsWith(name, '{_PATCH}'))) FROM (SELECT toInt64(_shard_num) AS place, name FROM "
        f"{hosts.everywhere('system.parts')} WHERE {which})",
        named,
    )
    sets = yield from ask_hosts(
        hosts,
        f"SELECT toJSONString(columns), toUInt64(count()) FROM (SELECT {shard} AS shard, name, "
        "arraySort(groupUniqArray(column)) AS columns FROM (SELECT toInt64(_shard_num) AS place, name, column FROM "
        f"{hosts.everywhere('system.parts_columns')} WHERE {which} AND NOT startsWith(name, '{_PATCH}') AND column NOT "
        "IN ('_block_number', '_block_offset')) GROUP BY shard, name) GROUP BY columns ORDER BY columns",
        named,
    )
    away = looked.away | sets.away
    # One replica of a shard is enough: all of them have the same parts, now or soon.
    answered = {host.shard for place, host in enumerate(hosts.hosts, 1) if place not in away}
    found = _counted(table, number(looked.rows[0][0]), number(looked.rows[0][1]) > 0, sets.rows)
    return replace(found, unseen=len(answered) < hosts.shards)


def _counted(table: str, parts: int, patched: bool, sets: Rows) -> PartColumns:
    together = tuple((frozenset[str](json.loads(text(row[0]))), number(row[1])) for row in sets)
    counts: Counter[str] = Counter()
    for names, count in together:
        # Parts with the same columns come as one row, with their number: a table may have thousands.
        counts.update(dict.fromkeys(names, count))
    return PartColumns(table, parts, counts, patched, tuple(names for names, _ in together))


def lacking(database: str, table: str, column: str) -> str:
    """A condition for rows of parts that do not hold the column."""
    where = (
        f"active AND database = {quote_string(database)} AND table = {quote_string(table)} AND column = "
        f"{quote_string(column)}"
    )
    # By name and at the moment of the query: a mutation that writes the column gives its part another name.
    return f"_part NOT IN (SELECT name FROM system.parts_columns WHERE {where})"
