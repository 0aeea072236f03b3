"""Another value of a variable is no other declaration."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from aaiclick.catalog.forms import ColumnForm, Settings, TableForm
from aaiclick.specs.schema import Schema
from aaiclick.variables import PREFIX

_TABLE = ("ttl", "arguments", "comment")
_COLUMN = ("ttl", "codec", "comment")
_VALUES = re.compile(r"'(?:[^'\\]|\\.)*'|\d+|(?<=\()\w+(?=\))")
"""What a value may have been put in place of: a number, a quoted text, a word alone in parentheses."""


def given_elsewhere(schema: Schema, differences: Collection[str]) -> str:
    """A sentence where another value of a variable may be what differs from the database; '' where none is about it."""
    names = [each.name for each in schema.variables if any(_about(schema, words, each.name) for words in differences)]
    if not names:
        return ""
    one = len(names) == 1
    places = " and ".join(f"{name} ({PREFIX}{name.upper()}, or --var {name}=...)" for name in names)
    return (
        f"{'A variable' if one else 'Variables'} may be the cause: {places}. The database may have been migrated with "
        f"{'another value' if one else 'other values'} than this process is given."
    )


def _about(schema: Schema, words: str, variable: str) -> bool:
    name, _, said = words.partition(":")
    clauses = schema.varying(name, frozenset({variable}))
    ends = [clause.rpartition(".")[2] for clause in clauses]
    return any(end == "*" or _WORDS.get(end, end) in said.lower() for end in ends)


_WORDS = {"arguments": "engine"}
"""What a difference calls a clause, where it is another word."""


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
