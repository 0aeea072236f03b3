"""A failing case made small: whatever can go while a failure of the same kind stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.fuzz.changes import with_column, without
from tests.fuzz.schema import Batch, Engine, State, Table, World
from tests.fuzz.types import quoted

Fails = Callable[[World], bool]


def reduced(world: World, fails: Fails, tries: int = 150) -> World:
    """The smallest case that was found with so many tries."""
    left = tries
    smaller = True
    while smaller and left > 0:
        smaller = False
        for candidate in candidates(world):
            left -= 1
            if fails(candidate):
                world, smaller = candidate, True
                break
            if left <= 0:
                break
    return world


def candidates(world: World) -> Iterator[World]:
    """Everything that is a bit less, the large pieces first."""
    for place, view in enumerate(world.after.views):
        yield replace(
            world,
            after=replace(world.after, views=_but(world.after.views, place)),
            before=_less_view(world.before, view.name),
        )
    if world.after.dictionaries or world.before.dictionaries:
        yield replace(world, after=replace(world.after, dictionaries=()), before=replace(world.before, dictionaries=()))
    for place, table in enumerate(world.after.tables):
        yield from _tables(world, place, table)
    for state in ("before", "after"):
        one = getattr(world, state)
        if one.functions and not any(
            one.functions[0].name in column.expr for table in one.tables for column in table.columns
        ):
            yield _said(world, state, replace(one, functions=()))
    for place in range(len(world.batches)):
        yield replace(world, batches=_but(world.batches, place))
    for place in range(len(world.touches)):
        yield replace(world, touches=_but(world.touches, place))
    yield from _plainer(world)
    for place, batch in enumerate(world.batches):
        for row in range(len(batch.rows)):
            fewer = replace(batch, rows=_but(batch.rows, row))
            yield replace(
                world, batches=(*world.batches[:place], *((fewer,) if fewer.rows else ()), *world.batches[place + 1 :])
            )


def _plainer(world: World) -> Iterator[World]:
    """Without something that was said for the whole case."""
    if world.later:
        yield replace(world, later=())
    for place in range(len(world.session)):
        yield replace(world, session=_but(world.session, place))
    for field, nothing in (("rebuilt", ()), ("where", ""), ("stopped", False), ("anew", "")):
        if getattr(world, field) != nothing:
            yield _said(world, field, nothing)
    for field in ("drop", "renamed_by_migration", "jumped"):
        if getattr(world, field):
            yield _said(world, field, False)


def _said(item: Any, field: str, value: object) -> Any:
    return replace(item, **{field: value})


def _but(items: tuple, place: int) -> tuple:  # type: ignore[type-arg]
    return (*items[:place], *items[place + 1 :])


def _less_view(state: State, name: str) -> State:
    return replace(state, views=tuple(view for view in state.views if view.name != name))


def _tables(world: World, place: int, after: Table) -> Iterator[World]:
    before = world.before.table(after.old_name)
    if before is None:
        if len(world.after.tables) > 1 and not any(view.to == after.name for view in world.after.views):
            yield replace(world, after=replace(world.after, tables=_but(world.after.tables, place)))
        return
    if len(world.after.tables) > 1 and not any(
        quoted(after.name) in view.query or view.to == after.name for view in (*world.after.views, *world.before.views)
    ):
        yield _with(world, before, None, place, None)
    for column in after.columns:
        was = before.column(column.old_name)
        less_after = without(after, column.name)
        less_before = without(before, was.name) if was is not None else before
        if less_after is not None and less_before is not None:
            yield _with(
                _rows_without(world, before.name, was.name if was else "", after.name, column.name),
                before,
                less_before,
                place,
                less_after,
            )
    yield from (_with(world, before, before, place, undone) for undone in _undone(before, after))
    yield from (_with(world, before, one, place, other) for one, other in _barer(before, after))


def _with(world: World, old: Table, before: Table | None, place: int, after: Table | None) -> World:
    tables = world.after.tables
    return replace(
        world,
        before=replace(
            world.before,
            tables=tuple(kept for item in world.before.tables if (kept := before if item is old else item) is not None),
        ),
        after=replace(
            world.after, tables=(*tables[:place], *((after,) if after is not None else ()), *tables[place + 1 :])
        ),
        batches=world.batches
        if before is not None
        else tuple(batch for batch in world.batches if batch.table != old.name),
        later=world.later
        if after is not None
        else tuple(batch for batch in world.later if batch.table != tables[place].name),
    )


def _rows_without(world: World, table: str, column: str, new_table: str, new: str) -> World:
    def less(batches: tuple[Batch, ...], name: str, gone: str) -> tuple[Batch, ...]:
        rows = [
            (batch, tuple({k: v for k, v in row.items() if batch.table != name or k != gone} for row in batch.rows))
            for batch in batches
        ]
        return tuple(replace(batch, rows=kept) for batch, kept in rows if all(kept))

    touches = tuple(touch for touch in world.touches if not column or quoted(column) not in touch)
    return replace(
        world, batches=less(world.batches, table, column), later=less(world.later, new_table, new), touches=touches
    )


_CLAUSES = (
    "engine",
    "order_by",
    "primary_key",
    "partition_by",
    "sample_by",
    "ttl",
    "indexes",
    "projections",
    "constraints",
    "settings",
    "comment",
)


def _undone(before: Table, after: Table) -> Iterator[Table]:
    """One change less."""
    for clause in _CLAUSES:
        if getattr(before, clause) != getattr(after, clause):
            yield _said(after, clause, getattr(before, clause))
    for column in after.columns:
        was = before.column(column.old_name)
        if was is None:
            continue
        for field in ("type", "codec", "ttl", "comment", "statistics", "settings"):
            if getattr(was, field) != getattr(column, field):
                yield with_column(after, _said(column, field, getattr(was, field)))
        if (was.kind, was.expr) != (column.kind, column.expr):
            yield with_column(after, replace(column, kind=was.kind, expr=was.expr))


def _barer(before: Table, after: Table) -> Iterator[tuple[Table, Table]]:
    """A clause less on both sides."""
    empty = {
        "engine": Engine(),
        "order_by": (),
        "partition_by": "",
        "primary_key": (),
        "sample_by": "",
        "ttl": "",
        "indexes": (),
        "projections": (),
        "constraints": (),
        "comment": "",
    }
    for clause, nothing in empty.items():
        if getattr(before, clause) != nothing or getattr(after, clause) != nothing:
            yield _said(before, clause, nothing), _said(after, clause, nothing)
    for name, _ in before.settings:
        yield _less_setting(before, name), _less_setting(after, name)
    for column in after.columns:
        was = before.column(column.old_name)
        if was is None:
            if column.kind or column.codec or column.comment:
                yield before, with_column(after, replace(column, kind="", expr="", codec="", comment=""))
            continue
        for field, nothing in (("codec", ""), ("comment", ""), ("ttl", ""), ("statistics", ""), ("settings", ())):
            if getattr(was, field) or getattr(column, field):
                yield with_column(before, _said(was, field, nothing)), with_column(after, _said(column, field, nothing))
        if was.late:
            yield with_column(before, replace(was, late=False)), after
        if was.kind and (was.kind, was.expr) == (column.kind, column.expr):
            yield (
                with_column(before, replace(was, kind="", expr="")),
                with_column(after, replace(column, kind="", expr="")),
            )


def _less_setting(table: Table, name: str) -> Table:
    return replace(table, settings=tuple(pair for pair in table.settings if pair[0] != name))
