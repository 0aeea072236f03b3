"""Tables with enough rows for a run to be killed in the middle of, and how to see that every row is there once."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.oplog import OPLOG
from aaiclick.specs.engines import ReplacingMergeTree

PARTS = 6


@dataclass(frozen=True)
class Case:
    """``target`` is what a table ``t`` (k, p, v) is brought to; ``fingerprint`` must not change; ``seconds`` is about
    what a run takes."""

    target: Schema
    rows: int
    fingerprint: str = "count(), uniqExact(k), sum(cityHash64(tuple(toUInt64(k), p, v)))"
    allow: tuple[str, ...] = ()
    seconds: float = 1.5
    old: str = ""


def _schema(engine: MergeTree, k: str = "UInt64", v: str = "String") -> Schema:
    columns = [Column("k", k), Column("p", "UInt8"), Column("v", v)]
    return Schema("large", version=2, objects=[Table("t", columns=columns, engine=engine)])


OLD = (
    "CREATE TABLE t (k UInt64, p UInt8, v String) ENGINE = MergeTree PARTITION BY p ORDER BY k SETTINGS "
    "old_parts_lifetime = 10"
)
FILL = "INSERT INTO t SELECT number + {first}, number % 3, toString(cityHash64(number)) FROM numbers({count})"
MORE: dict[str, str | int | float | bool | None] = {"old_parts_lifetime": 10}
TWELVE = "intDiv(k, 100000)"
CASES = {
    "rebuild": Case(_schema(MergeTree(order_by=["v", "k"], partition_by="p", settings=MORE)), 1_200_000, seconds=2.0),
    # One part to a partition: the same chunks in every run, whatever is merged.
    "chunks": Case(
        _schema(MergeTree(order_by=["v", "k"], partition_by=TWELVE, settings=MORE)),
        1_200_000,
        old=OLD.replace("PARTITION BY p", f"PARTITION BY {TWELVE}"),
    ),
    "attach": Case(
        _schema(ReplacingMergeTree(order_by="k", partition_by="p", settings=MORE)),
        600_000,
        allow=("change-engine t",),
        seconds=0.9,
    ),
    "mutate": Case(
        _schema(MergeTree(order_by="k", partition_by="p", settings=MORE), v="LowCardinality(String)"),
        1_500_000,
        seconds=1.0,
    ),
    "legacy": Case(OPLOG, 0),
}


def filling(case: str) -> list[str]:
    """The statements that make and fill the table."""
    each = CASES[case].rows // PARTS
    return [CASES[case].old or OLD, *(FILL.format(first=part * each, count=each) for part in range(PARTS))]
