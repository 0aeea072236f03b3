"""Every pair of types over awkward values, against a reference that knows nothing of the planner: no value changes
unasked, and what comes through as it was stands in nobody's way."""

from __future__ import annotations

import pytest

from aaiclick.diff.conversion import values
from aaiclick.diff.conversion.convert import conversion, in_place
from aaiclick.diff.conversion.labels import enum_pairs, relabelled
from aaiclick.sql.quoting import quote_string
from aaiclick.testing.engine import EmbeddedEngine
from tests.coverage.conversions import LABELS, MOVED, NO_CONVERSION, TYPES, Seen, lost, questions

PERMISSIVE = (
    "SET allow_suspicious_types_in_order_by = 1, allow_suspicious_low_cardinality_types = 1, "
    "allow_suspicious_variant_types = 1, enable_time_time64_type = 1"
)
QUICK = (
    "UInt8",
    "Int64",
    "Float32",
    "Decimal(9, 2)",
    "String",
    "FixedString(4)",
    LABELS,
    f"Array({MOVED})",
    "DateTime('Europe/Berlin')",
    "Dynamic",
)


@pytest.mark.parametrize("old", QUICK)
def test_a_few_types_to_a_few_others(aaiclick_engine: EmbeddedEngine, old: str) -> None:
    assert walked(aaiclick_engine, old, [new for new in QUICK if new != old]) == []


@pytest.mark.proof
@pytest.mark.parametrize("old", TYPES)
def test_every_type_to_every_other(aaiclick_engine: EmbeddedEngine, old: str) -> None:
    assert walked(aaiclick_engine, old, [new for new in TYPES if new != old]) == []


def walked(engine: EmbeddedEngine, old: str, targets: list[str]) -> list[str]:
    """What is wrong, in words."""
    engine.command(PERMISSIVE)
    found: list[str] = []
    for value in TYPES[old]:
        source = f"(SELECT materialize(CAST({value}, {quote_string(old)})) AS x)"
        for new in targets:
            wrong = _wrong(engine, old, new, source)
            if wrong:
                found.append(f"{old} {value} -> {new}: {wrong}")
    return found


def _wrong(engine: EmbeddedEngine, old: str, new: str, source: str) -> str:
    reference, unfit, differs = questions(old, new)
    asked = _ask(engine, f"SELECT {unfit}, {differs} FROM {source}")
    unproven = isinstance(asked, str) and any(code in asked for code in NO_CONVERSION)
    flagged = not isinstance(asked, str) and asked[0] != ("0", "0")
    made = _ask(engine, f"SELECT toString(x), toString({reference}) FROM {source}")
    if isinstance(made, str):
        if any(code in made for code in NO_CONVERSION) or named(old, new):
            return ""
        return "" if flagged or isinstance(asked, str) else f"it fails, and nothing said so ({made[:90]})"
    if isinstance(asked, str):
        return "" if unproven else f"its check fails ({asked[:200]})"
    back = _ask(
        engine,
        f"SELECT formatRow('RowBinary', x) = formatRow('RowBinary', CAST({reference}, {quote_string(old)})) FROM "
        f"{source}",
    )
    seen = Seen(made[0][0], made[0][1], None if isinstance(back, str) else back[0] == ("1",))
    if not flagged and lost(old, new, seen):
        return f"another value, and nothing said so ({seen})"
    if flagged and seen.back and seen.old == seen.new and "\0" not in seen.old and "FixedString" not in old:
        return f"a false alarm ({asked[0]}, {seen})"
    return ""


def named(old: str, new: str) -> bool:
    """Asked for by name, whatever the rows are."""
    return bool(values.unproven(old, new)) or any(relabelled(*pair) for pair in enum_pairs(old, new))


def _ask(engine: EmbeddedEngine, sql: str) -> list[tuple[str, ...]] | str:
    try:
        answer = engine.command(sql)
    except RuntimeError as error:
        return str(error)
    return [tuple(line.split("\t")) for line in answer.rstrip("\n").split("\n")]


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ("Array({})", r"['it\'s', 'ü']"),
        ("Array(Nullable({}))", r"['b,\\', NULL]"),
        ("Map(String, {})", r"map('k', 'b,\\')"),
        ("Map({}, String)", "map('ü', 'x')"),
        ("Map({0}, Array({0}))", r"map('ü', ['it\'s'])"),
        ("Tuple(UInt8, {})", r"(1, 'it\'s')"),
        ("Tuple(`a b` UInt8, e {})", r"(1, 'it\'s')"),
        ("Array(Tuple(n UInt8, e Nullable({})))", "[(1, 'ü'), (2, NULL)]"),
        ("Array(Array(Map(String, Tuple({0}, {0}))))", "[[map('k', ('ü', 'ü'))], []]"),
        ("Nested(e {}, n UInt8)", "[('ü', 1)]"),
        ("SimpleAggregateFunction(anyLast, {})", "'ü'"),
    ],
)
def test_labels_go_by_their_text_at_every_depth(aaiclick_engine: EmbeddedEngine, shape: str, value: str) -> None:
    before, after = r"Enum8('it\'s' = 1, 'b,\\' = 2, 'ü' = 3)", r"Enum16('ü' = 1, 'it\'s' = 700, 'b,\\' = 2)"
    old, new = shape.format(before), shape.format(after)
    _, unfit, differs = questions(old, new)
    source = f"(SELECT materialize(CAST({value}, {quote_string(old)})) AS x)"
    made = conversion("x", old, new)
    shown = (
        f"toString(x) = toString({made}), toTypeName({made}) = toTypeName(defaultValueOfTypeName({quote_string(new)}))"
    )
    assert _ask(aaiclick_engine, f"SELECT {shown}, {unfit}, {differs} FROM {source}") == [("1", "1", "0", "0")]
    assert not in_place(old, new)
