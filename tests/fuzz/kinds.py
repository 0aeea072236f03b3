"""Which types there are, and what a type may become."""

from __future__ import annotations

from random import Random

from tests.fuzz.types import FLOATS, INTEGERS, TIMES, Type, enum, holds, nullable, plain

LABELS = (("a", 1), ("b", 2), ("c", 3))
ZONES = ("'UTC'", "'Europe/Berlin'", "'America/New_York'", "'Asia/Kolkata'")
_COMMON = (
    *(plain(name) for name in ("UInt8", "UInt16", "UInt32", "UInt64", "Int8", "Int32", "Int64")),
    *(plain(name) for name in ("String", "String", "Date", "DateTime", "Float64", "Bool")),
    plain("DateTime", "'UTC'"),
    plain("DateTime64", "3", "'UTC'"),
    enum(LABELS),
    enum(LABELS),
    Type("LowCardinality", (plain("String"),)),
)
_RARE = (
    *(
        plain(name)
        for name in (*INTEGERS, *FLOATS, "Date32", "UUID", "IPv4", "IPv6", "Dynamic", "JSON", "Time", "Point", "Ring")
    ),
    *(plain("DateTime", zone) for zone in ZONES),
    *(plain("DateTime64", str(scale), zone) for scale in (0, 6, 9) for zone in ZONES[:2]),
    plain("Time64", "3"),
    plain("FixedString", "4"),
    plain("FixedString", "2"),
    plain("Decimal", "9", "2"),
    plain("Decimal", "18", "4"),
    plain("Decimal", "38", "10"),
    plain("Decimal", "76", "0"),
    plain("JSON", "a UInt32"),
    plain("IntervalDay"),
    plain("IntervalSecond"),
    enum((*LABELS, ("d", 300)), 16),
    enum((("", 0), ("x y", -5), ("it's", 7))),
    Type("Variant", (plain("String"), plain("UInt64"))),
    Type("Variant", (plain("Date"), plain("Float64"))),
    Type("SimpleAggregateFunction", (plain("UInt64"),), params=("sum",)),
    Type("SimpleAggregateFunction", (plain("UInt64"),), params=("max",)),
    Type("SimpleAggregateFunction", (Type("Nullable", (plain("Int32"),)),), params=("anyLast",)),
    Type("AggregateFunction", (plain("UInt64"),), params=("sum",)),
    Type("AggregateFunction", (plain("String"),), params=("uniq",)),
    Type("AggregateFunction", (plain("Float64"),), params=("quantiles(0.5, 0.9)",)),
)
KEYS = tuple(kind for kind in _COMMON if kind.name != "Float64")
_NO_NULL = {
    "Array",
    "Map",
    "Tuple",
    "Variant",
    "Dynamic",
    "JSON",
    "Point",
    "Ring",
    "AggregateFunction",
    "SimpleAggregateFunction",
    "Nullable",
    "LowCardinality",
}
_LOW = {*INTEGERS, "String", "FixedString", "Date", "DateTime", "Float64", "Float32"} - {
    "Int128",
    "UInt128",
    "Int256",
    "UInt256",
}


def random_type(rng: Random, depth: int = 2) -> Type:
    """Any type; nested ones hold common types mostly."""
    dice = rng.random()
    if depth and dice < 0.30:
        return _nested(rng, depth - 1)
    if dice < 0.42:
        inner = rng.choice([kind for kind in (*_COMMON, *_RARE) if kind.name not in _NO_NULL])
        return Type("Nullable", (inner,))
    if dice < 0.47:
        names = (
            _LOW if rng.random() < 0.08 else {"String", "FixedString"}
        )  # others need a setting that the server calls suspicious
        inner = rng.choice([kind for kind in (*_COMMON, *_RARE) if kind.name in names])
        return Type("LowCardinality", (nullable(inner) if rng.random() < 0.4 else inner,))
    return rng.choice(_RARE if dice > 0.80 else _COMMON)


def _nested(rng: Random, depth: int) -> Type:
    dice = rng.random()
    if dice < 0.45:
        return Type("Array", (_element(rng, depth),))
    if dice < 0.65:
        key = rng.choice((plain("String"), plain("UInt64"), Type("LowCardinality", (plain("String"),)), enum(LABELS)))
        return Type("Map", (key, _element(rng, depth)))
    count = rng.choice((1, 2, 2, 3))
    parts = tuple(_element(rng, depth) for _ in range(count))
    return Type("Tuple", parts, ("x", "y", "z z")[:count] if rng.random() < 0.6 else ())


def _element(rng: Random, depth: int) -> Type:
    found = random_type(rng, depth)
    while holds(found, "AggregateFunction", "SimpleAggregateFunction"):
        found = random_type(rng, depth)
    return found


