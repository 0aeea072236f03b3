"""Distributed tables that were altered in step with a table that a rollback puts back: they get their older columns by
ALTERs, so what waits in their files stays.

What goes leaves the Distributed table first. Then nothing new comes with it, what waits is sent, and the table is put
back; what the older version has beside that is added last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from aaiclick.apply.rollback.path import Transition
from aaiclick.catalog.forms import Catalog, ColumnForm, Form, TableForm
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.render import column_form_sql, has_hidden
from aaiclick.plan.dependents.buffer_merge_distributed import stands_before
from aaiclick.plan.model import Step
from aaiclick.plan.operations import ReplaceWork
from aaiclick.sql.clauses import add_column, drop_column, modify_column, remove_from_column
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified, quote_name

_SETTINGS = (("flatten_nested", "0"),)


def altered_with(
    catalog: Catalog,
    listed: Sequence[Transition],
    recorded: Mapping[str, Form],
    targets: Collection[str],
    elsewhere: Collection[str] = (),
) -> dict[str, tuple[TableForm, TableForm]]:
    """The Distributed tables as they are and as they were recorded, where they stand before one of these tables and
    only their columns were altered since. ``elsewhere``: clusters of other hosts."""
    strategies: dict[str, set[str]] = {}
    for step in (step for each in listed for step in each.steps):
        strategies.setdefault(step.object, set()).add(step.strategy)
    found: dict[str, tuple[TableForm, TableForm]] = {}
    for name, was in sorted(recorded.items()):
        live = catalog.get(name)
        # One that was made on the way is none of the older version; one that was made anew is made anew again.
        if live is None or not strategies.get(name, set()) & {"alter", "mutate"} or "replace" in strategies[name]:
            continue
        now = live.form
        if not isinstance(now, TableForm) or not isinstance(was, TableForm) or has_hidden(was):
            continue
        if not now.engine == was.engine == "Distributed" or normal(now).arguments != normal(was).arguments:
            continue
        if any(stands_before(was, catalog.database, catalog.database, table, elsewhere) for table in targets):
            found[name] = (now, was)
    return found


def columns_lost(database: str, name: str, now: TableForm, was: TableForm) -> Step | None:
    """The step before the table is put back; None where no column goes."""
    gone = [column for column in now.columns if was.column(column.name) is None]
    # What reads another column goes before that one.
    reading = [column for column in gone[::-1] if column.expression]
    ordered = [*reading, *(column for column in gone if not column.expression)]
    return _step(database, name, "lost", [drop_column(quote_name(column.name)) for column in ordered], gone)


def columns_again(database: str, name: str, now: TableForm, was: TableForm) -> Step | None:
    """The step behind that, which can be sent again; None where no column comes back or gets its older type."""
    clauses: list[str] = []
    named: list[ColumnForm] = []
    after = ""
    for column, plain in zip(was.columns, normal(was).columns, strict=True):
        live = normal(now).column(column.name)
        if live is None:
            place = f"AFTER {quote_name(after)}" if after else "FIRST"
            clauses.append(add_column(f"IF NOT EXISTS {column_form_sql(column)} {place}"))
            named.append(column)
        elif _what_is_seen(live) != _what_is_seen(plain):
            if live.kind and not column.kind:
                clauses.append(remove_from_column(quote_name(column.name), live.kind))
            quoted = quote_name(column.name)
            clauses.append(modify_column(quoted, column_form_sql(column).removeprefix(f"{quoted} ")))
            named.append(column)
        after = column.name
    return _step(database, name, "again", clauses, named)


def _what_is_seen(column: ColumnForm) -> ColumnForm:
    return replace(column, comment="", codec="", settings=(), statistics="")


def _step(database: str, name: str, end: str, clauses: Sequence[str], columns: Sequence[ColumnForm]) -> Step | None:
    if not clauses:
        return None
    sql = alter_table(qualified(database, name), ", ".join(clauses))
    listed = ", ".join(column.name for column in columns)
    words = f"has no column {listed} any more" if end == "lost" else f"has the older form of {listed} again"
    return Step(f"{name}:{end}", name, words, "alter", [sql], ReplaceWork((sql,), _SETTINGS))
