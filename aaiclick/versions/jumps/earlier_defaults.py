"""Columns that a version on the way adds with another default than the declared one.

Version by version, the rows of that time get the default of the version that adds the column, and keep it when a later
one changes or drops the default. In one jump the column would come with the last default, so its rows are filled with
the first one.

Where no lock file has the forms of the versions between, nobody knows which of them adds a column. Then a jump is told
that it may be another value, and is refused where the declared default itself has two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.specs.renames import with_leaves
from aaiclick.sql.column_names import names_in
from aaiclick.sql.tokens import TokenError
from aaiclick.sql.types import unwrapped
from aaiclick.versions.version_changes import VersionChange

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
    if declared.kind in ("ALIAS", "EPHEMERAL") or (declared.kind == "MATERIALIZED" and added.column.kind == "ALIAS"):
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


def last_name(name: str, changes: Sequence[VersionChange]) -> str:
    """What a column is called after these changes."""
    for change in changes:
        name = with_leaves(change.renames, (name,)).get(name, name)
    return name


def unknown_defaults(
    live: TableForm, known: Collection[str], changes: Sequence[VersionChange], declared: TableForm
) -> tuple[tuple[str, ...], str]:
    """Columns that a version on the way may have added before the last one, and why their values contradict each other
    if it did; '' where they do not. ``known``: the columns of which the way says what they hold."""
    # A released form behind them would have the column.
    forms = [place for place, change in enumerate(changes[:-1]) if change.form is not None]
    first = forms[-1] + 1 if forms else 0
    added = {
        column.name: column
        for column in declared.columns
        if column.kind in ("", "DEFAULT") and column.name not in known
    }
    if first >= len(changes) - 1 or not added:
        return (), ""
    # A column that the live table lacks is there from its first expression on: that one leaves it no other value.
    before = {last_name(column.name, changes) for column in live.columns}
    filled: dict[str, VersionChange] = {}
    for place, change in enumerate(changes[first + 1 :], first + 1):
        for name in change.rebuild.columns if change.rebuild is not None else ():
            final = last_name(name, changes[place + 1 :])
            if final in before:
                filled[final] = change
            before.add(final)
    for name, column in added.items():
        reads = _reads(name, declared) & filled.keys()
        if reads:
            read = min(reads)
            change = filled[read]
            return tuple(added), (
                f"{name} is DEFAULT {column.expression}, and {change.label} fills {read} anew: whether an earlier "
                f"version adds {name}, with what {read} was before, is not known without a released form of it. Keep a "
                f"schema.lock.json (aaiclick revision writes it), say what it is with Rebuild(columns={{{name!r}: "
                "...}) in that migration, or bring the database to the version before it first"
            )
    return tuple(added), ""


def _reads(name: str, declared: TableForm) -> frozenset[str]:
    """The columns that a default reads, by itself or through others."""
    found: set[str] = set()
    left = [name]
    while left:
        column = declared.column(left.pop())
        try:
            names = set(names_in(column.expression)) if column is not None and column.expression else set[str]()
        except TokenError:
            names = {each.name for each in declared.columns}
        left += sorted(names - found)
        found |= names
    return frozenset(found)
