"""The expressions that a copy reads. The INSERT and both sides of the checksum use the same ones."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.clickhouse.statements import ask
from aaiclick.clickhouse.tables import Physical
from aaiclick.errors import ApplyError
from aaiclick.plan.operations import CopyColumn, RebuildWork
from aaiclick.routine import Routine, number, text
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import quote_name, quote_string


@dataclass(frozen=True, slots=True)
class Projected:
    """One column: ``read`` is its expression over the old columns, cast to the target type; ``checked`` whether the
    checksum covers it."""

    target: str
    read: str
    checked: bool


def projected(
    work: RebuildWork, nondeterministic: frozenset[str], types: Mapping[str, str]
) -> tuple[tuple[Projected, ...], tuple[str, ...]]:
    """The columns of a copy, and a note for each reason why the checksum leaves some out.

    ``nondeterministic``: old columns that read differently each time. ``types`` of the old columns: what keeps its type
    is not cast (a cast to the same type costs a twentieth of the copy). Raises ApplyError where ``work`` names a column
    that ``form`` has not.
    """
    columns: list[Projected] = []
    skipped: dict[str, list[str]] = {}
    kept = {quote_name(name): kind for name, kind in types.items()}
    for column in work.columns:
        wanted = work.form.column(column.target)
        if wanted is None or not wanted.stored:
            raise ApplyError(f"{work.table}: the copy fills column {column.target}, which the new table does not store")
        reason = _unchecked(column, wanted.type, nondeterministic)
        if reason:
            skipped.setdefault(reason, []).append(column.target)
        read = (
            column.expression
            if kept.get(column.expression) == wanted.type
            else f"CAST({column.expression}, {quote_string(wanted.type)})"
        )
        columns.append(Projected(column.target, read, not reason))
    notes = tuple(
        f"{work.table}: not covered by the checksum: {', '.join(names)} ({reason})"
        for reason, names in sorted(skipped.items())
    )
    return tuple(columns), notes


def takes_columns_away(work: RebuildWork, source: Physical) -> bool:
    """Whether a column of the table has another name, type or kind in the new one, or is gone: what reads or feeds the
    table by its columns of now fails then, or leaves values out."""
    before = split_create(source.created, source.database)
    if not isinstance(before, TableForm):
        return True
    after = {column.name: (column.type, column.kind) for column in work.form.columns}
    if any(after.get(column.name) != (column.type, column.kind) for column in before.columns):
        return True
    # Two columns may have changed their names.
    names = {column.name for column in before.columns}
    filled = {column.target: mentioned(column.expression, names) for column in work.columns}
    return any(read and target in names and target not in read for target, read in filled.items())


def _unchecked(column: CopyColumn, type_name: str, nondeterministic: frozenset[str]) -> str:
    if not column.verify:
        return "the conversion is not reversible"
    if re.search(r"(?<!Simple)AggregateFunction\(", type_name):
        return "the bytes of an aggregation state depend on its history"
    if mentioned(column.expression, nondeterministic):
        return "a default that is not stored in every part reads differently each time"
    return ""


def column_types(table: Physical) -> Routine[tuple[dict[str, str], str]]:
    """The types of a table's columns; and all that says how they are read, as one text."""
    rows = yield from ask(
        "SELECT name, type, default_kind, default_expression FROM system.columns WHERE database = unhex({db:String}) "
        "AND table = unhex({name:String})"
        " ORDER BY position",
        {"db": hexed(table.database), "name": hexed(table.name)},
    )
    return {text(row[0]): text(row[1]) for row in rows}, "\n".join("\t".join(map(text, row)) for row in rows)


def volatile_columns(table: Physical) -> Routine[frozenset[str]]:
    """Columns that read differently each time: with a default that is not deterministic, or that reads such a column,
    and that some active part does not hold."""
    names = {"db": hexed(table.database), "name": hexed(table.name)}
    rows = yield from ask(
        "SELECT name, default_expression FROM system.columns WHERE database = unhex({db:String}) AND table = "
        "unhex({name:String}) AND default_kind IN ('DEFAULT', 'MATERIALIZED', 'ALIAS')",
        names,
    )
    computed = {text(name): text(expression) for name, expression in rows}
    # Only a call can give another value at the next read.
    calling = {name for name, expression in computed.items() if "(" in expression}
    if not calling:
        return frozenset()
    # The column was called is_deterministic before.
    flags = yield from ask(
        "SELECT name FROM system.columns WHERE database = 'system' AND table = 'functions' AND name LIKE "
        "'%deterministic'"
    )
    if not flags:
        # This server does not say which functions are deterministic: none of these columns is compared.
        return _readers(calling, computed)
    changing = yield from ask(
        f"SELECT lower(name) FROM system.functions WHERE NOT coalesce({quote_name(text(flags[0][0]))}, 0)"
    )
    # A function that the server says nothing of counts as one that gives another value.
    random = {text(row[0]) for row in changing}
    suspects = {name for name in calling if random & {word.lower() for word in re.findall(r"(\w+)\(", computed[name])}}
    if not suspects:
        return frozenset()
    held = yield from ask(
        "SELECT column, uniqExact(name) FROM system.parts_columns WHERE active AND database = unhex({db:String}) AND "
        "table = unhex({name:String})"
        f" AND column IN ({_list(sorted(_readers(suspects, computed)))}) GROUP BY column",
        names,
    )
    total = yield from ask(
        "SELECT count() FROM system.parts WHERE active AND database = unhex({db:String}) AND table = "
        "unhex({name:String})",
        names,
    )
    # Where every part holds the column its values are read from disk, and are the same each time. So is what reads it.
    full = {text(column) for column, count in held if number(count) == number(total[0][0])}
    left = {name: expression for name, expression in computed.items() if name not in full}
    return _readers(suspects - full, left) if number(total[0][0]) else frozenset()


def _readers(names: Collection[str], computed: Mapping[str, str]) -> frozenset[str]:
    """These columns, and the computed ones that read one of them, also through others."""
    found, more = frozenset(names), frozenset(names)
    while more:
        more = frozenset(name for name in computed if name not in found and mentioned(computed[name], more))
        found |= more
    return found


def _list(names: Sequence[str]) -> str:
    return ", ".join(quote_string(name) for name in names)
