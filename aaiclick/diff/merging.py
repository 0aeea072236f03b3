"""What merges do with a column, by the table's engine, and whether they do the same with another type of it. Pure."""

from __future__ import annotations

import re

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.catalog.normalize import key_elements, without_direction
from aaiclick.catalog.render import local_family
from aaiclick.diff.conversion.combining import combined_by, ordered_alike
from aaiclick.diff.conversion.numbers import decimal, floating, holds, numeric, whole
from aaiclick.diff.conversion.shapes import inner_type
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.tokens import split_top, unquote
from aaiclick.sql.types import TypeText

_IN_ANY_ORDER = frozenset(
    [
        "avg",
        "bitmap",
        "count",
        "groupbitand",
        "groupbitor",
        "groupbitxor",
        "groupuniqarray",
        "max",
        "maxmap",
        "min",
        "minmap",
        "sum",
        "summap",
        "sumwithoverflow",
        "uniq",
        "uniqcombined",
        "uniqcombined64",
        "uniqexact",
        "uniqhll12",
        "uniqthetasketch",
    ]
)
"""Aggregate functions whose result does not depend on the order of the rows."""
_SAME_TWICE = frozenset(
    ["any", "any_respect_nulls", "anylast", "anylast_respect_nulls", "groupbitand", "groupbitor", "max", "min"]
)
"""Functions of SimpleAggregateFunction that make of a value and the same value that value."""
KEEPS_ONE = "keep one value of {}"
_KEEPS_FIRST = "keep the first value of {}"
_KEEPS_LAST = "keep the last value of {}"
_ADDS = "add up {}"
MAP = "add up {} by the keys of its map"
ORDER = "compare rows by {}"
REMOVE = "remove rows by {}"
_TIME = "pick values of {} by their time"


def merging_engine(form: TableForm) -> str:
    """Name of the engine without Replicated or Shared: ``ReplacingMergeTree``."""
    return local_family(form).engine


def role(form: TableForm, column: ColumnForm, *, first_of_arrays: bool = False) -> str:
    """What merges do with a column's values of one sort key, with a place for its name; '' for a column of the key.

    A column that the key only computes something from may have several values under one key: merges keep one of
    them. ``first_of_arrays``: so it is with arrays that a CoalescingMergeTree keeps.
    """
    if column.name in {_bare(element) for key in (form.order_by, form.partition_by) for element in key_elements(key)}:
        return ""
    engine, arguments = merging_engine(form), tuple(split_top(local_family(form).arguments))
    own = _special(engine, arguments).get(column.name)
    if own is not None:
        return own
    coalescing = engine == "CoalescingMergeTree"
    if mentioned(f"{form.order_by} {form.partition_by}", [column.name]):
        return _KEEPS_FIRST if coalescing else KEEPS_ONE
    if engine == "SummingMergeTree":
        return _summed(column, arguments)
    if coalescing and first_of_arrays and inner_type(column.type)[0].name == "Array":
        return _KEEPS_FIRST
    return _TIME if engine == "GraphiteMergeTree" else _KEEPS_LAST if coalescing else KEEPS_ONE


def _bare(element: str) -> str:
    name = without_direction(element)
    return unquote(name) if name.startswith("`") else name


def _special(engine: str, arguments: tuple[str, ...]) -> dict[str, str]:
    words: tuple[str, ...] = ()
    match engine:
        # Their arguments: the version, then the flag of deleted rows; the sign; the sign, then the version.
        case "ReplacingMergeTree":
            words = (ORDER, REMOVE)
        case "CollapsingMergeTree":
            words = (REMOVE,)
        case "VersionedCollapsingMergeTree":
            words = (REMOVE, ORDER)
        case _:
            pass
    return {unquote(name): said for name, said in zip(arguments, words, strict=False)}


def _summed(column: ColumnForm, arguments: tuple[str, ...]) -> str:
    listed = _listed(arguments)
    prefix, dot, _ = column.name.partition(".")
    # A Nested whose name ends in Map is added up by its keys.
    if dot and prefix.endswith("Map") and column.type.startswith("Array("):
        return MAP
    if listed and column.name not in listed:
        return KEEPS_ONE
    return _ADDS if summable(column.type) else KEEPS_ONE


def _listed(arguments: tuple[str, ...]) -> frozenset[str]:
    """The columns that the engine's arguments name."""
    return frozenset(unquote(name) for argument in arguments for name in key_elements(argument))


def summable(type_text: str) -> bool:
    """True where a SummingMergeTree adds up values of the type: numbers and Bool, also Nullable and LowCardinality
    ones."""
    if type_text.startswith(("SimpleAggregateFunction(", "AggregateFunction(")):
        return False
    return numeric(inner_type(type_text)[0])


def added_up(form: TableForm) -> tuple[str, ...]:
    """The columns that a SummingMergeTree adds up. It removes a row where all of them are 0."""
    if merging_engine(form) != "SummingMergeTree":
        return ()
    return tuple(column.name for column in form.columns if column.stored and role(form, column) == _ADDS)


