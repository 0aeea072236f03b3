"""Tables of a cluster that are copied, and what has to hold of them afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from aaiclick import Column, Engine, MergeTree, Policy, Schema, Table
from tests.cluster.places import Place

DROPPED = Policy.lossless(keep_old=timedelta(0))
"""Old tables go at once."""
KILLED = "copies and rollbacks on clusters, tables that become replicated, killed at every point or every few"
"""The part of the long proofs that counts kills."""
REMAINS = (
    "SELECT name FROM system.tables WHERE database = '{db}' AND match(name, '^_aaiclick_(new|taken|stage|old)_') UNION ALL "
    "SELECT name FROM system.databases WHERE name LIKE '_aaiclick_staged_%' UNION ALL SELECT name FROM "
    "(SELECT name, argMax(body, seq) AS last FROM {home}._aaiclick_notes GROUP BY name) WHERE last != '' AND "
    "name LIKE '_aaiclick_mark_%'"
)
SETTINGS_LEFT = (
    "SELECT count() FROM system.tables WHERE database = '{db}' AND name = 'events' AND (create_table_query LIKE "
    "'%_aaiclick_%' OR create_table_query LIKE '%max_bytes_to_merge%' OR create_table_query LIKE '%_window%')"
)
PARTS = (
    "SELECT partition_id, name, rows, hash_of_all_files FROM system.parts WHERE database = '{db}' AND table = 'events' "
    "AND active ORDER BY ALL"
)


def table(
    order_by: Sequence[str] = ("id",), v: str = "UInt32", partition_by: str | None = None, **settings: Any
) -> Table:
    engine = MergeTree(order_by=list(order_by), partition_by=partition_by, replicated="", settings=settings)
    return Table("events", [Column("id", "UInt64"), Column("v", v), Column("s", "String")], engine=engine)


def turned(version: int, place: Place) -> Schema:
    """Another sort key and another type in each version."""
    return place.schema(version, [table(("id",), "UInt32") if version % 2 else table(("v", "id"), "UInt64")])


def regrained(version: int, place: Place) -> Schema:
    """Another granularity in each version, for which the parts are taken over."""
    return place.schema(version, [table(index_granularity=1024 if version % 2 else 4096)])


def rekeyed(version: int, place: Place) -> Schema:
    """Another sort key in each version, for which no row has to be looked at."""
    return place.schema(version, [table(("id",) if version % 2 else ("v", "id"))])


def paired(place: Place, version: int, local: Table, *columns: Column, by: str = "id") -> Schema:
    """A table of each shard, with the Distributed one over it, which has these columns."""
    engine = Engine("Distributed", f"'{place.cluster.name}', '{place.database}', 'events', {by}")
    return place.schema(version, [Table("events_all", list(columns or local.columns), engine=engine), local])


def fill(place: Place, rows: int = 300) -> None:
    """The same number of rows by every host, in several inserts, some of them equal to others but for their ids."""
    for number, host in enumerate(place.cluster.hosts):
        for part in range(3):
            first = (3 * number + part) * rows
            host.q(
                f"INSERT INTO {place.database}.events (id, v, s) SELECT {first} + number, number % 7, "
                f"toString(number % 5) FROM numbers({rows})"
            )


def home(place: Place) -> str:
    """The database with the notes."""
    return place.database if place.named else f"_aaiclick_books_{place.database}"


def is_whole(place: Place, rows: int, kept: int | None = 0) -> None:
    """Every row once on every host of one shard, the same parts there, nothing left of a copy but old tables that are
    kept (None: any number)."""
    db, found, ids = place.database, 0, set[int]()
    place.cluster.sync(f"{db}.events")
    counted = f"SELECT count(), uniqExact(id), sum(id), sum(cityHash64(id, toUInt64(v), s)) FROM {db}.events"
    for shard in range(1, place.cluster.shards + 1):
        hosts = [host for host in place.cluster.hosts if host.shard == shard]
        count, different, *_ = place.cluster.same(counted, hosts)[0]
        assert count == different
        found += count
        place.cluster.same(PARTS.format(db=db), hosts)
        if place.cluster.shards > 1:
            ids.update(number for (number,) in hosts[0].rows(f"SELECT id FROM {db}.events"))
    assert found == rows
    assert len(ids) in (0, rows)
    left = place.cluster.same(REMAINS.format(db=db, home=home(place)))
    assert [name for (name,) in left if not name.startswith("_aaiclick_old_")] == []
    assert kept is None or len(left) == kept
    assert place.cluster.same(SETTINGS_LEFT.format(db=db)) == [[0]]
