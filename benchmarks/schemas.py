"""What is declared in the benchmarks."""

from __future__ import annotations

from aaiclick import Column, Index, MergeTree, Schema, Table


def small_schema(count: int) -> Schema:
    """Tables of ten columns with an index, each a little different."""
    return Schema("bench", version=1, objects=[_table(f"t{place:05}", f"c{place}") for place in range(count)])


def _table(name: str, own: str) -> Table:
    columns = [
        Column("id", "UInt64"),
        Column("kind", "LowCardinality(String)"),
        Column("created_at", "DateTime64(3, 'UTC')"),
        Column("value", "Float64", default="0"),
        Column("text", "String", codec="ZSTD(3)", comment="what was said"),
        *(Column(f"more{place}", "String") for place in range(4)),
        Column(own, "UInt32"),
    ]
    index = Index("by_text", expr="text", type="bloom_filter(0.01)", granularity=1)
    return Table(
        name,
        columns,
        engine=MergeTree(order_by=["kind", "created_at"], partition_by="toYYYYMM(created_at)"),
        indexes=[index],
    )


def plain_schema(count: int, version: int, changed: int = 0) -> Schema:
    """Tables that a program has made: alike but for their names; the last ``changed`` of them with a column more."""
    columns = [
        Column("id", "UInt64"),
        Column("kind", "LowCardinality(String)"),
        Column("created_at", "DateTime64(3, 'UTC')"),
        Column("value", "Float64", default="0"),
    ]
    engine = MergeTree(order_by=["kind", "created_at"])
    tables = [
        Table(
            f"t{place:05}", columns if place < count - changed else [*columns, Column("more", "String")], engine=engine
        )
        for place in range(count)
    ]
    return Schema("many", version=version, objects=tables)


_COPIED = [
    Column("id", "UInt64"),
    Column("result_table", "LowCardinality(String)"),
    Column("operation", "LowCardinality(String)"),
    Column("run_id", "Nullable(UInt64)"),
    Column("args", "String"),
    Column("task", "UInt32"),
    Column("value", "Float64"),
    Column("day", "Date"),
    Column("created_at", "DateTime64(3, 'UTC')"),
    Column("status", "Enum8('a' = 1, 'b' = 2)"),
]


def copied(version: int, *, sorted_by_table: bool = False, replacing: bool = False) -> Schema:
    """The table of the benchmarks with rows."""
    from aaiclick.specs import ReplacingMergeTree

    keys = ["result_table", "created_at"] if sorted_by_table else ["created_at"]
    engine = (ReplacingMergeTree if replacing else MergeTree)(order_by=keys, partition_by="toYYYYMM(day)")
    return Schema("rows", version=version, objects=[Table("t", _COPIED, engine=engine)])


FILL = """
INSERT INTO t SELECT number, concat('table_', toString(cityHash64(number) % 2000)), concat('op', toString(number % 17)),
    if(number % 5 = 0, NULL, intDiv(number, 1000)), concat('arg ', toString(sipHash64(number)), ' ', toString(number % 1000)),
    number % 100000, number / 7, toDate('2025-01-01') + intDiv(number * 120, {rows}),
    toDateTime64('2025-01-01 00:00:00', 3, 'UTC') + number * 0.002, if(number % 3 = 0, 'a', 'b')
FROM numbers({first}, {count})
"""
