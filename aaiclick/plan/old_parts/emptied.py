"""What has to be written into parts before columns are dropped.

The engine refuses an ALTER that leaves a part without any column. And where a part holds only some columns of a
Nested, the others take the sizes of their arrays from these.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.changes.materialize_columns import ColumnToWrite
from aaiclick.plan.old_parts.columns import PartColumns
from aaiclick.plan.old_parts.readings import leaves_of, unsaid
from aaiclick.printable import count_text, verb_for
from aaiclick.sql.column_names import mentioned


@dataclass(frozen=True, slots=True)
class DropPreparation:
    """Values that are written into parts before columns are dropped. ``refusal``: why none can be; '' where they
    can."""

    pins: tuple[ColumnToWrite, ...] = ()
    refusal: str = ""


def before_drop(
    form: TableForm, held: PartColumns, dropped: Collection[str], given_up: Collection[str]
) -> DropPreparation:
    """The preparation for ``dropped`` columns of ``form``.

    ``given_up`` are all columns that may be dropped, one after the other and each only if it is allowed: whichever
    are chosen, a part has to keep a column.
    """
    if not dropped:
        return DropPreparation()
    sizes = tuple(_filled(leaf, form, held) for leaf in _leaves(form, held, dropped, given_up))
    emptied = held.emptied(given_up)
    if not emptied or sizes:
        return DropPreparation(sizes)
    keeper = next(iter(_keepers(form, given_up)), None)
    if keeper is None:
        return DropPreparation(
            sizes,
            f"{count_text(emptied, 'part')} of {form.name} {verb_for(emptied, 'hold')} no other column than "
            f"{', '.join(sorted(given_up))}",
        )
    return DropPreparation((*sizes, _filled(keeper, form, held)))


def _leaves(
    form: TableForm, held: PartColumns, dropped: Collection[str], given_up: Collection[str]
) -> Sequence[ColumnForm]:
    """Columns of a Nested that stay, and that some parts do not hold."""
    found: dict[str, ColumnForm] = {}
    for name in dropped:
        for leaf in leaves_of(name, form):
            if leaf.name not in given_up and not leaf.kind and held.lacking(leaf.name):
                found[leaf.name] = leaf
    return list(found.values())


def _keepers(form: TableForm, given_up: Collection[str]) -> Sequence[ColumnForm]:
    """Columns that can be written into a part. Columns of a key cannot, and a MATERIALIZED one would be computed anew
    in all parts."""
    keys = f"{form.order_by} {form.partition_by}"
    free = [
        column
        for column in form.columns
        if column.kind in ("", "DEFAULT") and column.name not in given_up and not mentioned(keys, [column.name])
    ]
    # One with a DEFAULT first: any other needs a DEFAULT for the moment. One without a call before one that may fail.
    return sorted(free, key=lambda column: (column.kind == "", "(" in column.expression))


def _filled(column: ColumnForm, form: TableForm, held: PartColumns) -> ColumnToWrite:
    return ColumnToWrite(column, held.lacking(column.name), "" if column.kind else unsaid(column, form))
