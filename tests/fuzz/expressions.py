"""Expressions over columns: keys, defaults, indexes. Names are always in backticks, so a rename is a replacement of
text."""

from __future__ import annotations

from random import Random

from tests.fuzz.schema import Column
from tests.fuzz.types import INTEGERS, TIMES, Type, holds, quoted
from tests.fuzz.values import literal

_KEYS = {*INTEGERS, *TIMES, "String", "FixedString", "UUID", "IPv4", "Bool", "Enum8", "Enum16"}


def may_be_key(column: Column) -> bool:
    """A stored column of a type that sorts, there from the beginning."""
    return (
        column.kind in {"", "DEFAULT", "MATERIALIZED"}
        and column.type.bare.name in _KEYS
        and not column.type.nullable
        and "." not in column.name
    )


def key(rng: Random, column: Column) -> str:
    """The column, or something computed from it."""
    name = quoted(column.name)
    if rng.random() < 0.55:
        return name
    base = column.type.bare.name
    if base in TIMES:
        return rng.choice([f"toDate({name})", f"toYYYYMM({name})", f"toString({name})", f"toYear({name})"])
    if base in INTEGERS:
        return rng.choice(
            [f"toString({name})", f"intDiv({name}, 10)", f"{name} % 4", f"-{name}", f"cityHash64({name})"]
        )
    if base == "String":
        return rng.choice([f"lower({name})", f"length({name})", f"cityHash64({name})", f"substring({name}, 1, 2)"])
    return rng.choice([f"toString({name})", f"cityHash64({name})"])


def partition(rng: Random, column: Column) -> str:
    """Few partitions."""
    name = quoted(column.name)
    base = column.type.bare.name
    if base in TIMES:
        return rng.choice([f"toYYYYMM({name})", f"toYear({name})", f"toDate({name})"])
    if base in INTEGERS:
        return rng.choice([f"{name} % 3", f"intDiv({name}, 20)", f"toString({name})"])
    return rng.choice([f"length(toString({name}))", f"cityHash64({name}) % 3", f"toString({name})"])


def sampling() -> str:
    """A key to sample by."""
    return "cityHash64(`k`)"


def scalar(rng: Random, column: Column) -> str | None:
    """What a skip index can be made of; None where nothing is."""
    name = quoted(column.name)
    if column.type.bare.name in _KEYS or column.type.bare.name in {"Float64", "Float32", "Decimal"}:
        return rng.choice([name, f"toDate({name})" if column.type.bare.name in TIMES else name, f"toString({name})"])
    return f"toString({name})" if not holds(column.type, "AggregateFunction", "SimpleAggregateFunction") else None


def default(rng: Random, kind: Type, others: list[Column]) -> tuple[str, str]:
    """A default kind and its expression."""
    which = rng.choice(("DEFAULT", "DEFAULT", "DEFAULT", "MATERIALIZED", "MATERIALIZED", "ALIAS", "ALIAS", "EPHEMERAL"))
    if which == "EPHEMERAL":
        return which, "" if rng.random() < 0.5 else constant(rng, kind)
    readable = [
        column for column in others if column.kind != "EPHEMERAL" and not holds(column.type, "AggregateFunction")
    ]
    return which, computed(rng, kind, readable) if readable and rng.random() < 0.7 else constant(rng, kind)


def constant(rng: Random, kind: Type) -> str:
    """A value of the type."""
    return literal(rng, kind, 0.2)


def computed(rng: Random, kind: Type, others: list[Column]) -> str:
    """From another column, of any type: by way of its text or its hash."""
    source = rng.choice(others)
    name = quoted(source.name)
    base = kind.bare.name
    if base in INTEGERS:
        choices = [f"length(toString({name}))", f"cityHash64(toString({name})) % 100"]
        if source.type.name in INTEGERS:
            choices += [f"{name} + 1", f"{name} * 3", name]
        return rng.choice(choices)
    if base == "String":
        return rng.choice([f"toString({name})", f"concat(toString({name}), '-x')"])
    if base in {"Date", "DateTime"} and source.type.name in TIMES:
        return rng.choice([f"toDate({name})", f"{name}"])
    if base in {"Float64", "Decimal"}:
        return f"length(toString({name})) / 2"
    return constant(rng, kind)


def finished(column: Column) -> str:
    """The column, or what its state comes to."""
    return (
        f"finalizeAggregation({quoted(column.name)})"
        if column.type.name == "AggregateFunction"
        else quoted(column.name)
    )
