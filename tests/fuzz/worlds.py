"""A whole case from one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tests.fuzz import expressions as ex
from tests.fuzz import generate as make
from tests.fuzz.anew import dropped_between
from tests.fuzz.changes import changed
from tests.fuzz.dotted import dotted
from tests.fuzz.joins import joined
from tests.fuzz.older import filled_from_changed
from tests.fuzz.schema import State, Table, World
from tests.fuzz.sessions import session_of
from tests.fuzz.types import INTEGERS, quoted
from tests.fuzz.views import followed, viewed
from tests.fuzz.wide import widened

KINDS = {"dots": dotted, "older": filled_from_changed}
"""What ``--only`` can be told to play: a small table with nothing but that, and at times one ordinary change."""


def world(seed: int, tag: str = "", only: Sequence[str] = ()) -> World:
    """The same number makes the same case. A ``tag`` keeps the names of several cases in one database apart. ``only``
    are those of ``KINDS`` that every case is to have."""
    if only:
        return _narrow(seed, tag, only)
    rng = Random(seed)
    before = make.random_table(rng, rng.choice(("t", "t", "t", "t`b", "it's")) + tag)
    after, changes = changed(rng, before)
    if rng.random() < 0.03:
        after = replace(after, name=f"moved{tag}", source=before.name)
        changes = (*changes, "rename table")
    first, then = State((before,)), State((after,))
    if rng.random() < 0.25:
        first, then = followed(rng, viewed(rng, before, tag), after)
    keys: dict[str, list[str]] = {}
    inserted = make.batches(rng, before, keys)
    later = make.batches(rng, after, {}, 1, late=True) if rng.random() < 0.6 else ()
    case = World(
        seed,
        first,
        then,
        inserted,
        touches(rng, before),
        later,
        rng.random() < 0.5,
        rng.random() < 0.4,
        rng.random() < 0.4,
        changes=changes,
    )
    wide = widened(seed, tag, migrated(rng, case) if rng.random() < 0.03 else case)
    stopped = any(view.refresh for view in wide.before.views) and Random(f"stopped {seed}").random() < 0.4
    case = dropped_between(seed, replace(joined(seed, tag, wide), session=session_of(seed), stopped=stopped))
    for draw in KINDS.values():
        case = draw(seed, tag, case)
    return _declarable(case)


def _declarable(case: World) -> World:
    """No column has the former name of another one: where an engine has got a new ``ver`` behind the rename of one,
    that one keeps its values and the other is new. Where a version in between drops a column, its migration says
    nothing else, so the declaration says what is renamed."""

    def apart(item: Table) -> Table:
        names = {column.name for column in item.columns}
        columns = tuple(replace(each, source="") if each.source in names else each for each in item.columns)
        return item if columns == item.columns else replace(item, columns=columns)

    after = replace(case.after, tables=tuple(apart(item) for item in case.after.tables))
    return replace(case, after=after, renamed_by_migration=case.renamed_by_migration and not case.anew)


def _narrow(seed: int, tag: str, only: Sequence[str]) -> World:
    rng = Random(f"only {seed}")
    before = make.random_table(rng, f"t{tag}", rng.choice((0, 0, 1)))
    after, changes = (
        changed(rng, before)
        if rng.random() < 0.2
        else (replace(before, columns=tuple(replace(column, late=False) for column in before.columns)), ())
    )
    later = make.batches(rng, after, {}, 1, late=True) if rng.random() < 0.6 else ()
    given = make.batches(rng, before, {}, 2)
    case = World(
        seed,
        State((before,)),
        State((after,)),
        (*given[:1], *(replace(batch, late=True) for batch in given[1:])),
        touches(rng, before),
        later,
        rng.random() < 0.5,
        rng.random() < 0.4,
        rng.random() < 0.4,
        changes=changes,
    )
    for name in only:
        case = KINDS[name](seed, tag, case, True)
    return case


def migrated(rng: Random, case: World) -> World:
    """A migration says what a column is made of, or which rows stay."""
    before, after = case.before.tables[0], case.after.tables[0]
    made = [
        column
        for column in after.columns
        if column.insertable and column.type.bare.name in {*INTEGERS, "String"} and "." not in column.name
    ]
    column = rng.choice(made) if made and rng.random() < 0.8 else None
    readable = [one for one in before.columns if one.kind != "EPHEMERAL" and one.type.name != "AggregateFunction"]
    rebuilt = (
        ((column.name, f"CAST({ex.computed(rng, column.type, readable)} AS {column.type.sql})"),)
        if column is not None and readable
        else ()
    )
    where = "cityHash64(toString(`k`)) % 3 != 0" if before.column("k") and (not rebuilt or rng.random() < 0.3) else ""
    return replace(case, rebuilt=rebuilt, where=where, changes=(*case.changes, "migration"))


def touches(rng: Random, table: Table) -> tuple[str, ...]:
    """What happens to the rows before the change."""
    name = f"{{db}}.{quoted(table.name)}"
    made: list[str] = []
    if rng.random() < 0.12 and not table.projections:
        made.append(f"DELETE FROM {name} WHERE cityHash64(toString(`k`)) % 3 = 0")
    plain = [
        c
        for c in table.columns
        if c.kind in {"", "DEFAULT"}
        and not c.late
        and c.type.name == "String"
        and quoted(c.name) not in "".join(table.order_by) + table.partition_by
    ]
    if plain and dict(table.settings).get("enable_block_number_column") and table.engine.name == "MergeTree":
        made.append(f"UPDATE {name} SET {quoted(plain[0].name)} = 'patched' WHERE cityHash64(toString(`k`)) % 2 = 0")
    if rng.random() < 0.06:
        made.append(f"OPTIMIZE TABLE {name} FINAL")
    return tuple(made)
