"""What a part of the cases has beside everything else: codec chains, statistics, settings and TTLs of columns, a Nested
that is kept whole, SQL functions, views that are refreshed.

Made with dice of its own, so that the same number still makes the same tables, rows and changes without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.fuzz.changes import with_column
from tests.fuzz.ground import FUNCTION
from tests.fuzz.kinds import LABELS, retyped
from tests.fuzz.schema import Batch, Column, Function, State, Table, World
from tests.fuzz.types import FLOATS, INTEGERS, TIMES, Type, enum, plain, quoted
from tests.fuzz.values import literal

SHARE = 0.35
"""Of all cases."""
WHOLE = ("flatten_nested", "0")
SETTINGS = ("min_compress_block_size", "max_compress_block_size")
_CHAINS = {
    "whole": ("Delta, LZ4", "DoubleDelta, ZSTD(3)", "T64, LZ4", "GCD, LZ4", "T64", "Delta, ZSTD(1)"),
    "float": ("Gorilla, LZ4", "FPC, ZSTD(3)", "FPC"),
    "any": ("LZ4HC(9)", "ZSTD(1)", "ZSTD(9, 24)", "NONE"),
}
_BODIES = ("x -> x + 1", "x -> x * 3", "(x) -> toUInt64(x)", "x -> if(x % 2 = 0, x, 0)")
_STATISTICS = ("tdigest", "minmax", "uniq", "minmax, tdigest", "uniq, tdigest")
Part = Callable[[Random, Column, Table], "Column | None"]


def widened(seed: int, tag: str, case: World) -> World:
    """The case with something more in its first table, before and after the change; often it is changed, too."""
    rng = Random(f"wide {seed}")
    if rng.random() >= SHARE:
        return case
    if any(view.materialized for view in case.before.views) and rng.random() < 0.5:
        return _refreshable(rng, case)
    for name in rng.sample((*PARTS, "whole Nested", "SQL function"), rng.choice((1, 1, 2))):
        case = (
            _with(rng, case, name)
            if name in PARTS
            else _nested(rng, case)
            if name == "whole Nested"
            else _called(rng, case, f"{FUNCTION}f{tag}")
        )
    return case


def _refreshable(rng: Random, case: World) -> World:
    """Its materialized views are made anew from time to time, and do not follow each INSERT."""
    before, after = rng.choice(
        (
            ("EVERY 1 YEAR",) * 2,
            ("EVERY 1 YEAR",) * 2,
            ("EVERY 1 YEAR", "EVERY 2 YEAR"),
            ("", "EVERY 1 YEAR"),
            ("EVERY 1 YEAR", ""),
        )
    )
    states = [
        replace(
            state, views=tuple(replace(view, refresh=refresh) if view.materialized else view for view in state.views)
        )
        for state, refresh in ((case.before, before), (case.after, after))
    ]
    return replace(
        case,
        before=states[0],
        after=states[1],
        changes=case.changes if before == after else (*case.changes, "refreshable view"),
    )


def _called(rng: Random, case: World, name: str) -> World:
    """A column that a function computes, which mostly gets another body."""
    before, after = case.before.tables[0], case.after.tables[0]
    keys = [
        table.column("k") or next((one for one in table.columns if one.source == "k"), None)
        for table in (before, after)
    ]
    if any(key is None or not key.stored or key.type.name == "AggregateFunction" for key in keys):
        return case
    bodies = rng.sample(_BODIES, 2) if rng.random() < 0.6 else [rng.choice(_BODIES)] * 2
    kind = rng.choice(("DEFAULT", "MATERIALIZED", "ALIAS"))
    states: list[State] = []
    for state, key, body in zip((case.before, case.after), keys, bodies, strict=True):
        assert key is not None
        column = Column("called", plain("UInt64"), kind, f"{name}(cityHash64(toString({quoted(key.name)})) % 100)")
        states.append(
            replace(
                _first(state, replace(state.tables[0], columns=(*state.tables[0].columns, column))),
                functions=(Function(name, body),),
            )
        )
    changes = case.changes if bodies[0] == bodies[1] else (*case.changes, "SQL function")
    return replace(case, before=states[0], after=states[1], changes=changes)


def _nested(rng: Random, case: World) -> World:
    """A Nested that is not taken apart, and mostly becomes another one."""
    before, after = case.before.tables[0], case.after.tables[0]
    if any(column.name.partition(".")[0] == "n" for table in (before, after) for column in table.columns):
        return case
    old = Type(
        "Nested",
        tuple(rng.choice((plain("UInt8"), plain("String"), plain("DateTime", "'UTC'"), enum(LABELS))) for _ in "pq"),
        ("p", "q"),
    )
    dice = rng.random()
    if dice < 0.5:
        new = Type("Nested", (retyped(rng, old.args[0]), old.args[1]), old.names)
    elif dice < 0.7:
        new = Type("Nested", (*old.args, plain("UInt8")), ("p", "q", "r"))
    else:
        new = old
    given = [Column("n", kind, late=False) for kind in (old, new)]
    tables = [
        replace(table, columns=(*table.columns, one), settings=(*table.settings, WHOLE))
        for table, one in zip((before, after), given, strict=True)
    ]
    case = replace(
        case,
        before=_first(case.before, tables[0]),
        after=_first(case.after, tables[1]),
        changes=(*case.changes, *(() if new == old else ("whole Nested",))),
    )
    return replace(
        case, batches=_filled(rng, case.batches, before.name, old), later=_filled(rng, case.later, after.name, new)
    )


def _filled(rng: Random, batches: tuple[Batch, ...], table: str, kind: Type) -> tuple[Batch, ...]:
    def value() -> str:
        rows = [f"({', '.join(literal(rng, arg, 0.1) for arg in kind.args)},)" for _ in range(rng.choice((0, 1, 2)))]
        return f"CAST([{', '.join(rows)}] AS {kind.sql})"

    return tuple(
        replace(batch, rows=tuple({**row, "n": value()} for row in batch.rows)) if batch.table == table else batch
        for batch in batches
    )


def _with(rng: Random, case: World, name: str) -> World:
    before, after = case.before.tables[0], case.after.tables[0]
    pairs = [
        (was, column)
        for column in after.columns
        if (was := before.column(column.old_name)) is not None and was.stored and column.stored
    ]
    if not pairs:
        return case
    was, column = rng.choice(pairs)
    dice = rng.random()  # given, taken away, kept or changed
    given = None if dice < 0.25 else PARTS[name](rng, was, before)
    taken = None if 0.25 <= dice < 0.5 else PARTS[name](rng, column, after)
    same = given is not None and taken is not None and was.type == column.type and dice < 0.75
    if given is not None:
        before = with_column(before, given)
    if taken is not None:
        after = with_column(after, _renamed(_like(column, given), case) if same and given is not None else taken)
    changes = case.changes if same else (*case.changes, name)
    return replace(case, before=_first(case.before, before), after=_first(case.after, after), changes=changes)


def _first(state: State, table: Table) -> State:
    return replace(state, tables=(table, *state.tables[1:]))


def _like(column: Column, other: Column) -> Column:
    return replace(column, codec=other.codec, statistics=other.statistics, settings=other.settings, ttl=other.ttl)


def _renamed(column: Column, case: World) -> Column:
    """Its TTL reads the columns by their new names."""
    ttl = column.ttl
    for one in case.after.tables[0].columns:
        ttl = ttl.replace(quoted(one.source), quoted(one.name)) if one.source else ttl
    return replace(column, ttl=ttl)


def _codec(rng: Random, column: Column, table: Table) -> Column | None:
    return replace(column, codec=rng.choice((*_CHAINS[_family(column.type)], *_CHAINS["any"])))


def _family(kind: Type) -> str:
    base = kind.bare.name
    if base in {*INTEGERS, *TIMES} - {"Int128", "UInt128", "Int256", "UInt256"} and kind.name != "LowCardinality":
        return "whole"
    return "float" if base in FLOATS and base != "BFloat16" and kind.name != "LowCardinality" else "any"


def _statistics(rng: Random, column: Column, table: Table) -> Column | None:
    base = column.type.bare.name
    numbers = (
        base in {*INTEGERS, *TIMES, "Float64", "Float32"} - {"Int128", "UInt128", "Int256", "UInt256"}
        and column.type.name != "LowCardinality"
    )
    return (
        replace(column, statistics=rng.choice(_STATISTICS))
        if numbers
        else replace(column, statistics="uniq")
        if base == "String"
        else None
    )


def _settings(rng: Random, column: Column, table: Table) -> Column | None:
    return replace(
        column,
        settings=tuple((name, rng.choice(("256", "65536"))) for name in rng.sample(SETTINGS, rng.choice((1, 2)))),
    )


def _ttl(rng: Random, column: Column, table: Table) -> Column | None:
    """Far away: when a value expires is decided by merges."""
    seen = quoted(column.name)
    keyed = (
        any(seen in part for part in (*table.order_by, table.partition_by, table.sample_by))
        or column.name in table.engine.columns
    )
    times = [
        one
        for one in table.columns
        if one.type.name in {"Date", "DateTime"} and one.stored and not one.late and one is not column
    ]
    if keyed or not times or "." in column.name:
        return None
    return replace(column, ttl=f"{quoted(rng.choice(times).name)} + toIntervalYear({rng.choice((60, 70))})")


PARTS: dict[str, Part] = {
    "codec chain": _codec,
    "statistics": _statistics,
    "column settings": _settings,
    "column ttl": _ttl,
}
