"""How many rows tables have on each host: the one that is asked has its own only, and a table that is empty there may
be full elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.shared.ask_all import servers
from aaiclick.clickhouse.shared.ask_shards import silent_shards
from aaiclick.clickhouse.shared.cut_off import ask_uncut, cutting, require_uncut
from aaiclick.clickhouse.topology import LOOK, Topology
from aaiclick.plan.clusters.sizes import COUNTED, HostSizes
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.hex_text import hexed, hexed_list, unhexed

HAVE_ROWS = f"(engine LIKE '%MergeTree' OR engine IN ({', '.join(repr(name) for name in sorted(COUNTED))}))"
"""Of tables that hold rows themselves. Others count those of the tables that they stand before."""


def host_sizes(database: str, topology: Topology) -> Routine[Mapping[str, HostSizes]]:
    """Rows and bytes of the tables of a database on every host that answers.

    Raises PlanError where the profile of the user cuts off what a host answers: of what it does not say nobody would
    know.
    """
    rows = yield from ask_uncut(
        "SELECT toInt64(_shard_num), hex(name), toInt64(ifNull(total_rows, 0)), toInt64(ifNull(total_bytes, 0)), "
        f"toInt64(startsWith(engine, 'Replicated') OR startsWith(engine, 'Shared')) FROM "
        f"{topology.everywhere('system.tables')} WHERE database = unhex({{db:String}}) AND {HAVE_ROWS} UNION ALL "
        "SELECT toInt64(_shard_num), server, toInt64(0), toInt64(-1), toInt64(0) FROM "
        # Places count from 1: 0 is whoever was asked.
        f"{cutting(topology.cluster)} UNION ALL SELECT toInt64(0), toString(serverUUID()), toInt64(0), toInt64(-1), "
        "toInt64(0)",
        {"db": hexed(database)},
        LOOK,
    )
    servers_found = [(number(row[0]), text(row[1])) for row in rows if number(row[3]) < 0]
    here = next((server for place, server in servers_found if not place), "")
    labels = [host.label for host in topology.hosts]
    require_uncut(labels, (found for found in servers_found if found[0]), here)
    found: dict[str, dict[int, tuple[int, int]]] = {}
    plain: set[str] = set()
    for place, digits, count, size, shared in (row for row in rows if number(row[3]) >= 0):
        name = unhexed(text(digits))
        found.setdefault(name, {})[number(place)] = (number(count), number(size))
        if not number(shared):
            plain.add(name)
    # One host with a plain table of that name is enough: then rows may be on that host alone.
    sizes = {name: HostSizes(hosts, name not in plain) for name, hosts in found.items()}
    if topology.shards > 1:
        # Asked only where a host lacks a few rows of its shard: whether they are merely under way.
        nearly = sorted(name for name, each in sizes.items() if each.nearly(topology))
        if not nearly:
            return sizes
        delays = yield from _delays(database, nearly, topology)
        return {**sizes, **{name: replace(sizes[name], delays=delays.get(name, {})) for name in nearly}}
    doubtful = sorted(name for name, each in sizes.items() if topology.shards == 1 and each.may_lack(topology))
    if not doubtful:
        return sizes
    late = yield from _late(database, doubtful)
    return {**sizes, **{name: replace(sizes[name], late=late.get(name)) for name in doubtful}}


def _late(database: str, names: Sequence[str]) -> Routine[Mapping[str, int]]:
    """For how many seconds the oldest rows have been under way to this host, by table. Those that it cannot tell of are
    left out."""
    rows = yield from rows_or_refusal(
        Query(
            "SELECT hex(table), toInt64(absolute_delay) FROM system.replicas WHERE database = unhex({db:String}) AND "
            "has(splitByChar(',', {names:String}), hex(table)) AND NOT is_session_expired",
            {"db": hexed(database), "names": hexed_list(names)},
        )
    )
    found: dict[str, int] = {}
    for digits, seconds in rows or ():
        found[unhexed(text(digits))] = number(seconds)
    return found


def _delays(database: str, names: Sequence[str], topology: Topology) -> Routine[Mapping[str, Mapping[int, int]]]:
    """The same of all hosts, by table and the place of the host."""
    rows = yield from rows_or_refusal(
        Query(
            f"SELECT toInt64(_shard_num), hex(table), toInt64(absolute_delay) FROM "
            f"{topology.everywhere('system.replicas')} WHERE database = unhex({{db:String}}) AND "
            "has(splitByChar(',', {names:String}), hex(table)) AND NOT is_session_expired",
            {"db": hexed(database), "names": hexed_list(names)},
            LOOK,
        )
    )
    found: dict[str, dict[int, int]] = {}
    for place, digits, seconds in rows or ():
        name = unhexed(text(digits))
        found.setdefault(name, {})[number(place)] = number(seconds)
    return found


def with_all_rows(catalog: Catalog, sizes: Mapping[str, HostSizes], topology: Topology) -> Catalog:
    """The catalogue with the rows and bytes of all hosts."""
    objects = dict(catalog.objects)
    for name, live in catalog.objects.items():
        if name in sizes:
            shards = sizes[name].shards(topology).values()
            objects[name] = replace(live, rows=sum(rows for rows, _ in shards), bytes=sum(size for _, size in shards))
    return replace(catalog, objects=objects)


def unread(sizes: Mapping[str, HostSizes], topology: Topology) -> Routine[Mapping[str, str]]:
    """Tables of which no row may be read, and why: a host that would be asked has not all rows of its shard, or no host
    of a shard answers."""
    found = {name: lacks for name, each in sizes.items() if (lacks := each.lacking(topology))}
    if topology.shards > 1:
        shards = {name: topology if each.replicated else topology.apart for name, each in sizes.items()}
        doubtful = [name for name, of in shards.items() if silent_shards(of, frozenset(sizes[name].hosts))]
        # A host that has no table of that name may answer all the same.
        answered_now = frozenset((yield from servers(topology))) if doubtful else frozenset[int]()
        found |= {name: silent for name in doubtful if (silent := silent_shards(shards[name], answered_now))}
    return found
