"""Compares a parsed definition with the system tables: a contradiction means that its text was split wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from aaiclick.catalog.forms import Form, TableForm
from aaiclick.catalog.normalize import bare, key_elements
from aaiclick.sql.tokens import Tokens


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """The keys of a table as ``system.tables`` shows them."""

    sorting: str
    primary: str
    partition: str
    sampling: str


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column as ``system.columns`` shows it."""

    name: str
    type: str
    kind: str


def cross_check(form: Form, keys: KeyFacts | None = None, columns: Sequence[ColumnFacts] | None = None) -> str:
    """Why the form cannot be trusted; '' where nothing contradicts it. Facts that are not given are not checked."""
    if not isinstance(form, TableForm):
        return ""
    if columns is not None:
        listed = [(column.name, _spaceless(column.type), column.kind) for column in columns]
        if listed != [(column.name, _spaceless(column.type), column.kind) for column in form.columns]:
            return "its definition was cut differently from system.columns"
    return _check_keys(form, keys) if keys is not None and form.merge_tree else ""


def _spaceless(type_name: str) -> str:
    """``JSON(max_dynamic_paths = 8)`` in the definition is ``JSON(max_dynamic_paths=8)`` in system.columns."""
    return type_name.replace(" ", "")


def _check_keys(form: TableForm, keys: KeyFacts) -> str:
    # A column called like a keyword (SET in a PARTITION BY) may be cut at the wrong place and still rejoin to the
    # same text. Only the server's own columns for the keys show that.
    sorting = _elements(form.order_by)
    if sorting != _elements(keys.sorting) and (*sorting, *_version(form)) != _elements(keys.sorting):
        return f"its sort key was read as {form.order_by or 'none'}, the server says {keys.sorting or 'none'}"
    if _elements(form.partition_by) != _elements(keys.partition):
        return (
            f"its partition key was read as {form.partition_by or 'none'}, the server says {keys.partition or 'none'}"
        )
    if _elements(form.primary_key or form.order_by) != _elements(keys.primary):
        return (
            f"its primary key was read as {form.primary_key or form.order_by or 'none'}, the server says "
            f"{keys.primary or 'none'}"
        )
    # The catalogue shows the expression alone, whatever parentheses were written around it.
    if bare(form.sample_by) != bare(keys.sampling):
        return f"its sampling key was read as {form.sample_by or 'none'}, the server says {keys.sampling or 'none'}"
    return ""


def _version(form: TableForm) -> tuple[str, ...]:
    """VersionedCollapsingMergeTree shows its version column as the last part of the sort key."""
    if not form.engine.endswith("VersionedCollapsingMergeTree"):
        return ()
    tokens = Tokens(form.arguments)
    start, end = tokens.split(0, len(tokens))[-1]
    return (tokens.slice(start, end),)


@lru_cache(maxsize=8192)
def _elements(key: str) -> tuple[str, ...]:
    """The elements of a key. The system tables show neither its outer parentheses nor the direction of an element."""
    tokens = Tokens(key)
    pieces = tokens.split(0, len(tokens))
    elements = key_elements(key) if len(pieces) == 1 else tuple(bare(tokens.slice(*piece)) for piece in pieces)
    return tuple(_undirected(element) for element in elements)


def _undirected(element: str) -> str:
    tokens = Tokens(element)
    last = len(tokens) - 1
    return (
        tokens.slice(0, last) if last > 0 and (tokens.is_word(last, "DESC") or tokens.is_word(last, "ASC")) else element
    )
