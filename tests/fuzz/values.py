"""Values of any type as SQL: tame ones, which most conversions keep, and the extremes."""

from __future__ import annotations

from random import Random

from tests.fuzz.types import FLOATS, INTEGERS, INTERVALS, Type, bounds, text

WORDS = ("7", "12", "0", "1", "42", "3", "100")
WILD_TEXTS = (
    "",
    "007",
    " 7",
    "a\0b",
    "it's",
    "ü",
    "x\ny",
    "300",
    "-1",
    "1e3",
    "nan",
    "2020-01-01",
    "[1,2]",
    "{}",
    "null",
    "true",
    "9007199254740993",
    "(1,2)",
)
JSONS = ('{"a":1}', '{"a":2,"b":"x"}', "{}", '{"c":{"d":[1,2]}}', '{"a":5}')
WILD_JSONS = (
    '{"a":-1}',
    '{"a":null,"b":1}',
    '{"a":300,"c.d":1}',
    '{"a":12345678901234567890123}',
    '{"c":{}}',
    '{"a":"t"}',
)
FLOAT_TEXTS = ("0", "1", "1.5", "-2", "7", "0.25")
WILD_FLOATS = ("nan", "inf", "-inf", "-0", "0.1", "1e20", "2.55", "16777217", "123456.789", "1e-30")
DATES = ("2020-01-01", "2020-02-29", "2021-12-31", "2024-06-30")
WILD_DATES = ("1970-01-01", "2149-06-06", "2106-02-07")
WILD_DATES32 = ("1900-01-01", "2299-12-31", "1969-12-31")
MOMENTS = ("2020-01-01 00:00:00", "2021-06-15 12:34:56", "2020-12-31 23:59:59", "2024-03-31 10:30:00")
WILD_MOMENTS = (
    "1970-01-01 00:00:00",
    "2106-02-07 06:28:15",
    "2020-10-25 00:30:00",
    "2020-10-25 01:30:00",
    "2020-01-01 22:30:00",
    "2021-06-30 23:30:00",
)
FRACTIONS = ("", ".5", ".123")
WILD_FRACTIONS = (".999999", ".000001", ".1")
UUIDS = (
    "00000000-0000-0000-0000-000000000000",
    "61f0c404-5cb3-11e7-907b-a6006ad3dba0",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
)
AGGREGATED = {"sum": "sumState", "uniq": "uniqState", "max": "maxState", "any": "anyState", "avg": "avgState"}


def literal(rng: Random, kind: Type, wild: float = 0.25) -> str:
    """An expression of that type; ``wild`` is the share of extremes."""
    match kind.name:
        case "Nullable":
            return (
                f"CAST(NULL AS {kind.sql})"
                if rng.random() < 0.2
                else f"CAST({literal(rng, kind.args[0], wild)} AS {kind.sql})"
            )
        case "LowCardinality":
            return f"CAST({literal(rng, kind.args[0], wild)} AS {kind.sql})"
        case "Array":
            items = [literal(rng, kind.args[0], wild) for _ in range(rng.choice((0, 1, 1, 2)))]
            return f"CAST([{', '.join(items)}] AS {kind.sql})"
        case "Map":
            keys = dict.fromkeys(literal(rng, kind.args[0], wild) for _ in range(rng.choice((0, 1, 2))))
            return f"CAST(map({', '.join(f'{key}, {literal(rng, kind.args[1], wild)}' for key in keys)}) AS {kind.sql})"
        case "Tuple":
            return f"CAST(tuple({', '.join(literal(rng, arg, wild) for arg in kind.args)}) AS {kind.sql})"
        case "Variant":
            return (
                f"CAST(NULL AS {kind.sql})"
                if rng.random() < 0.2
                else f"CAST({literal(rng, rng.choice(kind.args), wild)} AS {kind.sql})"
            )
        case "Dynamic":
            inner = rng.choice((Type("UInt64"), Type("String"), Type("Date"), Type("Array", (Type("UInt8"),))))
            return (
                f"CAST(NULL AS {kind.sql})"
                if rng.random() < 0.2
                else f"CAST({literal(rng, inner, wild)} AS {kind.sql})"
            )
        case "SimpleAggregateFunction":
            return f"CAST({literal(rng, kind.args[0], wild)} AS {kind.sql})"
        case "AggregateFunction":
            return state(rng, kind, wild)
        case "Point":
            return f"CAST(({rng.choice(('1.5', '0', '-2.25'))}, {rng.choice(('1', '0.5'))}) AS Point)"
        case "Ring":
            return "CAST([(0, 0), (1.5, 0), (1, 1)] AS Ring)"
        case _:
            return (
                f"CAST({text(leaf(rng, kind, rng.random() < wild))} AS {kind.sql})"
                if kind.name not in INTERVALS
                else interval(rng, kind, wild)
            )


