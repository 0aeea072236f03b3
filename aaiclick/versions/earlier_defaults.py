"""Columns that a version on the way adds with another default than the declared one.

Version by version, the rows of that time get the default of the version that adds the column, and keep it when a later
one changes or drops the default. In one jump the column would come with the last default, so its rows are filled with
the first one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm
from aaiclick.sql.types import unwrapped

_NUMBERS = ("Int", "UInt", "Float", "BFloat", "Decimal", "Bool")


@dataclass(frozen=True, slots=True)
class Added:
    """How a version added a column."""

    label: str
    """What people call that version."""
    column: ColumnForm
    """The column as it was released then."""
    reads: Mapping[str, str]
    """What the columns that its default reads were then, as expressions over the live table."""


def is_another(added: Added, declared: ColumnForm, reads: Mapping[str, str]) -> bool:
    """True where rows of that version hold something else than the declared default yields. ``reads``: what the
    columns that the declared default reads are in the end, as expressions over the live table."""
    if declared.kind not in ("", "DEFAULT"):
        return False  # its values are worked out anew
    first, last = added.column, declared
    if first.expression or last.expression:
        return first.expression != last.expression or dict(added.reads) != dict(reads)
    return not _same_zero(first.type, last.type)


def _same_zero(one: str, other: str) -> bool:
    """Whether the values that columns of these types have by themselves are converted into each other."""
    (first, null), (last, still_null) = unwrapped(one), unwrapped(other)
    if null != still_null:
        return null  # NULL becomes the type's own value; the other way it stays what it was
    # A 0 is converted to 0 between all of them.
    numbers = first.name.startswith(_NUMBERS) and last.name.startswith(_NUMBERS)
    return null or numbers or str(first) == str(last)