def altered(
    before: TableForm, after: TableForm, old: ColumnForm, new: ColumnForm, *, first_of_arrays: bool = False
) -> str:
    """What merges do differently with a column from now on; '' where they do the same. ``first_of_arrays`` as in
    ``role``."""
    was, is_now = (
        role(form, column, first_of_arrays=first_of_arrays) for form, column in ((before, old), (after, new))
    )
    if (
        not was
        or not is_now
        or old.type.startswith("SimpleAggregateFunction(")
        or new.type.startswith("SimpleAggregateFunction(")
    ):
        return ""
    if was != is_now:
        return f"merges {was.format(old.name)} no longer, and {is_now.format(new.name)} from now on"
    if old.type == new.type or was in (KEEPS_ONE, _KEEPS_FIRST, _KEEPS_LAST):
        return ""
    one, other = inner_type(old.type)[0], inner_type(new.type)[0]
    if one == other:
        return ""
    alike = (
        ordered_alike(one, other)
        if was == ORDER
        else (was == _ADDS and _adds_alike(one, other)) or (was == MAP and _map_alike(one, other))
    )
    return "" if alike else f"merges {was.format(new.name)}, and as {new.type} in another way than as {old.type}"


def _map_alike(old: TypeText, new: TypeText) -> bool:
    """True for an array of the keys, or of what is added up by them, that only gets wider."""
    one, other = inner_type(old.arguments[0])[0], inner_type(new.arguments[0])[0]
    return one == other or _adds_alike(one, other)


def _adds_alike(old: TypeText, new: TypeText) -> bool:
    """True for a wider number of the same kind."""
    one, other = decimal(old), decimal(new)
    kinds = (whole(old) is not None and whole(new) is not None) or (floating(old) and floating(new))
    return holds(old, new) and (kinds or (one is not None and other is not None and one[1] == other[1]))


def repeats_count(form: TableForm, column: ColumnForm) -> bool:
    """True where two rows of one key with the same value of the column are not combined to that value."""
    if function := combined_by(column.type):
        return function.lower() not in _SAME_TWICE and combined_by_function(form, column)
    said = role(form, column)
    if said != MAP:
        return said == _ADDS
    beside = f"{column.name.partition('.')[0]}."
    return any(other.name.startswith(beside) and other.name != column.name for other in form.columns)


def combined_by_function(form: TableForm, column: ColumnForm) -> bool:
    """Whether merges combine a SimpleAggregateFunction column by that function.

    An AggregatingMergeTree does it with every one that is not itself an element of the sort key, the partition key's
    among them. Those that add up or coalesce leave alone what a key computes something from, and what they do not list.
    """
    match merging_engine(form):
        case "AggregatingMergeTree":
            return column.name not in {_bare(element) for element in key_elements(form.order_by)}
        case "SummingMergeTree" | "CoalescingMergeTree":
            listed = _listed(tuple(split_top(local_family(form).arguments)))
            read = mentioned(f"{form.order_by} {form.partition_by}", [column.name])
            return not read and (not listed or column.name in listed)
        case _:
            return False


def combines_rows(form: TableForm) -> bool:
    """True where merges make one row of several, or take away rows that cancel each other out.

    What a later row brought stands in no row of its own then. A ReplacingMergeTree keeps the later row as it is, but
    for one that says that its key is deleted.
    """
    family = local_family(form)
    if family.engine == "ReplacingMergeTree":
        return len(split_top(family.arguments)) > 1
    return family.engine != "MergeTree"


def order_matters(form: TableForm) -> bool:
    """True where the result of a merge depends on the order in which rows were inserted."""
    engine = local_family(form).engine
    if engine == "ReplacingMergeTree":
        # Without a version column the row that was inserted last stays.
        return not form.arguments
    return engine in ("CollapsingMergeTree", "CoalescingMergeTree") or (
        engine == "AggregatingMergeTree" and any("Function(any" in column.type for column in form.columns)
    )


ORDER_LOST = (
    "of two rows with one key the later one wins ({engine}), and with another partition key rows of several partitions "
    "meet, of which nobody knows which came later (blocks are numbered in each partition anew)"
)
"""Why such a replicated table is not copied (``order_is_lost``)."""


def order_is_lost(old: str, new: str) -> bool:
    """True where rows of several partitions may meet in one, from one partition key to the other. Of a replicated table
    nobody knows which of them came later."""
    before, after = key_elements(old), key_elements(new)
    # All rows of one partition stay in their order, and a finer key only divides them.
    return any(element not in after for element in before)


def ties_matter(form: TableForm) -> bool:
    """True where the order of rows decides between rows that the engine takes for equal: those of one version, or a
    column that it does not combine. A copy then has to keep their order."""
    engine = local_family(form).engine
    if order_matters(form) or engine in ("ReplacingMergeTree", "VersionedCollapsingMergeTree", "GraphiteMergeTree"):
        return True
    if engine not in ("SummingMergeTree", "AggregatingMergeTree"):
        return False
    return any(column.stored and _kept_from_one_row(form, column, engine) for column in form.columns)


def _kept_from_one_row(form: TableForm, column: ColumnForm, engine: str) -> bool:
    if column.type.startswith(("AggregateFunction(", "SimpleAggregateFunction(")):
        function = re.match(r"\w+\((?:\d+, )?(\w+)", column.type)
        return function is None or function[1].lower() not in _IN_ANY_ORDER
    said = role(form, column)
    return bool(said) and (engine == "AggregatingMergeTree" or said == KEEPS_ONE)
