"""Columns that merges combine by a function of their own type, and whether another type gives the same result."""

from __future__ import annotations

from aaiclick.diff.conversion.labels import labels_of
from aaiclick.diff.conversion.numbers import holds, numeric, whole
from aaiclick.diff.conversion.shapes import inner_type
from aaiclick.sql.types import TypeText, parse_type

_BY_ROW = ("any", "anyLast", "any_respect_nulls", "anyLast_respect_nulls", "groupArrayArray", "groupArrayLastArray")
_BY_ORDER = ("max", "min")
_TEXT = ("String", "FixedString")
_WIDER = {
    ("Date", "Date32"),
    ("DateTime", "DateTime"),
    ("DateTime", "DateTime64"),
    ("DateTime64", "DateTime64"),
    ("Date", "DateTime"),
}


def combined_by(type_text: str) -> str:
    """The function of a SimpleAggregateFunction column; '' for any other."""
    found = parse_type(type_text)
    return found.arguments[0] if found.name == "SimpleAggregateFunction" and found.arguments else ""


def combines_alike(old: str, new: str) -> bool:
    """True where merges combine the new values to what they would have made of the old ones, by the same function."""
    function = combined_by(old)
    before, after = inner_type(old)[0], inner_type(new)[0]
    if function != combined_by(new):
        return False
    if before == after or function.partition("(")[0] in _BY_ROW:
        return True
    if function in _BY_ORDER:
        return ordered_alike(before, after)
    if function == "groupUniqArrayArray":
        return True  # what is equal stays equal: that values come through is counted
    one, two = whole(before), whole(after)
    return (
        one is not None
        and two is not None
        and one.signed == two.signed
        and two.bits >= one.bits
        and function != "sumWithOverflow"
    )


def ordered_alike(old: TypeText, new: TypeText) -> bool:
    """True where the values of both types sort in the same order."""
    labels, wanted = labels_of(old), labels_of(new)
    if labels is not None and wanted is not None:
        kept = [label for label in sorted(labels, key=lambda label: labels[label]) if label in wanted]
        return len(kept) == len(labels) and kept == sorted(kept, key=lambda label: wanted[label])
    if numeric(old) and numeric(new):
        return holds(old, new)
    return (old.name in _TEXT and new.name in _TEXT) or (old.name, new.name) in _WIDER
