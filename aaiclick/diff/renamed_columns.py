"""Rewrites expressions for columns that have new names. Pure.

``RENAME COLUMN`` makes the engine rewrite indexes, constraints, TTLs and defaults itself, so a difference in the
name alone is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.render import printed_name
from aaiclick.sql.column_names import renamed_columns
from aaiclick.sql.tokens import TokenError


def renamed_text(text: str, names: Mapping[str, str]) -> str:
    """The expression with columns renamed (old -> new); unchanged where it cannot be split into tokens."""
    return _renamed(text, tuple(sorted(names.items()))) if text and names else text


@lru_cache(maxsize=4096)
def _renamed(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    try:
        return renamed_columns(text, [(old, printed_name(new)) for old, new in pairs])
    except TokenError:
        return text


def renamed_form(form: TableForm, renames: tuple[tuple[str, str], ...]) -> TableForm:
    """The table after its columns were renamed, and the engine has rewritten what reads them."""
    if not renames:
        return form
    names = dict(renames)

    def text(expression: str) -> str:
        return renamed_text(expression, names)

    def column(old: ColumnForm) -> ColumnForm:
        return replace(old, name=names.get(old.name, old.name), expression=text(old.expression), ttl=text(old.ttl))

    return normal(
        replace(
            form,
            columns=tuple(column(old) for old in form.columns),
            arguments=text(form.arguments),
            indexes=tuple(replace(index, expression=text(index.expression)) for index in form.indexes),
            projections=tuple(replace(projection, body=text(projection.body)) for projection in form.projections),
            constraints=tuple(
                replace(constraint, expression=text(constraint.expression)) for constraint in form.constraints
            ),
            partition_by=text(form.partition_by),
            primary_key=text(form.primary_key),
            order_by=text(form.order_by),
            sample_by=text(form.sample_by),
            ttl=text(form.ttl),
        )
    )