def labelled(rng: Random) -> Type:
    """An Enum, alone or somewhere inside."""
    kind = (
        enum(LABELS)
        if rng.random() < 0.7
        else enum((("x y", -5), ("it's", 7), ("b", 100)), 8 if rng.random() < 0.6 else 16)
    )
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        string, number = plain("String"), plain("UInt8")
        shells = [
            Type("Array", (kind,)),
            Type("Map", (string, kind)),
            Type("Tuple", (kind, number), ("x", "y")),
            Type("Tuple", (number, kind)),
        ]
        shells += [Type("Nullable", (kind,))] * 2 + [Type("Map", (kind, number))] if kind.is_enum else []
        kind = rng.choice(shells)
    return kind


def labels_moved(rng: Random, kind: Type) -> Type:
    """The same type, with other members in each Enum inside."""
    return relabelled(rng, kind) if kind.is_enum else kind.with_args(*(labels_moved(rng, arg) for arg in kind.args))


def over_the_same_bytes(kind: Type) -> list[Type]:
    """What reads the same bytes otherwise."""
    match kind.name:
        case "DateTime":
            return [plain("DateTime", zone) for zone in ZONES] + [plain("UInt32")]
        case "DateTime64":
            return [plain("DateTime64", kind.params[0], zone) for zone in ZONES] + [plain("Int64")]
        case "Enum8" | "Enum16":
            return [plain("Int8" if kind.name == "Enum8" else "Int16")]
        case "Bool":
            return [plain("UInt8")]
        case _:
            return []


def retyped(rng: Random, kind: Type) -> Type:
    """What somebody might turn a column into."""
    dice = rng.random()
    if dice < 0.06:
        return random_type(rng, 1)
    if kind.args and kind.name not in {"Variant", "AggregateFunction"} and dice < 0.75:
        return _inner(rng, kind)
    if kind.name not in _NO_NULL and dice < 0.20:
        return Type("Nullable", (kind,))
    return rng.choice(_turns(rng, kind))


def _inner(rng: Random, kind: Type) -> Type:
    """The same shell over another type, or with a part more or less."""
    if kind.name == "Tuple" and rng.random() < 0.4:
        if len(kind.args) > 1 and rng.random() < 0.5:
            return Type("Tuple", kind.args[:-1], kind.names[:-1])
        if kind.names:
            return Type("Tuple", (*kind.args, plain("UInt8")), (*kind.names, "added"))
        return Type("Tuple", tuple(reversed(kind.args)))
    if kind.name in {"Nullable", "LowCardinality"} and rng.random() < 0.35:
        return kind.args[0]
    place = rng.randrange(len(kind.args))
    for _ in range(8):
        part = retyped(rng, kind.args[place])
        if _fits(kind, place, part):
            return kind.with_args(*kind.args[:place], part, *kind.args[place + 1 :])
    return kind.args[0] if kind.name in {"Nullable", "LowCardinality"} else kind


def _fits(shell: Type, place: int, part: Type) -> bool:
    if shell.name == "Nullable":
        return part.name not in _NO_NULL
    if shell.name == "LowCardinality":
        return part.bare.name in {"String", "FixedString"} and part.name != "LowCardinality"
    if shell.name == "Map" and not place:
        return (
            part.name in {*INTEGERS, "String", "LowCardinality", "Enum8", "Enum16", "Date", "UUID"}
            and not part.nullable
        )
    if shell.name == "SimpleAggregateFunction":
        return shell.params[0] != "sum" or part.bare.name in {"UInt64", "Int64", "Float64"}
    return not holds(part, "AggregateFunction", "SimpleAggregateFunction")


def relabelled(rng: Random, kind: Type) -> Type:
    """Members put in, taken away, numbers moved, another width."""
    labels = list(kind.labels)
    dice = rng.random()
    if dice < 0.2:
        labels.insert(rng.randrange(len(labels) + 1), ("new", max(number for _, number in labels) + 1))
    elif dice < 0.55:
        middle = rng.randrange(1, len(labels)) if len(labels) > 1 else 0
        labels = [
            (label, place + 1) for place, (label, _) in enumerate([*labels[:middle], ("mid", 0), *labels[middle:]])
        ]
    elif dice < 0.75 and len(labels) > 1:
        numbers = [number for _, number in labels]
        labels = [(label, number) for (label, _), number in zip(labels, numbers[1:] + numbers[:1], strict=True)]
    elif dice < 0.83 and len(labels) > 1:
        labels.pop(rng.randrange(len(labels)))
    elif dice < 0.92:
        labels = [(f"{label}_" if not place else label, number) for place, (label, number) in enumerate(labels)]
    wide = max(abs(number) for _, number in labels) > 127
    return enum(tuple(labels), 16 if wide or rng.random() < 0.25 else 8)


