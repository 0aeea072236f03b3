"""A table in three versions; what reads it makes the copy of the third a fenced one."""

from __future__ import annotations

from aaiclick import Column, MaterializedView, MergeTree, Schema, Table

COLUMNS = [Column("a", "UInt64"), Column("b", "String"), Column("note", "String")]
SEEN = Table("seen", [Column("a", "UInt64")], engine=MergeTree(order_by=["a"]))
VIEW = MaterializedView("seen_mv", to="seen", query="SELECT a FROM t")


def table(key: str, *more: Column) -> Table:
    return Table("t", [*COLUMNS, *more], engine=MergeTree(order_by=[key]))


V1 = Schema("shop", version=1, objects=[table("a")])
V2 = Schema("shop", version=2, objects=[table("a"), SEEN, VIEW])
V3 = Schema("shop", version=3, objects=[table("b"), SEEN, VIEW])
