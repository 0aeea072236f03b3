"""Tables drawn at random, from what ClickHouse lets a MergeTree table say."""

from __future__ import annotations

from hypothesis import strategies as st

from aaiclick.specs.columns import Column, Constraint, Index, Projection
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.tables import Table

TYPES = (
    "UInt8",
    "UInt32",
    "UInt64",
    "Int64",
    "Float64",
    "String",
    "LowCardinality(String)",
    "Nullable(String)",
    "Nullable(UInt32)",
    "Date",
    "DateTime64(3, 'UTC')",
    "Array(String)",
    "Map(String, UInt64)",
    "Enum8('a' = 1, 'b' = 2)",
    "Tuple(x UInt8, y String)",
    "UUID",
    "Decimal(18, 4)",
)
KEYS = ("UInt8", "UInt32", "UInt64", "Int64", "String", "LowCardinality(String)", "Date", "UUID")
WIDER = {
    "UInt8": ("UInt32", "UInt64", "String"),
    "UInt32": ("UInt64", "String"),
    "String": ("LowCardinality(String)", "Nullable(String)"),
    "Nullable(UInt32)": ("Nullable(String)",),
}
NAMES = ("a", "b", "c d", "e`f", "g.h", "it's", "ü", "select")


@st.composite
def columns(draw: st.DrawFn, name: str, types: tuple[str, ...] = TYPES) -> Column:
    """One column with everything said explicitly."""
    kind = draw(st.sampled_from(types))
    return Column(
        name,
        kind,
        default=draw(st.sampled_from((None, f"defaultValueOfTypeName('{kind}')"))) if "'" not in kind else None,
        codec=draw(st.sampled_from((None, "ZSTD(3)", "LZ4"))),
        comment=draw(st.sampled_from((None, "it's", "two\nlines", "ü \\ `"))),
        ttl=None,
    )


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A table ``t`` with keys ``k1`` (and ``k2``) that are always there, and any other columns in any order."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5))
    keys = [draw(columns("k1", ("UInt32",))), draw(columns("k2", KEYS)), draw(columns("day", ("Date",)))]
    body = draw(st.permutations([*keys, *(draw(columns(name)) for name in names)]))
    order = draw(st.sampled_from((["k1"], ["k2", "k1"], ["k1", "k2"], ["k1", "toYear(day)"])))
    return Table(
        "t",
        list(body),
        engine=MergeTree(
            order_by=order,
            partition_by=draw(st.sampled_from((None, "toYYYYMM(day)", "day"))),
            primary_key=None,
            sample_by=None,
            ttl=draw(st.sampled_from((None, "day + toIntervalYear(200)"))),
            settings=draw(st.sampled_from(({}, {"index_granularity": 1024}, {"min_bytes_for_wide_part": 0}))),
        ),
        indexes=draw(
            st.sampled_from(
                (
                    [],
                    [Index("ix", expr="k1", type="minmax", granularity=1)],
                    [Index("ix", expr="k2", type="bloom_filter(0.01)", granularity=2)],
                )
            )
        ),
        projections=draw(st.sampled_from(([], [Projection("pj", "SELECT day, count() GROUP BY day")]))),
        constraints=draw(st.sampled_from(([], [Constraint("ck", check="day >= '1970-01-01'")]))),
        comment=draw(st.sampled_from((None, "a 'table'"))),
    )


@st.composite
def successors(draw: st.DrawFn, before: Table) -> Table:
    """Another table whose columns of the same name either keep their type or get one that holds every value."""
    after = draw(tables())
    old = {column.name: column for column in before.columns}
    changed: list[Column] = []
    for column in after.columns:
        was = old.get(column.name)
        kind = column.type if was is None else draw(st.sampled_from((was.type, *WIDER.get(was.type, ()))))
        if column.name in ("k1", "k2", "day") and kind.startswith("Nullable"):
            kind = was.type if was else kind
        fields = {**column.model_dump(exclude_unset=True), "type": kind, "default": None}
        changed.append(Column(**fields))
    return after.model_copy(update={"columns": changed})
