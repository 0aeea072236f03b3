"""Which renames apply to the columns that are there, and in which order. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from aaiclick.sql.quoting import quote_name

QUOTED = r"`(?:[^`\\]|\\.|``)+`"
"""A name in backticks, as a pattern."""
_NAME = re.compile(QUOTED, re.DOTALL)
_TABLE_FIRST = re.compile(rf"({QUOTED})(?:\.(.+))?", re.DOTALL)


def applicable(renames: Mapping[str, str], present: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The renames (old -> new) that still have to be made, in a safe order: with ``b -> c`` and ``a -> b``, ``b`` is
    renamed first.

    A rename whose new name is there already, and stays, was made before. Columns that swap names are not renamed:
    nothing would show whether that was done already.
    """
    found: list[tuple[str, str]] = []
    for old in sorted(renames):
        _follow(old, renames, present, (), found)
    return tuple(found)


def with_leaves(renames: Mapping[str, str], present: Collection[str]) -> dict[str, str]:
    """Renames of a flattened Nested as renames of its columns: with ``n`` renamed to ``m`` each ``n.x`` becomes
    ``m.x``."""
    whole = {old for old in renames if old not in present and any(name.startswith(f"{old}.") for name in present)}
    leaves = {
        name: f"{renames[old]}{name.removeprefix(old)}"
        for old in whole
        for name in present
        if name.startswith(f"{old}.")
    }
    return {**leaves, **{old: new for old, new in renames.items() if old not in whole}}


def _follow(
    old: str,
    renames: Mapping[str, str],
    present: Collection[str],
    behind: tuple[str, ...],
    found: list[tuple[str, str]],
) -> bool:
    if any(done == old for done, _ in found):
        return True
    # Back at a name of the same chain: the names go round in a circle.
    if old not in present or old not in renames or old in behind:
        return False
    new = renames[old]
    # The new name is taken by a column that is renamed itself: that one has to go first.
    if new in present and not _follow(new, renames, present, (*behind, old), found):
        return False
    found.append((old, new))
    return True


def circle(renames: Mapping[str, str]) -> tuple[str, ...]:
    """Names that swap places, such as ``a`` and ``b`` of ``a -> b, b -> a``; () where there are none."""
    for start in sorted(renames):
        way, name = [start], renames[start]
        while name in renames and name not in way:
            way.append(name)
            name = renames[name]
        if name == start:
            return tuple(way)
    return ()


def renamed_parts(old: str) -> tuple[str, str]:
    """Table and column of what a migration renames; the column is '' where it is a table.

    The first dot divides them. A table whose name has a dot stands in backticks, as in SQL, and so may a column.
    """
    found = _TABLE_FIRST.fullmatch(old)
    if found is not None:
        return plain_name(found[1]), plain_name(found[2] or "")
    table, _, column = old.partition(".")
    return table, plain_name(column)


def plain_name(text: str) -> str:
    """A name without the backticks that it may stand in."""
    if not _NAME.fullmatch(text):
        return text
    from aaiclick.sql.tokens import unquote  # most names stand in none

    return unquote(text)


def rename_said(table: str, column: str = "") -> str:
    """``renamed_parts``, the other way: as plain as it can be said."""
    bare = "." not in table and not table.startswith("`")
    if not column:
        return table if bare else quote_name(table)
    if bare and not column.startswith("`"):
        return f"{table}.{column}"
    return f"{table if bare else quote_name(table)}.{quote_name(column)}"


def new_name_text(old: str, new: str) -> str:
    """The new name of what a migration renames, as plain as it can be said."""
    return new if is_new_name(old, new) and not new.startswith("`") else quote_name(new)


def table_renames(renames: Mapping[str, str]) -> dict[str, str]:
    """New names of tables, and of other objects, by their former ones."""
    each = ((*renamed_parts(old), new) for old, new in renames.items())
    return {table: plain_name(new) for table, column, new in each if not column}


def column_renames(renames: Mapping[str, str], *tables: str) -> dict[str, str]:
    """New names of the columns of a table by their former ones. ``tables``: all names that it is called by."""
    each = ((*renamed_parts(old), new) for old, new in renames.items())
    return {column: plain_name(new) for table, column, new in each if column and table in tables}


def is_new_name(old: str, new: str) -> bool:
    """True where ``new`` can be a name. Without backticks a dot is allowed only in a column of a Nested; elsewhere the
    table's name was written by mistake."""
    if _NAME.fullmatch(new):
        return True
    table, column = renamed_parts(old)
    return bool(new) and (
        "." not in new or ("." in column and not new.startswith(f"{table}.") and not new.endswith("."))
    )


def table_and_column(what: str, tables: Collection[str]) -> tuple[str, str]:
    """A ``table.column`` in two, by the names that tables have; the column is '' where it is a table.

    Both may have dots in their names. The longest table that is there counts; the first dot, where none is.
    """
    if what in tables:
        return what, ""
    known = [table for table in tables if what.startswith(f"{table}.")]
    if not known:
        table, _, column = what.partition(".")
        return table, column
    table = max(known, key=len)
    return table, what.removeprefix(f"{table}.")


def swap_problem(swapped: Collection[str]) -> str:
    """Why columns that swap names over several versions are not renamed; '' where there are none."""
    # The engine refuses to rename two columns to each other in one ALTER (error 48), and by way of a third name a run
    # that is killed in between could not tell how far it came.
    if not swapped:
        return ""
    return f"columns {', '.join(swapped)} swap names on the way: migrate version by version, or fill them in a Rebuild"