def state(rng: Random, kind: Type, wild: float) -> str:
    """A state of an aggregate function over one value."""
    function, _, parameters = kind.params[0].partition("(")
    called = f"{function}State({parameters}" if parameters else f"{function}State"
    return f"initializeAggregation({text(called)}, {', '.join(literal(rng, arg, wild) for arg in kind.args)})"


def interval(rng: Random, kind: Type, wild: float) -> str:
    """A number of units."""
    return f"to{kind.name}({rng.choice((0, 1, 3, -2)) if rng.random() > wild else 9007199254740993})"


def leaf(rng: Random, kind: Type, wild: bool) -> str:
    """The text of a value of a type without types inside."""
    name = kind.name
    if name in INTEGERS:
        low, high = bounds(name)
        return (
            rng.choice([str(low), str(high), str(high // 2 + 1), *(["-1"] if low else ["200"])])
            if wild
            else rng.choice(WORDS)
        )
    if name in FLOATS:
        return rng.choice(WILD_FLOATS if wild else FLOAT_TEXTS)
    match name:
        case "String":
            return rng.choice(WILD_TEXTS if wild else WORDS)
        case "FixedString":
            width = int(kind.params[0])
            return (
                rng.choice(("", "a", "a\0b", "\0"))[:width]
                if wild
                else rng.choice(("ab", "7", "xyzw"))[:width].ljust(width, "x")
            )
        case "Decimal":
            precision, scale = (int(part) for part in kind.params)
            digits = "9" * (precision - scale)
            return (
                rng.choice((f"{digits or 0}.{'9' * scale or 0}", f"-{digits or 0}", f"0.{'0' * max(scale - 1, 0)}1"))
                if wild
                else rng.choice(("1", "2.5", "0"))
            )
        case "Bool":
            return rng.choice(("true", "false"))
        case "UUID":
            return rng.choice(UUIDS)
        case "IPv4":
            return rng.choice(("0.0.0.0", "255.255.255.255") if wild else ("127.0.0.1", "10.1.2.3"))
        case "IPv6":
            return rng.choice(("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") if wild else ("::1", "::ffff:10.1.2.3"))
        case "Enum8" | "Enum16":
            return rng.choice(kind.labels)[0]
        case "JSON":
            typed = any(param.startswith("a ") for param in kind.params)
            return rng.choice(WILD_JSONS[:2] if typed else WILD_JSONS) if wild and not typed else rng.choice(JSONS)
        case _:
            return moment(rng, kind, wild)


def moment(rng: Random, kind: Type, wild: bool) -> str:
    """Days and times."""
    match kind.name:
        case "Date":
            return rng.choice(WILD_DATES if wild else DATES)
        case "Date32":
            return rng.choice((*WILD_DATES, *WILD_DATES32) if wild else DATES)
        case "DateTime":
            return rng.choice(WILD_MOMENTS[2:] if wild else MOMENTS)
        case "DateTime64":
            scale = int(kind.params[0])
            fraction = rng.choice(WILD_FRACTIONS if wild else FRACTIONS)[: scale + 1]
            return rng.choice((*WILD_MOMENTS[2:], "1950-01-01 00:00:00") if wild else MOMENTS) + (
                fraction if scale else ""
            )
        case "Time":
            return rng.choice(("-01:00:00", "999:59:59") if wild else ("00:00:00", "12:34:56"))
        case "Time64":
            return rng.choice(("00:00:00", "12:34:56")) + rng.choice(FRACTIONS)[: int(kind.params[0]) + 1]
        case _:
            raise ValueError(kind.sql)
