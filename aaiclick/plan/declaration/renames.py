"""Renames to a name that another column, or table, of the same declaration had: the two rows of values cannot both have
it, so nothing would be renamed, in silence."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from aaiclick.catalog.forms import Catalog, LiveObject, TableForm
from aaiclick.errors import MigrationError
from aaiclick.plan.comparison.recorded import earlier_names
from aaiclick.specs.renames import circle, with_leaves
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.versions.upgrade_path import UpgradePath
from aaiclick.versions.version_changes import PossibleRename, VersionChange


def require_free_names(schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject], path: UpgradePath) -> None:
    """Raise ``MigrationError`` where a rename is pending whose new name the version before declared as well, and both
    are there.

    Where only the database has both, the rename may have been made, and another program has added the old name again:
    that is a note of the plan. ``sources``: the live tables by their declared names.
    """
    declared = {item.name for item in schema.objects}
    for table in schema.tables:
        live = sources.get(table.name)
        if live is None or not isinstance(live.form, TableForm):
            continue
        before = path.columns_before
        for old in earlier_names(table, path):
            both = live.name == table.name and catalog.get(old) is not None and old not in declared
            if both and {old, table.name} <= before.keys():
                raise _taken(schema, "table", old, table.name)
        present = {column.name for column in live.form.columns}
        for old, new in _onto_declared(table, live.name, present, path):
            if old in present and new in present:
                raise _taken(schema, "column", old, new, f"{table.name}.")


def require_no_swap(schema: Schema, catalog: Catalog, path: UpgradePath) -> None:
    """Raise ``MigrationError`` where objects swap names over several versions: their names in the end are those that
    they have now, so nothing would be renamed, and each would be taken for another one, in silence."""
    said = {name for _, renames in path.object_renames for name in renames}
    places = {name: name for name in said if catalog.get(name) is not None}
    before = 0
    for version, renames in path.object_renames:
        places = {live: renames.get(name, name) for live, name in places.items()}
        swapped = circle({live: name for live, name in places.items() if live != name})
        if swapped:
            raise MigrationError(
                f"{schema.name}: {', '.join(sorted(swapped))}",
                f"swap names in the versions up to {version}: nothing would be renamed, and each would be taken for "
                f"the other one. Bring the database to version {before} first: aaiclick migrate --to {before}",
            )
        before = version


def require_renames_stated(
    schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject], path: UpgradePath
) -> None:
    """Raise ``MigrationError`` where a version on the way may have renamed a table or column, nothing says it, and what
    has the old name would be taken for something else, or left behind, in silence."""
    declared = {item.name for item in schema.objects}
    # A later version may have given the new one yet another name.
    later = {name: table.name for table in schema.tables for name in (table.name, *earlier_names(table, path))}
    moved = {live.name for name, live in sources.items() if live.name != name}
    for possible in path.possible_table_renames:
        old, new = possible.old, possible.new
        rows = catalog.get(old)
        if rows is None or not isinstance(rows.form, TableForm) or old in moved or later.get(new) in sources:
            continue
        if new in later and f"drop-table {old}" not in path.requested:
            again = "" if old in declared else f", or write renamed_from: {old} at {later[new]} again"
            raise _not_stated(schema, "table", possible, f"{again}; where {new} is another table, create it first")
    for table in schema.tables:
        live = sources.get(table.name)
        if live is None or not isinstance(live.form, TableForm):
            continue
        for possible in path.possible_column_renames.get(table.name, ()):
            there = live.form.column(possible.old) is not None and live.form.column(possible.new) is None
            # Where nobody declares the old name it stays, and a note says so.
            if there and table.column(possible.old) is not None:
                other = (
                    f"; where {possible.new} is another column, add it first: aaiclick migrate --to {possible.version}"
                )
                raise _not_stated(schema, "column", possible, other, f"{table.name}.")


def _not_stated(schema: Schema, what: str, possible: PossibleRename, ways: str, place: str = "") -> MigrationError:
    return MigrationError(
        f"{schema.name}: {what} {place}{possible.old}",
        f"is not in version {possible.version}, which has {possible.new} instead, and nothing says whether that is the "
        f"same {what} under another name. Bring the database to version {possible.version} with the code of that "
        f"version first{ways}",
    )


def _onto_declared(
    table: Table, live_name: str, present: Collection[str], path: UpgradePath
) -> Iterator[tuple[str, str]]:
    """Old and new name of columns that are renamed to a name that was declared before."""
    changes = path.changes_of(table.name)
    # A copy that fills the new name, or that was made already, says what becomes of its values.
    filled = {name for change in changes if change.rebuild is not None for name in change.rebuild.columns}
    if any(change.copied for change in changes):
        return
    first = path.columns_before.get(live_name, frozenset())
    before = first
    for change in changes:
        # Statements of its migration may drop what has the name; behind them this is asked again.
        scripted = any(script.version <= change.version for script in path.pending_scripts)
        for old, new in with_leaves(change.renames, present).items():
            taken = new in change.dropped or {old, new} <= before
            if taken and not scripted and new not in filled and not _moves(new, change) and _declares(table, new):
                yield old, new
        columns = change.form.columns if change.form is not None else ()
        before = frozenset(column.name for column in columns)
    if path.pending_scripts:
        return
    hints = {column.renamed_from: column.name for column in table.columns if column.renamed_from}
    for old, new in with_leaves(hints, present).items():
        moved = any(_moves(new, change) for change in changes) or new in hints
        if {old, new} <= first and not moved and new not in filled and not _declares(table, old):
            yield old, new


def _moves(name: str, change: VersionChange) -> bool:
    return any(old == name or name.startswith(f"{old}.") for old in change.renames)


def _declares(table: Table, name: str) -> bool:
    return table.column(name) is not None or table.column(name.partition(".")[0]) is not None


def _taken(schema: Schema, what: str, old: str, new: str, place: str = "") -> MigrationError:
    return MigrationError(
        f"{schema.name}: {what} {place}{old}",
        f"is to be renamed to {new}, and a {what} {new} is still there: nothing would be renamed, and {new} would keep "
        f"its own {'values' if what == 'column' else 'rows'}. Drop {new} in one version, bring the database to it, and "
        f"rename {old} to {new} in the next; where {new} holds what {old} holds already, drop {old} first",
    )
