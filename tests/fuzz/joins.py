"""Views that join the table with another one, which stays as it is.

Made with dice of its own, so that the same number still makes the same tables, rows and changes without it.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.fuzz import expressions as ex
from tests.fuzz.generate import QUIET
from tests.fuzz.schema import Batch, Column, Engine, State, Table, View, World
from tests.fuzz.types import holds, plain, quoted

SHARE = 0.08
"""Of all cases."""
JOINS = ("INNER JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN")
Pair = tuple[Column, Column]


def joined(seed: int, tag: str, case: World) -> World:
    """The case with a second table, and a view over both."""
    rng = Random(f"join {seed}")
    if rng.random() >= SHARE:
        return case
    before, after = case.before.tables[0], case.after.tables[0]
    pairs = [
        (was, column)
        for column in after.columns
        if (was := before.column(column.old_name)) is not None and _plain(was) and _plain(column)
    ]
    keys = [pair for pair in pairs if all(ex.may_be_key(column) for column in pair)]
    if not keys:
        return case
    key, shown = rng.choice(keys), rng.sample(pairs, min(len(pairs), rng.choice((1, 2))))
    other = Table(
        f"other{tag}",
        (Column("key", plain("String")), Column(rng.choice(("o", "o", "x1")), plain("String"))),
        order_by=("`key`",),
        settings=QUIET,
    )
    if any(table.column(other.columns[1].name) for table in (before, after)):
        other = replace(other, columns=(other.columns[0], Column("o", plain("String"))))
    name, what, how = f"j{tag}", rng.choice(("named", "bare", "star", "materialized")), rng.choice(JOINS)
    states = tuple(
        _with_view(state, other, _view(name, what, how, state.tables[0], other, key[side], [s[side] for s in shown]))
        for side, state in enumerate((case.before, case.after))
    )
    rows = _rows(rng, case, before, key[0], other)
    return replace(case, before=states[0], after=states[1], batches=(Batch(other.name, rows), *case.batches))


def _plain(column: Column) -> bool:
    return (
        column.stored
        and not column.late
        and "." not in column.name
        and not holds(column.type, "AggregateFunction", "SimpleAggregateFunction", "Variant", "Dynamic", "JSON")
    )


def _view(name: str, what: str, how: str, table: Table, other: Table, key: Column, shown: list[Column]) -> View:
    one = other.columns[1].name
    source = (
        f"FROM {{db}}.{quoted(table.name)} AS l {how} {{db}}.{quoted(other.name)} AS r ON "
        f"toString(l.{quoted(key.name)}) = r.`key`"
    )
    there = "SEMI" not in how and "ANTI" not in how
    if what == "materialized":
        by = f"r.{quoted(one)}" if there else f"toString(l.{quoted(key.name)})"
        query = f"SELECT ifNull({by}, '') AS `key`, count() AS `n` {source} GROUP BY `key`"
        return View(name, query, True, engine=Engine("SummingMergeTree"), order_by=("`key`",))
    before = "" if what == "bare" else "l."
    listed = [f"{before}{quoted(column.name)} AS s{place}" for place, column in enumerate(shown)]
    listed = ["l.*"] if what == "star" else listed
    return View(name, f"SELECT {', '.join([*listed, *([f'r.{quoted(one)}'] if there else [])])} {source}")


def _with_view(state: State, other: Table, view: View) -> State:
    return replace(state, tables=(*state.tables, other), views=(*state.views, view))


def _rows(rng: Random, case: World, table: Table, key: Column, other: Table) -> tuple[dict[str, str], ...]:
    """Some with the keys of rows, some without a row."""
    known = [
        row[key.name] for batch in case.batches if batch.table == table.name for row in batch.rows if key.name in row
    ]
    picked = rng.sample(known, min(len(known), 3))
    values = [f"ifNull(toString({value}), '')" for value in picked] + ["'nobody'"]
    return tuple({"key": value, other.columns[1].name: f"'o{place}'"} for place, value in enumerate(values))
