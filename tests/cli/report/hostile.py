"""A schema whose names and comments would be a script on a careless page."""

from __future__ import annotations

from aaiclick import Column, Dictionary, MaterializedView, MergeTree, Schema, Table, View

SCRIPT = "<script>alert(1)</script>"
COMMENTS = (
    '"><img src=http://203.0.113.1/x onerror=alert(2)>',
    "</style><script>alert(3)</script>",
    "' onclick='alert(4)",
)
LONG = f"long_{'x' * 150}"
VIEW = "seen</title><script>alert(5)</script>"


def _table(key: str, *more: Column) -> Table:
    columns = [Column("id", "UInt64", comment=COMMENTS[1]), Column("a&b", "String", comment=COMMENTS[2])]
    return Table(SCRIPT, [*columns, *more], engine=MergeTree(order_by=[key]), comment=COMMENTS[0])


def _schema(version: int, table: Table) -> Schema:
    kept = Table("kept", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))
    more = [Column("note", "String")] if version == 2 else []
    long = Table(LONG, [Column("id", "UInt64"), *more], engine=MergeTree(order_by=["id"]))
    view = MaterializedView(VIEW, to="kept", query=f"SELECT id FROM `{SCRIPT}`", comment=COMMENTS[0])
    shown = View("shown", query="SELECT id FROM kept")
    lookup = Dictionary(
        "lookup", columns=[Column("id", "UInt64")], primary_key=["id"], source="CLICKHOUSE(TABLE 'kept')", lifetime="0"
    )
    return Schema("hostile", version=version, objects=[table, kept, view, shown, lookup, long])


V1 = _schema(1, _table("id"))
V2 = _schema(2, _table("`a&b`", Column("new", "String", default="'</pre><script>alert(6)</script>'")))
