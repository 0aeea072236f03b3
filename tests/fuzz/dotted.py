"""Columns with a dot in their names: leaves of a Nested, lone ones, and arrays beside others of the same beginning.

Made with dice of its own, so that the same number still makes the same tables, rows and changes without it.
"""

from __future__ import annotations

from random import Random

from tests.fuzz.kinds import retyped
from tests.fuzz.lives import INNER, Life, Side, laid, read_as
from tests.fuzz.schema import World
from tests.fuzz.types import Type, plain

SHARE = 0.06
"""Of all cases."""
BEGINNINGS = ("m", "m", "m", "m.x", "m m")


def dotted(seed: int, tag: str, case: World, always: bool = False) -> World:
    """The case with such columns, and mostly one more that reads one of them."""
    rng = Random(f"dotted {seed}")
    if not always and rng.random() >= SHARE:
        return case
    if any(state.tables[0].engine.name == "AggregatingMergeTree" for state in (case.before, case.after)):
        return case
    beginning, arrays = rng.choice(BEGINNINGS), rng.choice((1.0, 1.0, 1.0, 0.0, 0.5))
    lives: list[Life] = []
    for leaf in rng.sample("abcd", rng.choice((1, 2, 2, 3, 3))):
        lives.append(_leaf(rng, f"{beginning}.{leaf}", rng.random() < arrays, lives))
    if rng.random() < 0.6:
        lives.append(_reader(rng, lives))
    return laid(rng, case, lives, "names with dots")


def _leaf(rng: Random, name: str, array: bool, others: list[Life]) -> Life:
    inner = rng.choice(INNER)
    kind = Type("Array", (inner,)) if array else inner
    said = _default(rng, kind, others) if rng.random() < 0.4 else ("", "")
    was = Side(name, kind, *said)
    late = rng.random() < 0.4
    dice = rng.random()
    if dice < 0.2:
        return Life(was, was, late)
    if dice < 0.5:
        other = retyped(rng, inner)
        other = inner if other.name in {"Array", "Map", "Tuple", "JSON", "Variant", "Dynamic"} else other
        return Life(was, Side(name, Type("Array", (other,)) if array else other, *said), late)
    if dice < 0.7:
        return Life(None, was)
    if dice < 0.78:
        return Life(was, None, late)
    if dice < 0.88:
        return Life(was, Side(f"{name}2", kind, *said), late)
    return Life(was, Side(name, kind, *_default(rng, kind, others)), late)


def _default(rng: Random, kind: Type, others: list[Life]) -> tuple[str, str]:
    which = rng.choice(("DEFAULT", "DEFAULT", "MATERIALIZED", "ALIAS"))
    sources = [place for place, life in enumerate(others) if life.now is not None]
    if not sources:
        return (
            which,
            f"CAST({'[]' if kind.name == 'Array' else 'defaultValueOfTypeName(' + _text(kind) + ')'} AS {kind.sql})",
        )
    source = rng.choice(sources)
    side = others[source].now
    assert side is not None
    return which, read_as(rng, kind, source, side.type)


def _text(kind: Type) -> str:
    return "'" + kind.sql.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _reader(rng: Random, lives: list[Life]) -> Life:
    kind = rng.choice((plain("String"), plain("UInt64")))
    one, two = (Side("reader", kind, *_default(rng, kind, lives)) for _ in range(2))
    dice = rng.random()
    if dice < 0.4:
        return Life(None, one)
    if dice < 0.7:
        return Life(one, one, rng.random() < 0.6)
    return Life(one, two, rng.random() < 0.6)
