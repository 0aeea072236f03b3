"""Arrays that are added to a Nested that has rows, in tables whose merges would lose their sizes. Pure."""

from __future__ import annotations

from aaiclick.catalog.forms import ColumnForm
from aaiclick.diff.merging import merging_engine
from aaiclick.diff.renamed_columns import renamed_form
from aaiclick.plan.old_parts.readings import leaves_of
from aaiclick.plan.strategies.context import TableDiff

_EMPTIED = ("SummingMergeTree", "CoalescingMergeTree", "AggregatingMergeTree")
"""A SELECT gives a missing array as many elements as the rest of its Nested has; a merge of these engines writes an
empty one. The others write what a SELECT reads."""


def emptied_by_merges(diff: TableDiff) -> str:
    """Why rows would read another value of an added column after the next merge; '' where they would not.

    What the column's own DEFAULT computes, merges keep. An array without one cannot be written by MATERIALIZE COLUMN,
    and a merge may come before any mutation: only a copy writes the values in time.
    """
    engines = {merging_engine(diff.form), merging_engine(diff.target.form)}
    if engines.isdisjoint(_EMPTIED):
        return ""
    live = renamed_form(diff.form, diff.target.renames)
    found = [
        column.name
        for column in diff.target.form.columns
        if live.column(column.name) is None
        and column.stored
        and not column.expression
        and is_array(column)
        and any(map(is_array, leaves_of(column.name, live)))
    ]
    if not found:
        return ""
    engine = next(each for each in _EMPTIED if each in engines)
    return (
        f"{', '.join(found)} in rows of old parts: a merge of {engine} would leave empty arrays beside the others of "
        "the same Nested, which have elements"
    )


def is_array(column: ColumnForm) -> bool:
    """Also one of which merges keep the largest, the last, ..."""
    function, _, argument = column.type.partition(", ")
    return column.type.startswith("Array(") or (
        function.startswith("SimpleAggregateFunction(") and argument.startswith("Array(")
    )
