"""Random changes from one table to the next declaration of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.fuzz import expressions as ex
from tests.fuzz import generate as make
from tests.fuzz import kinds
from tests.fuzz.kinds import labels_moved, retyped
from tests.fuzz.schema import Column, Constraint, Table
from tests.fuzz.types import inside, quoted

Change = Callable[[Random, Table], "Table | None"]


def renamed_in(table: Table, old: str, new: str) -> Table:
    """Every expression reads the column by its new name."""
    before, after = quoted(old), quoted(new)

    def swap(expression: str) -> str:
        return expression.replace(before, after)

    return replace(
        table,
        columns=tuple(replace(column, expr=swap(column.expr), ttl=swap(column.ttl)) for column in table.columns),
        engine=replace(table.engine, columns=tuple(new if name == old else name for name in table.engine.columns)),
        order_by=tuple(map(swap, table.order_by)),
        primary_key=tuple(map(swap, table.primary_key)),
        partition_by=swap(table.partition_by),
        sample_by=swap(table.sample_by),
        ttl=swap(table.ttl),
        indexes=tuple(replace(item, expr=swap(item.expr)) for item in table.indexes),
        projections=tuple(replace(item, query=swap(item.query)) for item in table.projections),
        constraints=tuple(replace(item, expr=swap(item.expr)) for item in table.constraints),
    )


def without(table: Table, name: str) -> Table | None:
    """The table without a column and everything that reads it; None where nothing would be left."""
    seen = quoted(name)
    columns = tuple(
        _plain(column) if seen in column.expr else column for column in table.columns if column.name != name
    )
    order = tuple(part for part in table.order_by if seen not in part)
    if not any(column.stored for column in columns) or name in table.engine.columns:
        return None
    primary = tuple(part for part in table.primary_key if part in order)
    return replace(
        table,
        columns=tuple(replace(column, ttl="") if seen in column.ttl else column for column in columns),
        order_by=order,
        primary_key=primary if primary == order[: len(primary)] else (),
        partition_by="" if seen in table.partition_by else table.partition_by,
        sample_by="" if seen in table.sample_by else table.sample_by,
        ttl="" if seen in table.ttl else table.ttl,
        indexes=tuple(item for item in table.indexes if seen not in item.expr),
        projections=tuple(item for item in table.projections if seen not in item.query),
        constraints=tuple(item for item in table.constraints if seen not in item.expr),
    )


def _plain(column: Column) -> Column:
    return replace(column, kind="", expr="", late=False)


def with_column(table: Table, column: Column) -> Table:
    """The column in the place of the one of its name."""
    return replace(table, columns=tuple(column if other.name == column.name else other for other in table.columns))


def retype(rng: Random, table: Table) -> Table | None:
    column = rng.choice(table.columns)
    if column.name in table.engine.columns and rng.random() < 0.7:
        return None
    kind = retyped(rng, column.type)
    if column.kind and column.expr.startswith("CAST("):
        return with_column(table, replace(column, type=kind, expr=f"CAST({column.expr} AS {kind.sql})"))
    return with_column(table, replace(column, type=kind)) if kind != column.type else None


def same_bytes(rng: Random, table: Table) -> Table | None:
    """Another type over the same bytes, which the server changes as metadata: another zone, a DateTime as a number, a
    label as its number."""
    having = [column for column in table.columns if kinds.over_the_same_bytes(column.type) and not column.kind]
    computed = " ".join(
        (
            *table.order_by,
            table.partition_by,
            *(item.expr for item in table.indexes),
            *(item.query for item in table.projections),
        )
    )
    read = [column for column in having if f"({quoted(column.name)})" in computed]
    if not having:
        return None
    column = rng.choice(read or having)
    return with_column(table, replace(column, type=rng.choice(kinds.over_the_same_bytes(column.type))))


def move_labels(rng: Random, table: Table) -> Table | None:
    """Members put in the middle, numbers moved, Enum8 to Enum16: wherever an Enum is in a column."""
    having = [
        column
        for column in table.columns
        if any(part.is_enum for part in inside(column.type)) and not column.expr.startswith("CAST(")
    ]
    if not having:
        return None
    column = rng.choice(having)
    return with_column(table, replace(column, type=labels_moved(rng, column.type)))


def add_column(rng: Random, table: Table) -> Table | None:
    taken = {column.source for column in table.columns}
    free = [name for name in make.NAMES if table.column(name) is None and name not in taken]
    column = replace(make.random_column(rng, rng.choice(free), list(table.columns), table.engine.name), late=False)
    place = rng.randrange(len(table.columns) + 1)
    return replace(table, columns=(*table.columns[:place], column, *table.columns[place:]))


def drop_column(rng: Random, table: Table) -> Table | None:
    return without(table, rng.choice(table.columns[1:]).name) if len(table.columns) > 1 else None


def rename_column(rng: Random, table: Table) -> Table | None:
    column = rng.choice(table.columns)
    taken = {column.source for column in table.columns}
    free = [
        name
        for name in (*make.NAMES, "renamed")
        if table.column(name) is None and "." not in name and name not in taken
    ]
    if column.source or "." in column.name:
        return None
    new = rng.choice(free)
    table = renamed_in(table, column.name, new)
    return replace(
        table,
        columns=tuple(replace(c, name=new, source=column.name) if c.name == column.name else c for c in table.columns),
    )


def change_default(rng: Random, table: Table) -> Table | None:
    column = rng.choice(table.columns[1:] or table.columns)
    if (
        column.name in make.roles(table)
        or column.type.name == "AggregateFunction"
        or (column.kind == "ALIAS" and rng.random() < 0.5)
    ):
        return None
    others = [other for other in table.columns if other.name != column.name and quoted(column.name) not in other.expr]
    if column.kind in {"", "DEFAULT"} and rng.random() < 0.7:
        expr = ex.default(rng, column.type, others)[1] or ex.constant(rng, column.type)
        return with_column(table, replace(column, kind="DEFAULT", expr=expr))
    if column.kind and rng.random() < 0.3:
        return with_column(table, replace(column, kind="", expr=""))
    kind, expr = ex.default(rng, column.type, others)
    if kind in {"ALIAS", "EPHEMERAL"} and (_keyed(table, column) or rng.random() < 0.6):
        return None
    return with_column(table, replace(column, kind=kind, expr=expr, codec=""))


def _keyed(table: Table, column: Column) -> bool:
    seen = quoted(column.name)
    return any(
        seen in part
        for part in (
            *table.order_by,
            table.partition_by,
            table.sample_by,
            table.ttl,
            *(item.expr for item in table.indexes),
        )
    )


def change_codec(rng: Random, table: Table) -> Table | None:
    column = rng.choice(table.columns)
    return with_column(table, replace(column, codec=rng.choice(make.CODECS))) if column.stored else None


def change_comment(rng: Random, table: Table) -> Table | None:
    if rng.random() < 0.4:
        return replace(table, comment=rng.choice(make.COMMENTS))
    return with_column(table, replace(rng.choice(table.columns), comment=rng.choice(make.COMMENTS)))


def change_order(rng: Random, table: Table) -> Table | None:
    usable = [column for column in table.columns if ex.may_be_key(column) and column.name not in make.roles(table)]
    if not usable:
        return None
    dice = rng.random()
    if dice < 0.35:
        order = (*table.order_by, ex.key(rng, rng.choice(usable)))
    elif dice < 0.55 and len(table.order_by) > 1:
        order = table.order_by[:-1]
    elif dice < 0.7:
        order = tuple(reversed(table.order_by))
    else:
        order = tuple(ex.key(rng, column) for column in rng.sample(usable, min(len(usable), rng.choice((1, 2)))))
    order = tuple(dict.fromkeys(order))
    if table.sample_by and table.sample_by not in order:
        order = (*order, table.sample_by)
    return replace(
        table,
        order_by=order,
        primary_key=() if table.primary_key != order[: len(table.primary_key)] else table.primary_key,
    )


def change_partition(rng: Random, table: Table) -> Table | None:
    usable = [column for column in table.columns if ex.may_be_key(column)]
    if not usable:
        return None
    return replace(
        table, partition_by="" if table.partition_by and rng.random() < 0.5 else ex.partition(rng, rng.choice(usable))
    )


def change_engine(rng: Random, table: Table) -> Table | None:
    name = rng.choice(("MergeTree", "MergeTree", *make.SPECIAL))
    engine, more = make.random_engine(rng, name, list(table.columns))
    missing = [column for column in more if table.column(column.name) is None]
    if name == "AggregatingMergeTree" and not _aggregates(table):
        return None
    if any((there := table.column(column.name)) is not None and there.kind for column in more):
        return None
    if missing and rng.random() < 0.6:
        return None
    return replace(
        table, engine=engine, columns=(*table.columns, *(replace(c, kind="DEFAULT", expr="1") for c in missing))
    )


def _aggregates(table: Table) -> bool:
    """Nothing but keys and aggregates, or the engine refuses to be made."""
    return all(
        column.type.name.endswith("AggregateFunction") or not column.stored or _keyed(table, column)
        for column in table.columns
    )


def change_index(rng: Random, table: Table) -> Table | None:
    if table.indexes and rng.random() < 0.4:
        return replace(table, indexes=table.indexes[:-1])
    item = make.index(
        rng,
        f"ix{len(table.indexes)}" if rng.random() < 0.7 or not table.indexes else table.indexes[0].name,
        rng.choice(table.columns),
    )
    return (
        replace(table, indexes=(*(other for other in table.indexes if other.name != item.name), item))
        if item is not None
        else None
    )


def change_projection(rng: Random, table: Table) -> Table | None:
    if table.engine.name != "MergeTree":
        return None
    if table.projections and rng.random() < 0.5:
        return replace(table, projections=())
    return (
        replace(table, projections=(make.projection(rng, table),)) if any(map(ex.may_be_key, table.columns)) else None
    )


def change_constraint(rng: Random, table: Table) -> Table | None:
    if table.constraints and rng.random() < 0.5:
        return replace(table, constraints=())
    column = rng.choice(table.columns)
    return replace(
        table,
        constraints=(
            Constraint(
                "ck", f"isNotNull({quoted(column.name)}) AND cityHash64(toString({quoted(column.name)})) % 6 != 0"
            )
            if rng.random() < 0.3
            else make.constraint(rng, column),
        ),
    )


def change_ttl(rng: Random, table: Table) -> Table | None:
    return replace(table, ttl="" if table.ttl and rng.random() < 0.5 else make.ttl_over(rng, table))


def change_settings(rng: Random, table: Table) -> Table | None:
    settings = dict(table.settings)
    name, values = rng.choice(
        (
            ("min_bytes_for_wide_part", ("0", "1000000")),
            ("index_granularity", ("2", "5", "8192")),
            ("ttl_only_drop_parts", ("1",)),
            ("enable_block_number_column", ("1",)),
        )
    )
    settings[name] = rng.choice(values)
    return replace(table, settings=tuple(settings.items()))


def reorder(rng: Random, table: Table) -> Table | None:
    return replace(table, columns=tuple(rng.sample(table.columns, len(table.columns))))


CHANGES: dict[str, tuple[int, Change]] = {
    "retype": (40, retype),
    "labels": (24, move_labels),
    "same bytes": (10, same_bytes),
    "add column": (12, add_column),
    "drop column": (6, drop_column),
    "rename column": (12, rename_column),
    "default": (12, change_default),
    "codec": (3, change_codec),
    "comment": (3, change_comment),
    "sort key": (8, change_order),
    "partition key": (5, change_partition),
    "engine": (6, change_engine),
    "index": (8, change_index),
    "projection": (4, change_projection),
    "constraint": (4, change_constraint),
    "ttl": (3, change_ttl),
    "settings": (4, change_settings),
    "column order": (3, reorder),
}


def _taken(before: Table, after: Table) -> bool:
    """A column gets the name of another one that is not renamed itself: both are there, and a hint says nothing."""
    left = {column.source for column in after.columns}
    return any(
        column.source and before.column(column.name) is not None and column.name not in left for column in after.columns
    )


def changed(rng: Random, table: Table) -> tuple[Table, tuple[str, ...]]:
    """One to five changes, and their names."""
    names, weights = list(CHANGES), [weight for weight, _ in CHANGES.values()]
    after = replace(table, columns=tuple(replace(column, late=False) for column in table.columns))
    done: list[str] = []
    wanted = rng.choice((1, 1, 1, 1, 2, 2, 3, 5))
    for _ in range(wanted * 4):
        name = rng.choices(names, weights)[0]
        made = CHANGES[name][1](rng, after)
        if made is not None and made != after and not _taken(table, made):
            after = made
            done.append(name)
        if len(done) == wanted:
            break
    return after, tuple(done)
