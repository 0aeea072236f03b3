"""Types of ClickHouse as trees, written down by the fuzzer itself: what it says about a type owes nothing to the code
under test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Type:
    """``args`` are types inside, ``names`` those of a tuple's elements, ``params`` text that is no type, ``labels``
    those of an Enum."""

    name: str
    args: tuple[Type, ...] = ()
    names: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    labels: tuple[tuple[str, int], ...] = ()

    @property
    def sql(self) -> str:
        """As ClickHouse writes it."""
        if self.labels:
            return f"{self.name}({', '.join(f'{text(label)} = {number}' for label, number in self.labels)})"
        inner = [arg.sql for arg in self.args]
        if self.names:
            inner = [f"{quoted(name)} {arg}" for name, arg in zip(self.names, inner, strict=True)]
        parts = [*self.params, *inner]
        return f"{self.name}({', '.join(parts)})" if parts else self.name

    @property
    def bare(self) -> Type:
        """Without Nullable and LowCardinality."""
        return self.args[0].bare if self.name in {"Nullable", "LowCardinality"} else self

    @property
    def nullable(self) -> bool:
        """Takes a NULL itself."""
        if self.name == "LowCardinality":
            return self.args[0].nullable
        return self.name in {"Nullable", "Variant", "Dynamic"}

    @property
    def is_enum(self) -> bool:
        return self.name in {"Enum8", "Enum16"}

    def with_args(self, *args: Type) -> Type:
        return replace(self, args=args)


def text(value: str) -> str:
    """A string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0").replace("\n", "\\n")
    return f"'{escaped}'"


def quoted(name: str) -> str:
    """An identifier in backticks: everywhere, so that a rename is a replacement of text."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def inside(kind: Type) -> Iterator[Type]:
    """The type and everything in it."""
    yield kind
    for arg in kind.args:
        yield from inside(arg)


def holds(kind: Type, *names: str) -> bool:
    """One of the names is the type's, or that of one inside."""
    return any(part.name in names for part in inside(kind))


def plain(name: str, *params: str) -> Type:
    return Type(name, params=params)


def nullable(kind: Type) -> Type:
    return kind if kind.nullable else Type("Nullable", (kind,))


def enum(labels: tuple[tuple[str, int], ...], bits: int = 8) -> Type:
    return Type(f"Enum{bits}", labels=tuple(sorted(labels, key=lambda pair: pair[1])))


INTEGERS = tuple(f"{sign}Int{bits}" for bits in (8, 16, 32, 64, 128, 256) for sign in ("", "U"))
FLOATS = ("Float32", "Float64", "BFloat16")
TIMES = ("Date", "Date32", "DateTime", "DateTime64")
INTERVALS = ("IntervalSecond", "IntervalDay", "IntervalMonth")


def bits(name: str) -> int:
    """Width of an integer type."""
    return int(name.rpartition("Int")[2])


def bounds(name: str) -> tuple[int, int]:
    """Smallest and largest value of an integer type."""
    width = bits(name)
    return (0, 2**width - 1) if name.startswith("U") else (-(2 ** (width - 1)), 2 ** (width - 1) - 1)
