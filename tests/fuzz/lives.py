"""Columns that are put beside those of a case: each with what it is before the change and what it is after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.fuzz.kinds import LABELS
from tests.fuzz.schema import Batch, Column, State, Table, World
from tests.fuzz.types import INTEGERS, Type, enum, nullable, plain, quoted
from tests.fuzz.values import literal

INNER = (
    *(plain(name) for name in ("UInt8", "UInt32", "Int64", "String", "String", "Float64", "Date")),
    plain("DateTime", "'UTC'"),
    enum(LABELS),
    nullable(plain("UInt8")),
    Type("LowCardinality", (plain("String"),)),
)


@dataclass(frozen=True, slots=True)
class Side:
    """A column at one time. In ``expr`` stands ``«n»`` for the n-th of the lives, whatever it is called then."""

    name: str
    type: Type
    kind: str = ""
    expr: str = ""


@dataclass(frozen=True, slots=True)
class Life:
    """``was`` before the change and ``now`` after it, None where it is not there. ``late``: added behind some rows."""

    was: Side | None
    now: Side | None
    late: bool = False


def read_as(rng: Random, kind: Type, source: int, of: Type) -> str:
    """An expression of the type over a life of another one."""
    name = f"«{source}»"
    if kind.name == "Array":
        if of.name != "Array":
            return f"[{_one(rng, kind.args[0], name)}]"
        return f"arrayMap(x -> {_one(rng, kind.args[0], 'x')}, {name})"
    if of.name == "Array" and kind.bare.name in INTEGERS and rng.random() < 0.5:
        return f"length({name})"
    return _one(rng, kind, name)


def _one(rng: Random, kind: Type, name: str) -> str:
    text = f"ifNull(toString({name}), '-')"
    if kind.bare.name in INTEGERS:
        return f"CAST({rng.choice((f'length({text})', f'cityHash64({text}) % 100'))} AS {kind.sql})"
    if kind.bare.name == "String":
        return f"CAST({rng.choice((text, f'concat({text}, {chr(39)}-x{chr(39)})'))} AS {kind.sql})"
    return f"CAST({literal(rng, kind, 0.0)} AS {kind.sql})"


def laid(rng: Random, case: World, lives: Sequence[Life], change: str) -> World:
    """The case with these columns in its first table, and values for them in all rows."""
    before, after = case.before.tables[0], case.after.tables[0]
    was, now = list(_columns(lives, True)), list(_columns(lives, False))
    case = replace(
        case,
        before=_first(case.before, replace(before, columns=(*before.columns, *was))),
        after=_first(case.after, replace(after, columns=(*after.columns, *now))),
        changes=(*case.changes, change),
    )
    return replace(
        case,
        batches=_filled(rng, case.batches, before.name, was),
        later=_filled(rng, case.later, after.name, now),
    )


def _columns(lives: Sequence[Life], before: bool) -> Iterator[Column]:
    late: set[int] = set()
    for place, life in enumerate(lives):
        side = life.was if before else life.now
        if side is None:
            continue
        read = [other for other in range(len(lives)) if f"«{other}»" in side.expr]
        there = [_side(lives[other], before) for other in read]
        kind, expr = (side.kind, side.expr) if all(there) else ("", "")
        for other, one in zip(read, there, strict=True):
            expr = expr.replace(f"«{other}»", quoted(one.name)) if one is not None else expr
        if before and (life.late or late.intersection(read)):
            late.add(place)
        source = life.was.name if not before and life.was is not None and life.was.name != side.name else ""
        yield Column(side.name, side.type, kind, expr, source=source, late=place in late)


def _side(life: Life, before: bool) -> Side | None:
    return life.was if before else life.now


def _first(state: State, table: Table) -> State:
    return replace(state, tables=(table, *state.tables[1:]))


def _filled(rng: Random, batches: tuple[Batch, ...], table: str, columns: list[Column]) -> tuple[Batch, ...]:
    """Arrays of names that begin alike are parts of one Nested, and have one length in each row."""
    wild = rng.choice((0.0, 0.0, 0.2))

    def values(late: bool) -> dict[str, str]:
        sizes: dict[str, int] = {}
        made: dict[str, str] = {}
        for column in columns:
            size = sizes.setdefault(column.name.partition(".")[0], rng.choice((0, 1, 2)))
            if not column.insertable or (column.late and not late) or (column.kind and rng.random() < 0.4):
                continue
            if column.type.name == "Array" and "." in column.name:
                items = ", ".join(literal(rng, column.type.args[0], wild) for _ in range(size))
                made[column.name] = f"CAST([{items}] AS {column.type.sql})"
            else:
                made[column.name] = literal(rng, column.type, wild)
        return made

    return tuple(
        replace(batch, rows=tuple({**row, **values(batch.late)} for row in batch.rows))
        if batch.table == table
        else batch
        for batch in batches
    )
