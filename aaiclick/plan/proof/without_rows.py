"""What the kind of a change proves without reading a row, and what no row can prove. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.catalog.forms import TableForm
from aaiclick.diff.reached import through_aliases
from aaiclick.plan.proof.bytes_on_disk import keeps_bytes
from aaiclick.plan.proof.changed import ChangedColumn
from aaiclick.plan.proof.column_uses import KEYS, ColumnUse
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import quote_name

STALE = "the server would go on with the old type of the key until it restarts"


def read_by(form: TableForm, use: ColumnUse, changed: Sequence[ChangedColumn]) -> tuple[ChangedColumn, ...]:
    """The changed columns that an expression of the table reads, directly or through an ALIAS."""
    return tuple(
        each
        for each in changed
        if any(mentioned(expression, through_aliases(form, [each.old.name])) for expression in use.old)
    )


def unharmed(form: TableForm, use: ColumnUse, changed: Sequence[ChangedColumn]) -> bool:
    """True where the expression keeps its values: Enums that it reads only got labels, or it is the column itself and
    its bytes stay."""
    concerned = read_by(form, use, changed)
    if all(each.how == "labels" for each in concerned):
        return True
    if use.kind == "projection" or any(
        each.how == "expression" or not keeps_bytes(each.old.type, each.new.type) for each in concerned
    ):
        return False
    # Both are computed from the column alone, and never by an expression over it.
    if use.kind in ("statistics", "implicit index"):
        return True
    if outdated(form, use, changed) or (use.kind == "index" and any(each.how == "type" for each in concerned)):
        return False
    own = through_aliases(form, [each.old.name for each in concerned])
    return all(
        not mentioned(expression, own) or any(_is_column(expression, each) for each in concerned)
        for expression in use.old
    )


def outdated(form: TableForm, use: ColumnUse, changed: Sequence[ChangedColumn]) -> bool:
    """True where the running server would go on with the old type of a key column, until it restarts.

    After Enum8 -> Int8 ``min(k)`` over a sort key gives 0. After another time zone ``count()`` over ``PARTITION BY
    k`` compares with the old one. The key of a new table has the new type.
    """
    if use.kind not in KEYS:
        return False
    concerned = [each for each in read_by(form, use, changed) if each.how != "labels"]
    if any(each.how != "zone" for each in concerned):
        return True
    return use.kind == "partition key" and any(
        _is_column(expression, each) for expression in use.old for each in concerned
    )


def _is_column(expression: str, each: ChangedColumn) -> bool:
    return expression in (each.old.name, quote_name(each.old.name))
