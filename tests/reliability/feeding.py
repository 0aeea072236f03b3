"""Views that are put in place over a table with rows: what each case begins with, where it goes, and what must be true
afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aaiclick import Column, MaterializedView, MergeTree, Policy, Schema, Table
from aaiclick.aggregates import Aggregate, GroupKey, Measure, rollup

NUMBERS: dict[str, str | Measure] = {"rows": "count()", "total": Measure("sum(k + 0)", "UInt64")}
LATER: dict[str, str | Measure] = {**NUMBERS, "seen": "uniqExact(k)"}


def raw(database_key: str = "k") -> Table:
    return Table(
        "t",
        [Column("k", "UInt64"), Column("p", "UInt8"), Column("v", "String")],
        engine=MergeTree(order_by=database_key, partition_by="p"),
    )


def aggregated(version: int, measures: dict[str, str | Measure] | None = None) -> Schema:
    """Without measures the raw table alone."""
    if measures is None:
        return Schema("fed", version=version, objects=[raw()])
    made = Aggregate(
        "sums", by={"p": "p", "bucket": GroupKey("intDiv(k, 1000)", "UInt64")}, measures=measures, reader="sums_read"
    )
    return Schema("fed", version=version, objects=rollup(raw(), made))


def viewed(version: int, to: str) -> Schema:
    target = [Table(name, [Column("k", "UInt64")], engine=MergeTree(order_by="k")) for name in ("one", "two")]
    return Schema(
        "fed", version=version, objects=[raw(), *target, MaterializedView("feed", query="SELECT k FROM t", to=to)]
    )


def filled(version: int, own: bool, view: bool = True) -> Schema:
    """A view of one table that is brought up to date when it is made, with a table of its own or a target."""
    engine = MergeTree(order_by="k", partition_by="p")
    query = "SELECT k, p FROM t WHERE k != 77777"
    target = [] if own else [Table("one", [Column("k", "UInt64"), Column("p", "UInt8")], engine=engine)]
    made = (
        MaterializedView("feed", query=query, backfill=True, engine=engine)
        if own
        else MaterializedView("feed", query=query, backfill=True, to="one")
    )
    return Schema("fed", version=version, objects=[raw(), *target, *([made] if view else [])])


def taken(version: int, name: str, condition: str) -> Schema:
    """A view of a target of its own that is filled; the one whose place it takes has written nothing into that."""
    engine = MergeTree(order_by="k", partition_by="p")
    target = Table("one", [Column("k", "UInt64"), Column("p", "UInt8")], engine=engine)
    view = MaterializedView(name, query=f"SELECT k, p FROM t WHERE {condition}", backfill=True, to="one")
    return Schema("fed", version=version, objects=[raw(), target, view])


@dataclass(frozen=True)
class Feeding:
    """``counts``: a query whose two answers must be equal; ``allow``: hazards by name."""

    before: Callable[[int], Schema]
    after: Callable[[int], Schema]
    counts: tuple[str, str]
    allow: tuple[str, ...] = ()

    @property
    def policy(self) -> Policy:
        return Policy.lossless().allow(*self.allow)


TOTALS = ("SELECT count(), sum(k) FROM t", "SELECT sum(rows), sum(total) FROM sums_read")
SEEN = ("SELECT count(), sum(k), uniqExact(k) FROM t", "SELECT sum(rows), sum(total), sum(seen) FROM sums_read")
FEEDINGS = {
    "aggregate": Feeding(aggregated, lambda v: aggregated(v, NUMBERS), TOTALS),
    "measure": Feeding(lambda v: aggregated(v, NUMBERS), lambda v: aggregated(v, LATER), SEEN),
    "anew": Feeding(
        lambda v: aggregated(v, {**NUMBERS, "total": Measure("sum(k + 1)", "UInt64")}),
        lambda v: aggregated(v, NUMBERS),
        TOTALS,
        ("rebuild-aggregate sums",),
    ),
    "backfilled": Feeding(
        lambda v: filled(v, own=False, view=False),
        lambda v: filled(v, own=False),
        ("SELECT count(), sum(k) FROM t", "SELECT count(), sum(k) FROM one"),
    ),
    "owned": Feeding(
        lambda v: filled(v, own=True, view=False),
        lambda v: filled(v, own=True),
        ("SELECT count(), sum(k) FROM t", "SELECT count(), sum(k) FROM feed"),
    ),
    "replaced": Feeding(
        lambda v: viewed(v, "one"),
        lambda v: viewed(v, "two"),
        ("SELECT count(), sum(k) FROM t", "SELECT count(), sum(k) FROM merge('one|two')"),
    ),
    "taken": Feeding(
        lambda v: taken(v, "old_feed", "k = 77777"),
        lambda v: taken(v, "feed", "k != 77777"),
        ("SELECT count(), sum(k) FROM t", "SELECT count(), sum(k) FROM one"),
        ("drop-view old_feed",),
    ),
}
