"""Random tables, with rows."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.fuzz import expressions as ex
from tests.fuzz.kinds import KEYS, labelled, random_type
from tests.fuzz.schema import Batch, Column, Constraint, Engine, Index, Projection, Table
from tests.fuzz.types import INTEGERS, Type, holds, plain, quoted
from tests.fuzz.values import literal

NAMES = ("a", "b", "c d", "e`f", "it's", "ü", "select", "v", "w", "x1", "back\\slash", "g.h")
COMMENTS = ("", "", "", "plain", "it's", "two\nlines", "ü \\ `")
CODECS = ("", "", "", "ZSTD(3)", "LZ4", "NONE")
SPECIAL = (
    "ReplacingMergeTree",
    "SummingMergeTree",
    "AggregatingMergeTree",
    "CollapsingMergeTree",
    "VersionedCollapsingMergeTree",
    "CoalescingMergeTree",
)
QUIET = (("max_bytes_to_merge_at_max_space_in_pool", "1"), ("allow_nullable_key", "1"))
"""No merge in the background: when it comes would decide what a read without FINAL shows."""


def random_table(rng: Random, name: str, size: int | None = None) -> Table:
    """A table with its key column ``k``, and up to five more."""
    special = rng.choice(SPECIAL) if rng.random() < 0.35 else "MergeTree"
    columns = [Column("k", rng.choice(KEYS) if rng.random() < 0.7 else plain("UInt64"))]
    names = rng.sample(NAMES, size if size is not None else rng.randint(1, 4))
    for extra in names:
        columns.append(random_column(rng, extra, columns, special))
    if rng.random() < 0.05:
        columns += [Column(f"n.{part}", Type("Array", (rng.choice(KEYS),))) for part in ("p", "q")]
    engine, more = random_engine(rng, special, columns)
    columns += more
    table = Table(name, tuple(columns), engine)
    table = _keys(rng, table)
    return _decorated(rng, table)


def random_column(rng: Random, name: str, others: list[Column], engine: str) -> Column:
    kind = labelled(rng) if rng.random() < 0.12 else random_type(rng)
    if name == "g.h" and kind.name == "Array":
        kind = plain("String")  # an array under such a name is a part of a Nested
    while engine == "AggregatingMergeTree" and rng.random() < 0.5 and not kind.name.endswith("AggregateFunction"):
        kind = rng.choice(
            (Type("SimpleAggregateFunction", (plain("UInt64"),), params=(rng.choice(("sum", "max")),)), kind)
        )
    if kind.name == "SimpleAggregateFunction" and engine != "AggregatingMergeTree" and rng.random() < 0.7:
        kind = kind.args[0]
    default, expr = ("", "")
    if rng.random() < 0.30 and kind.name != "AggregateFunction":
        default, expr = ex.default(rng, kind, others)
    return Column(
        name,
        kind,
        default,
        expr,
        codec=rng.choice(CODECS) if default not in {"ALIAS", "EPHEMERAL"} else "",
        comment=rng.choice(COMMENTS),
        late=rng.random() < 0.15 or any(other.late and quoted(other.name) in expr for other in others),
    )


def random_engine(rng: Random, name: str, columns: list[Column]) -> tuple[Engine, list[Column]]:
    """The engine with the columns of its roles."""
    version = Column("ver", plain(rng.choice(("UInt64", "UInt32", "DateTime"))))
    sign = Column("sign", plain("Int8"))
    match name:
        case "ReplacingMergeTree":
            dice = rng.random()
            if dice < 0.35:
                return Engine(name), []
            if dice < 0.75:
                return Engine(name, ("ver",)), [version]
            return Engine(name, ("ver", "gone")), [version, Column("gone", plain("UInt8"))]
        case "CollapsingMergeTree":
            return Engine(name, ("sign",)), [sign]
        case "VersionedCollapsingMergeTree":
            return Engine(name, ("sign", "ver")), [sign, version]
        case "SummingMergeTree":
            summed = [
                column.name
                for column in columns[1:]
                if column.type.name in {*INTEGERS, "Float64"} and column.insertable
            ]
            extra = [] if summed else [Column("total", plain("UInt64"))]
            return Engine(name, tuple(summed or ["total"]) if rng.random() < 0.4 else ()), extra
        case _:
            return Engine(name), []


def roles(table: Table) -> set[str]:
    """Columns that the engine names."""
    return set(table.engine.columns)


def _keys(rng: Random, table: Table) -> Table:
    usable = [column for column in table.columns if ex.may_be_key(column) and column.name not in roles(table)]
    chosen = [table.columns[0], *rng.sample(usable[1:], min(len(usable) - 1, rng.choice((0, 0, 1, 1, 2))))]
    order = [ex.key(rng, column) for column in chosen]
    if rng.random() < 0.12:
        order = [f"{part} DESC" if rng.random() < 0.6 else part for part in order]
    partition = (
        ex.partition(rng, rng.choice(usable))
        if (rng.random() < 0.35 and table.engine.name == "MergeTree") or rng.random() < 0.1
        else ""
    )
    primary = tuple(order[:1]) if len(order) > 1 and rng.random() < 0.2 and not order[0].endswith(" DESC") else ()
    settings: list[tuple[str, str]] = [("index_granularity", rng.choice(("2", "3", "8192")))]
    settings += [("min_bytes_for_wide_part", "0")] if rng.random() < 0.4 else []
    if any(part.endswith(" DESC") for part in order):
        settings.append(("allow_experimental_reverse_key", "1"))
        primary = ()
    settings += QUIET
    if rng.random() < 0.15:
        settings += [("enable_block_number_column", "1"), ("enable_block_offset_column", "1")]
    kept = tuple(
        _on_time(column) if column.name in {c.name for c in chosen} or partition else column for column in table.columns
    )
    sample = ""
    plain_order = tuple(part for part in order)
    if rng.random() < 0.04:
        plain_order, sample, primary = (*plain_order, ex.sampling()), ex.sampling(), ()
    return Table(
        table.name, kept, table.engine, plain_order, primary, partition, sample, settings=tuple(dict(settings).items())
    )


def _on_time(column: Column) -> Column:
    return replace(column, late=False)


def _decorated(rng: Random, table: Table) -> Table:
    """Indexes, projections, constraints, TTL, a comment."""
    there = [column for column in table.columns if not column.late and column.kind != "EPHEMERAL"]
    indexes = tuple(index(rng, f"ix{place}", rng.choice(there)) for place in range(rng.choice((0, 0, 0, 1, 1, 2))))
    projections: tuple[Projection, ...] = ()
    if rng.random() < 0.15 and table.engine.name == "MergeTree":
        projections = (projection(rng, table),)
    constraints: tuple[Constraint, ...] = ()
    if rng.random() < 0.12:
        constraints = (constraint(rng, rng.choice(there)),)
    ttl = ttl_over(rng, table) if rng.random() < 0.08 else ""
    return replace(
        table,
        indexes=tuple(item for item in indexes if item is not None),
        projections=projections,
        constraints=constraints,
        ttl=ttl,
        comment=rng.choice(COMMENTS) if rng.random() < 0.3 else "",
    )


def index(rng: Random, name: str, column: Column) -> Index | None:
    """A skip index over a column, or over an expression of it."""
    expr = ex.scalar(rng, column)
    constant = column.kind == "ALIAS" and "`" not in column.expr
    if (
        expr is None
        or constant
        or holds(column.type, "AggregateFunction", "SimpleAggregateFunction", "Variant", "Dynamic", "JSON")
    ):
        return None
    kinds = ["minmax", "set(0)", "bloom_filter(0.01)"]
    if expr == quoted(column.name) and (
        column.type.nullable or column.type.bare.name not in {*INTEGERS, "String", "Date", "DateTime", "FixedString"}
    ):
        kinds = ["minmax", "set(0)"]
    return Index(name, expr, rng.choice(kinds), rng.choice((1, 1, 2)))


def projection(rng: Random, table: Table) -> Projection:
    """An aggregate, or another order."""
    there = [column for column in table.columns if column.stored and not column.late and ex.may_be_key(column)]
    column = rng.choice(there)
    if rng.random() < 0.6:
        return _grouped(rng, column)
    return Projection("pj", f"SELECT * ORDER BY {quoted(column.name)}")


def _grouped(rng: Random, column: Column) -> Projection:
    key = ex.key(rng, column)
    return Projection("pj", f"SELECT {key}, count() GROUP BY {key}")


def constraint(rng: Random, column: Column) -> Constraint:
    """One that holds for every row; of NULL it holds neither that nor the contrary, and an ASSUME over it would be one
    too many."""
    return Constraint(
        "ck",
        f"length(toString({quoted(column.name)})) < 1000" if not holds(column.type, "AggregateFunction") else "1",
        rng.random() < 0.2 and not column.type.nullable,
    )


def ttl_over(rng: Random, table: Table) -> str:
    """Far away, so that no row goes."""
    times = [
        column
        for column in table.columns
        if column.type.name in {"Date", "DateTime"} and column.stored and not column.late
    ]
    return f"{quoted(rng.choice(times).name)} + toIntervalYear({rng.choice((150, 200))})" if times else ""


def row(rng: Random, table: Table, keys: dict[str, list[str]], late: bool, wild: float) -> dict[str, str]:
    """Literals by column. Keys are taken again, so that there are duplicates."""
    made: dict[str, str] = {}
    nested = rng.choice((0, 1, 2))
    for column in table.columns:
        if not column.insertable or (column.late and not late):
            continue
        if column.name in table.engine.columns and column.name == "sign":
            made[column.name] = rng.choice(("1", "1", "-1"))
        elif column.name == "gone" and "gone" in table.engine.columns:
            made[column.name] = rng.choice(("0", "0", "1"))
        elif column.name.startswith("n."):
            items = (
                ", ".join(literal(rng, column.type.args[0], wild) for _ in range(nested))
                if column.type.name == "Array"
                else ""
            )
            made[column.name] = (
                f"CAST([{items}] AS {column.type.sql})"
                if column.type.name == "Array"
                else literal(rng, column.type, wild)
            )
        elif column.kind == "DEFAULT" and rng.random() < 0.3:
            continue
        else:
            known = keys.setdefault(column.name, [])
            again = bool(known) and rng.random() < (0.6 if column.name == "k" else 0.15)
            made[column.name] = rng.choice(known) if again else literal(rng, column.type, wild)
            known.append(made[column.name])
    return made


def batches(
    rng: Random,
    table: Table,
    keys: dict[str, list[str]] | None = None,
    count: int | None = None,
    late: bool | None = None,
) -> tuple[Batch, ...]:
    """One to three inserts; those before the late columns come first."""
    keys = {} if keys is None else keys
    wild = rng.choice((0.0, 0.0, 0.1, 0.4))
    made: list[Batch] = []
    for place in range(count or rng.choice((1, 2, 2, 3))):
        after = late if late is not None else (place > 0 and rng.random() < 0.6) or bool(made and made[-1].late)
        made.append(
            Batch(table.name, tuple(row(rng, table, keys, after, wild) for _ in range(rng.choice((1, 2, 3, 5)))), after)
        )
    return tuple(made)
