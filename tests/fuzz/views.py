"""Views, materialized views and dictionaries over a table, and what becomes of them when the table changes."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.fuzz import expressions as ex
from tests.fuzz.generate import QUIET
from tests.fuzz.schema import Column, Dictionary, Engine, State, Table, View
from tests.fuzz.types import INTEGERS, Type, holds, plain, quoted

TARGET = "target"


def viewed(rng: Random, table: Table, tag: str = "") -> State:
    """The table with one to three things that read it."""
    state = State((table,))
    for place in range(rng.choice((1, 1, 2))):
        state = _more(rng, state, table, f"v{place}{tag}", f"{TARGET}{tag}")
    return state


def _more(rng: Random, state: State, table: Table, name: str, target_name: str) -> State:
    dice = rng.random()
    if dice < 0.45:
        source = (
            rng.choice(state.views).name
            if state.views and not state.views[0].materialized and rng.random() < 0.4
            else ""
        )
        query = f"SELECT * FROM {{db}}.{quoted(source)}" if source else _select(rng, table)
        return replace(state, views=(*state.views, View(name, query, declared=rng.random() < 0.75)))
    if dice < 0.65 and state.table(target_name) is None:
        query, columns, key = _grouped(rng, table)
        target = Table(target_name, columns, Engine("SummingMergeTree"), (quoted(key),) if key else (), settings=QUIET)
        return replace(
            state, tables=(*state.tables, target), views=(*state.views, View(name, query, True, target.name))
        )
    if dice < 0.85:
        query, _, key = _grouped(rng, table)
        return replace(
            state,
            views=(
                *state.views,
                View(name, query, True, engine=Engine("SummingMergeTree"), order_by=(quoted(key),) if key else ()),
            ),
        )
    return _dictionary(rng, state, table, name)


def _readable(table: Table) -> list[Column]:
    return [
        column for column in table.columns if column.kind != "EPHEMERAL" and not column.late and "." not in column.name
    ]


def _select(rng: Random, table: Table) -> str:
    """A plain view's query."""
    name = f"{{db}}.{quoted(table.name)}"
    there = _readable(table)
    dice = rng.random()
    if dice < 0.4 or not there:
        return f"SELECT * FROM {name}"
    picked = rng.sample(there, rng.randint(1, min(3, len(there))))
    if dice < 0.7:
        return f"SELECT {', '.join(quoted(column.name) for column in picked)} FROM {name}"
    if dice < 0.85 or holds(picked[0].type, "AggregateFunction", "Variant", "Dynamic", "JSON"):
        return (
            "SELECT "
            f"{', '.join(f'toString({ex.finished(column)}) AS s{place}' for place, column in enumerate(picked))} "
            f"FROM {name}"
        )
    return f"SELECT {quoted(picked[0].name)}, count() AS n FROM {name} GROUP BY {quoted(picked[0].name)}"


def _grouped(rng: Random, table: Table) -> tuple[str, tuple[Column, ...], str]:
    """A materialized view's query, the columns of its target, and the sort key among them."""
    keys = [column for column in _readable(table) if ex.may_be_key(column) and column.kind != "ALIAS"]
    numbers = [column for column in _readable(table) if column.type.name in INTEGERS and column.stored]
    key = rng.choice(keys) if keys and rng.random() < 0.9 else None
    items, columns = ["count() AS `n`"], [Column("n", plain("UInt64"))]
    if numbers and rng.random() < 0.4:
        number = rng.choice(numbers)
        wide = Type(
            ("U" if number.type.name.startswith("U") else "")
            + f"Int{max(64, int(number.type.name.rpartition('Int')[2]))}"
        )
        items.append(f"sum({quoted(number.name)}) AS `total`")
        columns.append(Column("total", wide))
    if key is not None:
        items.insert(0, f"{quoted(key.name)} AS `key`")
        columns.insert(0, Column("key", key.type))
    group = f" GROUP BY {quoted(key.name)}" if key is not None else ""
    return (
        f"SELECT {', '.join(items)} FROM {{db}}.{quoted(table.name)}{group}",
        tuple(columns),
        "key" if key is not None else "",
    )


def _dictionary(rng: Random, state: State, table: Table, name: str) -> State:
    key = table.columns[0]
    values = [
        c
        for c in _readable(table)[1:]
        if c.type.name in {"String", "UInt8", "UInt32", "UInt64", "Int64", "Float64", "Date"}
        and c.kind in {"", "DEFAULT"}
    ]
    if key.type.name != "UInt64" or key.kind or not values:
        return state
    one = rng.choice(values)
    columns = (Column(key.name, key.type), Column(one.name, one.type))
    return replace(state, dictionaries=(*state.dictionaries, Dictionary(name, table.name, columns)))


def followed(rng: Random, before: State, after: Table) -> tuple[State, State]:
    """What is declared next: the same views over the changed table, with what it renamed. A materialized view over what
    goes was never there."""
    old = before.tables[0]
    gone = [column.name for column in old.columns if not any(new.old_name == column.name for new in after.columns)]
    renames = {column.source: column.name for column in after.columns if column.source}
    tables = [after, *before.tables[1:]]
    views: list[View] = []
    for view in tuple(before.views):
        query = view.query.replace(f"{{db}}.{quoted(old.name)}", f"{{db}}.{quoted(after.name)}")
        if not view.declared and (query != view.query or _reads(before, view, [*gone, *renames])):
            continue  # nobody says what is to become of it
        for was, now in renames.items():
            query = query.replace(quoted(was), quoted(now))
        if any(quoted(name) in query for name in gone) or (view.declared and rng.random() < 0.1):
            if not view.materialized:
                query = _select(rng, after)
            elif any(quoted(name) in query for name in gone):
                before = replace(before, views=tuple(other for other in before.views if other is not view))
                continue
        views.append(replace(view, query=query))
        tables = [_retyped_target(rng, table, view, query, after) for table in tables]
    before = replace(before, dictionaries=tuple(one for one in before.dictionaries if not _lost(one, gone)))
    return before, State(
        tuple(tables), tuple(views), tuple(_followed(one, renames, after) for one in before.dictionaries)
    )


def _reads(state: State, view: View, names: list[str]) -> bool:
    """The view reads one of the columns, by name or because it reads all of them, also by way of another view."""
    if "*" in view.query and "{db}.`v" not in view.query:
        return bool(names)
    under = [other for other in state.views if f"{{db}}.{quoted(other.name)}" in view.query]
    return any(quoted(name) in view.query for name in names) or any(_reads(state, other, names) for other in under)


def _retyped_target(rng: Random, table: Table, view: View, query: str, source: Table) -> Table:
    """The key of a target mostly gets the type of the column that it is made from."""
    if table.name != view.to or "AS `key`" not in query or rng.random() < 0.25:
        return table
    made = query.partition(" AS `key`")[0].removeprefix("SELECT ")
    column = next((one for one in source.columns if quoted(one.name) == made), None)
    if column is None:
        return table
    return replace(
        table, columns=tuple(replace(one, type=column.type) if one.name == "key" else one for one in table.columns)
    )


def _lost(one: Dictionary, gone: list[str]) -> bool:
    return any(column.name in gone for column in one.columns)


def _followed(one: Dictionary, renames: dict[str, str], after: Table) -> Dictionary:
    columns = tuple(replace(column, name=renames.get(column.name, column.name)) for column in one.columns)
    types = {column.name: column.type for column in after.columns}
    return replace(one, table=after.name, columns=tuple(replace(column, type=types[column.name]) for column in columns))
