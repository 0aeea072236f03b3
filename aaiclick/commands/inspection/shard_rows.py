"""How many rows tables have on each shard: the host that is asked has those of its own only, and a table that is empty
there may be full elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aaiclick.catalog.forms import Catalog
from aaiclick.clickhouse.topology import LOOK, Topology
from aaiclick.plan.clusters.copies import ShardSizes
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.hex_text import hexed


def shard_sizes(database: str, topology: Topology) -> Routine[Mapping[str, ShardSizes]]:
    """Rows and bytes of the tables of a database, by the number of the shard. Of the replicas of a shard the one
    counts that has most."""
    rows = yield Query(
        "SELECT toInt64(_shard_num), hex(name), toInt64(total_rows), toInt64(ifNull(total_bytes, 0)) FROM "
        f"{topology.everywhere('system.tables')} WHERE database = unhex({{db:String}}) AND total_rows IS NOT NULL AND "
        "engine LIKE '%MergeTree'",
        {"db": hexed(database)},
        LOOK,
    )
    found: dict[str, dict[int, tuple[int, int]]] = {}
    for place, digits, count, size in rows:
        name = bytes.fromhex(text(digits)).decode("utf-8", "surrogateescape")
        shards, shard = found.setdefault(name, {}), topology.at(number(place)).shard
        shards[shard] = max(shards.get(shard, (0, 0)), (number(count), number(size)))
    return found


def with_all_rows(catalog: Catalog, sizes: Mapping[str, ShardSizes]) -> Catalog:
    """The catalogue with the rows and bytes of all shards."""
    objects = {
        name: replace(
            live,
            rows=sum(rows for rows, _ in sizes[name].values()),
            bytes=sum(size for _, size in sizes[name].values()),
        )
        if name in sizes
        else live
        for name, live in catalog.objects.items()
    }
    return replace(catalog, objects=objects)
