"""Materialized views that are put in place on a cluster, and what has to hold of them afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick import Column, MaterializedView, MergeTree, Schema, Table
from aaiclick.aggregates import Aggregate, Measure, rollup
from aaiclick.specs.columns import SettingValue
from aaiclick.specs.schema import SchemaObject
from tests.cluster.copies import home, table
from tests.cluster.places import Place

EVERY_ROW = "SELECT v, s, count() FROM {db}.{table} GROUP BY ALL ORDER BY ALL"
LEFT = (
    "SELECT name FROM system.databases WHERE name LIKE '_aaiclick_staged_%' UNION ALL SELECT name FROM (SELECT name, "
    "argMax(body, seq) AS last FROM {home}._aaiclick_notes GROUP BY name) WHERE last != '' AND "
    "name LIKE '_aaiclick_feed_%'"
)
SETTINGS_LEFT = (
    "SELECT groupArray(name) FROM system.tables WHERE database = '{db}' AND NOT startsWith(name, '_aaiclick_') AND name "
    "!= 'schema_version' AND "
    "(create_table_query LIKE '%_aaiclick_%' OR create_table_query LIKE '%max_bytes_to_merge%' OR create_table_query "
    "LIKE '%deduplication_window%')"
)
TARGET = Table(
    "copied",
    [Column("v", "UInt32"), Column("s", "String")],
    engine=MergeTree(order_by=["v"], partition_by="v % 3", replicated=""),
)


def followed(version: int, place: Place, number: int = 0, *, view: bool = True, window: int | None = None) -> Schema:
    """A view that takes on each row without its id, so that rows of different INSERTs are equal. ``number``: stands in
    its name, and in that of its target. ``window``: so many INSERTs its target remembers, for ten minutes."""
    made: list[SchemaObject] = [table(partition_by="id % 2")]
    if view:
        to = f"copied{number or ''}"
        feed = MaterializedView(f"feed{number or ''}", query="SELECT v, s FROM events", to=to, backfill=True)
        names = ("replicated_deduplication_window", "replicated_deduplication_window_seconds")
        given = zip(names, (window, 600), strict=True) if window is not None else ()
        settings: dict[str, SettingValue] = dict(given)
        engine = MergeTree(order_by=["v"], partition_by="v % 3", replicated="", settings=settings)
        made += [Table(to, list(TARGET.columns), engine=engine), feed]
    return place.schema(version, made)


def summed(version: int, place: Place, **measures: str | Measure) -> Schema:
    """Aggregates of the same table."""
    made = Aggregate("sums", by=["s"], measures={"rows": "count()", **measures}, reader="read", replicated="")
    return place.schema(version, rollup(table(partition_by="id % 2"), made))


def is_filled(place: Place, target: str = "copied", window: int | None = None) -> None:
    """On every host of a shard the target has what the view makes of each row of that shard, once; nothing is left of
    the fill. ``window``: what the target is declared with."""
    db = place.database
    place.cluster.sync(f"{db}.events")
    place.cluster.sync(f"{db}.{target}")
    for shard in range(1, place.cluster.shards + 1):
        hosts = [host for host in place.cluster.hosts if host.shard == shard]
        rows = place.cluster.same(EVERY_ROW.format(db=db, table="events"), hosts)
        assert rows
        assert place.cluster.same(EVERY_ROW.format(db=db, table=target), hosts) == rows
    nothing_left(place, () if window is None else (target,))


def nothing_left(place: Place, windowed: Sequence[str] = ()) -> None:
    """No staging table, no note, no setting of ours. ``windowed``: tables that are declared with a window."""
    left = place.cluster.same(LEFT.format(home=home(place)))
    assert left == []
    assert place.cluster.same(SETTINGS_LEFT.format(db=place.database)) == [[list(windowed)]]