def _turns(rng: Random, kind: Type) -> list[Type]:
    string = plain("String")
    name = kind.name
    if kind.is_enum:
        return [relabelled(rng, kind)] * 5 + [
            string,
            plain("Int8" if name == "Enum8" else "Int16"),
            Type("LowCardinality", (string,)),
        ]
    if name in INTEGERS:
        place = INTEGERS.index(name)
        wider = [plain(other) for other in INTEGERS[place + 1 : place + 4]]
        special = {
            "UInt8": [plain("Bool"), enum(LABELS)],
            "UInt32": [plain("DateTime"), plain("DateTime", "'UTC'"), plain("IPv4")],
            "UInt64": [plain("IntervalSecond")],
        }
        others = [
            plain("Float64"),
            string,
            plain("Decimal", "18", "4"),
            Type("Variant", (string, kind)),
            plain(rng.choice(INTEGERS)),
        ]
        return [*wider, *wider, *others, *special.get(name, [])]
    if name in FLOATS:
        return [
            plain("Float64"),
            plain("Float32"),
            plain("Decimal", "18", "4"),
            string,
            plain("Int64"),
            plain("Decimal", "38", "10"),
        ]
    if name in TIMES:
        zone = rng.choice(ZONES)
        return [
            plain("DateTime", zone),
            plain("DateTime64", rng.choice(("0", "3", "6")), zone),
            plain("DateTime64", rng.choice(("0", "3", "6")), *kind.params[-1:])
            if name not in {"Date", "Date32"}
            else plain("Date32"),
            plain("DateTime64", "3"),
            plain("Date"),
            plain("Date32"),
            string,
            plain("UInt32"),
            plain("Int64"),
        ]
    if name in {"Map", "Array", "Tuple"}:
        return [string, kind, plain("JSON") if name != "Array" else string]
    if name in {"Variant", "Dynamic", "JSON"}:
        more = (
            Type("Variant", tuple(sorted({*kind.args, plain("UUID")}, key=lambda arg: arg.sql)))
            if name == "Variant"
            else plain("JSON", "a UInt32")
        )
        return [string, more, Type("Nullable", (string,)), Type("Nullable", (plain("UInt64"),)), plain("Dynamic")]
    return _single(rng, kind)


def _single(rng: Random, kind: Type) -> list[Type]:
    string = plain("String")
    match kind.name:
        case "String":
            members = enum((("7", 1), ("12", 2), ("0", 3), ("1", 4), ("42", 5), ("3", 6), ("100", 7)))
            numbers = [plain(rng.choice(INTEGERS)), plain("Float64"), plain("Decimal", "18", "4")]
            nested = [
                Type("Array", (plain("UInt8"),)),
                plain("JSON"),
                Type("Tuple", (plain("UInt8"), string)),
                plain("Dynamic"),
            ]
            low = [Type("LowCardinality", (string,)), Type("LowCardinality", (Type("Nullable", (string,)),))] * 2
            other = [
                plain("FixedString", "4"),
                plain("FixedString", "20"),
                members,
                plain("Date"),
                plain("Bool"),
                plain("UUID"),
            ]
            return [*low, *numbers, *nested, *other, Type("Variant", (string, plain("UInt64")))]
        case "FixedString":
            return [plain("FixedString", "8"), plain("FixedString", "4"), string, Type("LowCardinality", (string,))]
        case "Decimal":
            return [
                plain("Decimal", "38", "10"),
                plain("Decimal", "18", "4"),
                plain("Decimal", "9", "1"),
                plain("Float64"),
                string,
                plain("Int64"),
            ]
        case "Bool":
            return [plain("UInt8"), string, plain("Int8"), enum((("false", 0), ("true", 1)))]
        case "AggregateFunction":
            return [kind, Type("AggregateFunction", kind.args, params=("max",)), string]
        case "Nullable" | "LowCardinality" | "SimpleAggregateFunction":
            return [
                kind.args[0],
                nullable(kind.args[0].bare) if kind.args[0].bare.name not in _NO_NULL else kind,
                string,
            ]
        case "IPv4":
            return [plain("IPv6"), string, plain("UInt32")]
        case "IntervalDay" | "IntervalSecond":
            return [plain("Int64"), plain("UInt64"), string, plain("IntervalMonth")]
        case "Point":
            return [Type("Tuple", (plain("Float64"), plain("Float64"))), string]
        case _:
            return [string, Type("Variant", (kind, string)) if kind.name != "Ring" else string]
