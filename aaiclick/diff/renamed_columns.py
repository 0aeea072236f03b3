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
from aaiclick.catalog.render import engine_name
from aaiclick.sql.tokens import TokenError, Tokens, identifier


def renamed_text(text: str, names: Mapping[str, str]) -> str:
    """The expression with columns renamed (old -> new); unchanged where it cannot be split into tokens."""
    return _renamed(text, tuple(sorted(names.items()))) if text and names else text


@lru_cache(maxsize=4096)
def _renamed(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    names = dict(pairs)
    try:
        tokens = Tokens(text)
    except TokenError:
        return text
    pieces: list[str] = []
    copied = position = 0
    while position < len(tokens):
        parts, behind = identifier(tokens, position)
        called = tokens.is_op(behind, "(")
        # The longest beginning that is a column: ``n.x`` is one, and so is the ``t`` of its subcolumn ``t.a``.
        length = next((count for count in range(len(parts), 0, -1) if ".".join(parts[:count]) in names), 0)
        if length and not (called and length == len(parts)):
            pieces += [text[copied : tokens.items[position].start], engine_name(names[".".join(parts[:length])])]
            copied = tokens.items[position + 2 * (length - 1)].end
        position = max(behind, position + 1)
    return "".join([*pieces, text[copied:]])


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
