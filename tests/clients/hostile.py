"""The life of a small database, from a fresh start to the way back, told in words: whoever's settings it is lived
under, it reads the same.

``client`` carries the settings under test; ``raw`` runs a statement without any and answers with its text. Rows are put
in and read by ``raw``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aaiclick import (
    Column,
    Index,
    MergeTree,
    Migration,
    Policy,
    Projection,
    Rebuild,
    ReplacingMergeTree,
    Schema,
    Table,
    View,
    ensure_schema,
    rollback_schema,
    validate_schema,
)

Raw = Callable[[str], str]
EVERYTHING = Policy.everything()

_ORDERS = (
    Column("id", "UInt64"),
    Column("name", "Nullable(String)"),
    Column("at", "DateTime"),
    Column("qty", "UInt32"),
    Column("tags", "Map(String, Array(UInt8))"),
)
_NESTED = Column("n", "Nested(a UInt8, b String)")
_TOTALS = View(
    "totals",
    query="SELECT o.id AS id, l.word AS word, toString(o.at) AS at FROM orders AS o LEFT JOIN log AS l ON l.id = o.id",
)


def _log(engine: MergeTree) -> Table:
    return Table("log", [Column("id", "UInt64"), Column("word", "String")], engine=engine)


def _orders(*columns: Column, order_by: list[str], **more: object) -> Table:
    return Table("orders", [*columns], engine=MergeTree(order_by=order_by, partition_by="toYYYYMM(at)"), **more)  # type: ignore[arg-type]


ONE = Schema("shop", version=1, objects=[_orders(*_ORDERS, order_by=["id"]), _log(MergeTree(order_by="id")), _TOTALS])
# An ALTER of the metadata (a column, an index) and one that rewrites (a wider type).
_WIDE = (
    *_ORDERS[:3],
    Column("qty", "UInt64"),
    _ORDERS[4],
    Column("extra", "String", default="concat(toString(id), '-', toString(at))"),
    _NESTED,
)
TWO = Schema(
    "shop",
    version=2,
    objects=[
        _orders(
            *_WIDE, order_by=["id"], indexes=[Index("by_name", expr="name", type="bloom_filter(0.01)", granularity=1)]
        ),
        _log(MergeTree(order_by="id")),
        _TOTALS,
    ],
)
# A copy by an expression, and parts that are carried over.
THREE = Schema(
    "shop",
    version=3,
    objects=[
        _orders(
            *_WIDE,
            order_by=["at", "id"],
            projections=[Projection("by_day", "SELECT toDate(at), count() GROUP BY toDate(at)")],
        ),
        _log(ReplacingMergeTree(order_by="id")),
        _TOTALS,
    ],
    migrations=[
        Migration(version=2, title="wider"),
        Migration(
            version=3,
            title="another order",
            rebuild={"orders": Rebuild(columns={"name": "if(name IN ('n1', NULL), 'one', name)"})},
        ),
    ],
)


def fill(raw: Raw) -> None:
    """Two parts in each of three partitions, rows that a lightweight delete hides, rows that an UPDATE has changed,
    equal rows."""
    for half in (0, 1):
        raw(
            "INSERT INTO orders SELECT number AS id, if(number % 3 = 0, NULL, concat('n', toString(number))) AS name,"
            " toDateTime('2026-01-15 23:30:00') + number * 86400 AS at, number AS qty, map('k', [1, 2], 'l', [number "
            "% 7]) AS tags"
            f" FROM numbers({half * 40}, 40)"
        )
        raw(
            "INSERT INTO log SELECT number % 50 AS id, concat('w', toString(number)) AS word FROM "
            f"numbers({half * 40}, 40)"
        )
    raw("DELETE FROM orders WHERE id % 10 = 3")
    raw("DELETE FROM log WHERE word = 'w7'")


def live(client: object, raw: Raw) -> Iterator[tuple[str, str]]:
    """Every step and what it left, as text."""
    yield "fresh", _told(ensure_schema(client, ONE, EVERYTHING), raw)
    yield "warm", _told(ensure_schema(client, ONE, Policy.check()), raw)
    fill(raw)
    yield "filled", _told(ensure_schema(client, ONE, Policy.check()), raw)
    yield "alter, mutate", _told(ensure_schema(client, TWO, EVERYTHING), raw)
    yield "rebuild, attach", _told(ensure_schema(client, THREE, EVERYTHING), raw)
    status = validate_schema(client, THREE)
    yield (
        "status",
        (
            f"{status.state} {status.differences} {status.notes} "
            f"{[(kept.table, kept.rows) for kept in status.kept_tables]}"
        ),
    )
    raw("INSERT INTO orders (id, name, at, qty) VALUES (1000, 'late', '2026-02-02 00:00:00', 5)")
    yield "rollback", _told(rollback_schema(client, THREE, to=2), raw)
    yield "forward", _told(ensure_schema(client, THREE, EVERYTHING), raw)


def _told(report: object, raw: Raw) -> str:
    # Of equal keys the row that came last stays, now or after a merge.
    last = "max(toUInt32OrZero(substring(ifNull(word, ''), 2)))"
    asked = (
        "* FROM orders ORDER BY id, at",
        f"id, {last} FROM log GROUP BY id ORDER BY id",
        f"id, {last}, any(at) FROM totals GROUP BY id ORDER BY id",
    )
    rows = "\n".join(raw(f"SELECT {each}") for each in asked)
    shown = raw(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() AND name IN "
        "('orders', 'log', 'totals') ORDER BY name"
    )
    strange = raw(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND name NOT LIKE '\\_aaiclick\\_%old%' "
        "AND name LIKE '\\_aaiclick%'"
        " AND name NOT LIKE '%lock%' ORDER BY name"
    )
    steps = getattr(report, "steps", ())
    return (
        f"{getattr(report, 'in_sync', None)} "
        f"{[(step.object, step.strategy) for step in steps]}\n{rows}\n{shown}\n{strange}"
    )
