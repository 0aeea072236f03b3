"""Functions that give another value at every call: ``now()``, ``rand()``, ``generateUUIDv4()``."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.parse.expanded_aliases import aliases_of, without_aliases
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.columns import AddColumn
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.quoting import quote_name

_CALL = re.compile(r"(\w+)\s*\(")


def called(expression: str) -> frozenset[str]:
    """Names of the functions that an expression calls, in lower case."""
    return frozenset(word.lower() for word in _CALL.findall(expression))


def nondeterministic(expressions: Collection[str], form: TableForm) -> Routine[frozenset[str]]:
    """Those of the expressions over the columns of a form that call such a function, also through an ALIAS."""
    if not expressions:
        return frozenset()
    aliases = aliases_of(form)
    calls = {expression: called(without_aliases(expression, aliases)) for expression in expressions}
    if not any(calls.values()):
        return frozenset()
    names = yield from nondeterministic_functions()
    return frozenset(expression for expression, words in calls.items() if words & names)


def nondeterministic_functions() -> Routine[frozenset[str]]:
    """Their names in lower case, as ``system.functions`` lists them; none where the server does not tell."""
    # Older servers call the column is_deterministic.
    flags = yield Query(
        "SELECT name FROM system.columns WHERE database = 'system' AND table = 'functions' AND name LIKE "
        "'%deterministic' ORDER BY name"
    )
    if not flags:
        return frozenset()
    rows = yield Query(
        f"SELECT DISTINCT lower(name) FROM system.functions WHERE NOT coalesce({quote_name(text(flags[0][0]))}, 1)"
    )
    return frozenset(text(row[0]) for row in rows)


def written_down(changes: Sequence[Change], wanted: TableForm, rows: int) -> Routine[tuple[Change, ...]]:
    """The changes that lead to the form; a new column with such a default is also written for the ``rows`` that are
    there.

    Else they would read another value at each query, until a merge stores one.
    """
    added = {
        change: change.column.expression
        for change in changes
        if isinstance(change, AddColumn) and change.column.kind in ("DEFAULT", "MATERIALIZED")
    }
    changing = (yield from nondeterministic(added.values(), wanted)) if rows else frozenset[str]()
    # The ALTER that adds the column also writes it, so that no query sees a value that is gone at the next one.
    return tuple(
        replace(change, written=True) if isinstance(change, AddColumn) and added.get(change, "") in changing else change
        for change in changes
    )
