"""New columns that are filled from what the same version changes: a column of another type or default that old parts
lack, an ALIAS with another expression, and through each other.

Made with dice of its own, so that the same number still makes the same tables, rows and changes without it.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.fuzz.kinds import retyped
from tests.fuzz.lives import INNER, Life, Side, laid, read_as
from tests.fuzz.schema import World
from tests.fuzz.types import Type, plain
from tests.fuzz.values import literal

SHARE = 0.06
"""Of all cases."""
TEXT, NUMBER = plain("String"), plain("UInt64")


def filled_from_changed(seed: int, tag: str, case: World, always: bool = False) -> World:
    """The case with a changed column, mostly an ALIAS over it, and new columns that read them."""
    rng = Random(f"older {seed}")
    if not always and rng.random() >= SHARE:
        return case
    if any(state.tables[0].engine.name == "AggregatingMergeTree" for state in (case.before, case.after)):
        return case
    lives = [_changed(rng)]
    if rng.random() < 0.65:
        lives.append(_alias(rng, lives))
    if rng.random() < 0.4:
        lives.append(_older_reader(rng, lives))
    for name in ("q", "r")[: rng.choice((1, 1, 2))]:
        lives.append(Life(None, _side(rng, name, lives, ("DEFAULT", "DEFAULT", "MATERIALIZED", "ALIAS"))))
    return laid(rng, case, lives, "filled from what changes")


def _changed(rng: Random) -> Life:
    kind = rng.choice(INNER)
    late = rng.random() < 0.6
    said = ("DEFAULT", literal(rng, kind, 0.0)) if rng.random() < (0.7 if late else 0.2) else ("", "")
    was = Side("p", kind, *said)
    dice = rng.random()
    if dice < 0.65:
        other = retyped(rng, kind)
        keeps = said if not said[0] or rng.random() < 0.7 else ("DEFAULT", literal(rng, other, 0.0))
        return Life(was, Side("p" if rng.random() < 0.8 else "p2", other, *keeps), late)
    if dice < 0.85:
        return Life(was, Side("p", kind, "DEFAULT", literal(rng, kind, 0.0)), late)
    return Life(was, was, late)


def _alias(rng: Random, lives: list[Life]) -> Life:
    """Its expression or type changes, or it is stored from now on."""
    was = _side(rng, "l", lives, ("ALIAS",))
    dice = rng.random()
    if dice < 0.5:
        return Life(was, _side(rng, "l", lives, ("ALIAS",)), rng.random() < 0.3)
    if dice < 0.7:
        return Life(was, replace(was, kind=rng.choice(("DEFAULT", "MATERIALIZED"))), rng.random() < 0.3)
    if dice < 0.85:
        return Life(was, _side(rng, "l", lives, ("DEFAULT", "MATERIALIZED")), rng.random() < 0.3)
    return Life(was, was, rng.random() < 0.3)


def _older_reader(rng: Random, lives: list[Life]) -> Life:
    was = _side(rng, "s", lives, ("DEFAULT", "MATERIALIZED"))
    now = was if rng.random() < 0.6 else _side(rng, "s", lives, ("DEFAULT", "MATERIALIZED"))
    return Life(was, now, rng.random() < 0.7)


def _side(rng: Random, name: str, lives: list[Life], kinds: tuple[str, ...]) -> Side:
    """A column that reads one or two of the others."""
    kind: Type = rng.choice((TEXT, TEXT, NUMBER))
    places = rng.sample(range(len(lives)), min(len(lives), rng.choice((1, 1, 2))))
    read: list[str] = []
    for place in places:
        now = lives[place].now
        assert now is not None
        read.append(read_as(rng, kind, place, now.type))
    joined = read[0] if len(read) == 1 else f"concat({', '.join(read)})" if kind == TEXT else " + ".join(read)
    return Side(name, kind, rng.choice(kinds), joined)
