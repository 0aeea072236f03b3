"""Another value of a variable is no other declaration."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from aaiclick.catalog.forms import ColumnForm, Settings, TableForm

_TABLE = ("ttl", "arguments", "comment")
_COLUMN = ("ttl", "codec", "comment")
_VALUES = re.compile(r"'(?:[^'\\]|\\.)*'|\d+|(?<=\()\w+(?=\))")
"""What a value may have been put in place of: a number, a quoted text, a word alone in parentheses."""


def as_given_here(recorded: TableForm, declared: TableForm, clauses: Collection[str]) -> TableForm:
    """The recorded form with the values that the declaration has now. ``clauses`` are those with a variable: ``ttl``,
    ``created_at.ttl``, ``settings.storage_policy``; ``*``: any. A clause that differs in more than values stays."""
    if not clauses:
        return recorded
    columns = [
        _column(column, new, clauses) if (new := declared.column(column.name)) is not None else column
        for column in recorded.columns
    ]
    return replace(
        recorded,
        columns=tuple(columns),
        settings=_settings(recorded.settings, declared.settings, clauses, "settings"),
        **{
            clause: getattr(declared, clause)
            for clause in _TABLE
            if _listed(clause, clauses) and _alike(getattr(recorded, clause), getattr(declared, clause))
        },
    )


def _column(old: ColumnForm, new: ColumnForm, clauses: Collection[str]) -> ColumnForm:
    return replace(
        old,
        settings=_settings(old.settings, new.settings, clauses, f"{old.name}.settings"),
        **{
            clause: getattr(new, clause)
            for clause in _COLUMN
            if _listed(f"{old.name}.{clause}", clauses) and _alike(getattr(old, clause), getattr(new, clause))
        },
    )


def _settings(old: Settings, new: Settings, clauses: Collection[str], prefix: str) -> Settings:
    values = dict(new)
    return tuple(
        (name, values[name]) if name in values and _listed(f"{prefix}.{name}", clauses) else (name, value)
        for name, value in old
    )


def _listed(clause: str, clauses: Collection[str]) -> bool:
    return clause in clauses or "*" in clauses


def _alike(old: str, new: str) -> bool:
    return _VALUES.sub("?", old) == _VALUES.sub("?", new)
