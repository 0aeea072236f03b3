"""What a SummingMergeTree makes of a Nested whose name ends in Map: it adds up the other leaves by those that are its
key. Pure.

The key are the first leaf in the order of the columns, and those whose names end in ID, Key or Type. With fewer than
two leaves, or one of a type that it cannot use so, merges keep the arrays of one row.
"""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.conversion.shapes import inner_type
from aaiclick.diff.merging import KEEPS_ONE, MAP, merging_engine, role
from aaiclick.sql.types import unwrapped

_KEY = "take {} for a key of its map"
_ENDS = ("ID", "Key", "Type")
_SHAPES = frozenset(
    {"AggregateFunction", "Array", "Dynamic", "JSON", "Map", "Nested", "Nothing", "Object", "Tuple", "Variant"}
)
_NO_KEY = _SHAPES | {"BFloat16", "Float32", "Float64"}
_NO_SUM = _SHAPES | {
    "Date",
    "Date32",
    "DateTime",
    "DateTime64",
    "Enum8",
    "Enum16",
    "FixedString",
    "IPv4",
    "IPv6",
    "String",
    "UUID",
}


def maps_otherwise(before: TableForm, after: TableForm, names: Mapping[str, str]) -> dict[str, str]:
    """What merges do differently with leaves from now on, by their new names. ``names``: of columns that are there
    before and after, the old names by the new ones."""
    was, is_now = _parts(before), _parts(after)
    return {
        new: f"merges {was[old].format(old)} no longer, and {is_now[new].format(new)} from now on"
        for new, old in names.items()
        if old in was and new in is_now and was[old] != is_now[new]
    }


def map_keys(form: TableForm) -> dict[str, tuple[str, ...]]:
    """The leaves by which each such Nested is added up, by its name."""
    found: dict[str, tuple[str, ...]] = {}
    for leaf, part in _parts(form).items():
        if part == _KEY:
            name = leaf.partition(".")[0]
            found[name] = (*found.get(name, ()), leaf)
    return found


def _parts(form: TableForm) -> dict[str, str]:
    """What merges do with each leaf of such a Nested."""
    if merging_engine(form) != "SummingMergeTree":
        return {}
    maps: dict[str, list[ColumnForm]] = {}
    for column in form.columns:
        if column.stored and role(form, column) == MAP:
            maps.setdefault(column.name.partition(".")[0], []).append(column)
    found: dict[str, str] = {}
    for leaves in maps.values():
        parts = {leaf.name: _KEY if _is_key(leaves, leaf) else MAP for leaf in leaves}
        # One leaf that it cannot use leaves the whole structure alone.
        alone = len(leaves) < 2 or not all(_usable(leaf, parts[leaf.name]) for leaf in leaves)
        found |= dict.fromkeys(parts, KEEPS_ONE) if alone else parts
    return found


def _is_key(leaves: list[ColumnForm], leaf: ColumnForm) -> bool:
    return leaf is leaves[0] or leaf.name.endswith(_ENDS)


def _usable(leaf: ColumnForm, part: str) -> bool:
    kind, nullable = unwrapped(inner_type(leaf.type)[0].arguments[0])
    if part == _KEY:
        return not nullable and kind.name not in _NO_KEY
    return kind.name not in _NO_SUM
