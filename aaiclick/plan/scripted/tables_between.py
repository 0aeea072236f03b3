"""Tables as versions between the live one and the declared one want them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.catalog.reflect import reflect_table
from aaiclick.errors import UnsupportedObjectError
from aaiclick.plan.comparison.recorded import live_source
from aaiclick.plan.scripted.statements import exchanged_by, made_by
from aaiclick.plan.ttl import without_ttl
from aaiclick.specs.columns import Column
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.sql.tokens import TokenError, Tokens, unquote
from aaiclick.versions.history import ReleaseHistory
from aaiclick.versions.upgrade_path import PendingScript, UpgradePath
from aaiclick.versions.version_changes import VersionChange


@dataclass(frozen=True, slots=True)
class TableAt:
    """A table when a script runs.

    ``spec`` is what the script's version makes of it, ``prior`` what the version before released (None: not known),
    ``declared`` its declaration (None where it is given up later).
    """

    spec: Table
    prior: Table | None
    declared: Table | None


def tables_at(schema: Schema, path: UpgradePath, found: ReleaseHistory, version: int) -> list[TableAt]:
    """The tables of the schema as ``version`` finds and leaves them."""
    prior = _locked(found, version - 1)
    # The lock file gets a version when it is released; until then its tables are those of the declaration.
    own = _locked(found, version) if version != schema.version else {}
    if not own:
        return [
            TableAt(table, prior.get(_name_at(path.changes_of(table.name), table.name, version - 1)), table)
            for table in schema.tables
        ]
    by_name = {_name_at(path.changes_of(table.name), table.name, version): table for table in schema.tables}
    listed: list[TableAt] = []
    for name, spec in own.items():
        declared = by_name.get(name)
        changes = path.changes_of(declared.name) if declared is not None else ()
        before = next((change.before for change in changes if change.version == version), name)
        listed.append(TableAt(spec, prior.get(before), declared))
    return listed


def _locked(found: ReleaseHistory, version: int) -> dict[str, Table]:
    """The tables of a released version, as declarations."""
    locked = found.lock.get(version) if found.lock is not None else None
    tables: dict[str, Table] = {}
    for name, form in sorted(locked.forms.items()) if locked is not None else ():
        if isinstance(form, TableForm):
            with suppress(UnsupportedObjectError):
                tables[name] = reflect_table(form)
    return tables


def _name_at(changes: tuple[VersionChange, ...], declared: str, version: int) -> str:
    later = [change for change in changes if change.version > version]
    return later[0].before if later else declared


def wanted_before(
    table: TableAt, catalog: Catalog, path: UpgradePath, first: PendingScript
) -> tuple[Table, tuple[VersionChange, ...], tuple[VersionChange, ...]] | str | None:
    """The declaration to plan for before the script, the changes on the way to it, and those that are left for later.

    None where nothing is needed; a sentence where it cannot be done safely.
    """
    declared = table.declared
    changes = path.changes_of(declared.name) if declared is not None else ()
    until = tuple(change for change in changes if change.version <= first.version)
    live = live_source(
        table.spec,
        catalog,
        UpgradePath(former_names={table.spec.name: tuple(change.before for change in reversed(until))}),
    )
    made = made_by(first.statements)
    if live is None:
        if table.spec.name in made or (
            declared is not None and (catalog.get(declared.name) is not None or declared.name in made)
        ):
            return None
        return (_covering(table), (), ())
    if not isinstance(live.form, TableForm):
        return None
    made |= _never_read(table.spec, {table.spec.name, *(change.before for change in changes)}, first)
    made |= _renamed_later(table, changes, first.version)
    before = tuple(change for change in until if change.rebuild is not None and change.version < first.version)
    later = tuple(change for change in changes if change.rebuild is not None and change.version >= first.version)
    renamed = {**_remarked(live.form, table.spec), **{old: new for each in until for old, new in each.renames.items()}}
    earlier = {old: new for change in until if change.version < first.version for old, new in change.renames.items()}
    retyped = table.prior is not None and _retyped(live.form, table.prior, earlier)
    if not before and not retyped and not any(_read_elsewhere(live.form, old) for old in renamed):
        spec = _additive(live.form, table.spec, renamed, made)
        if spec is None:
            return None
        return spec, tuple(replace(change, rebuild=None, table=spec.name) for change in until), changes
    left = tuple(replace(change, rebuild=None) if change.version < first.version else change for change in changes)
    # Where the declaration covers this version, the table goes to its end at once: one rewrite in place of two.
    covered = (
        declared is not None
        and _covers(declared, table.spec)
        and (table.prior is None or _agrees(declared, table.prior))
    )
    if declared is not None and covered and not later and table.spec.name == declared.name and not made:
        return declared, changes, tuple(replace(change, rebuild=None) for change in changes)
    if table.prior is None:
        labels = ", ".join(change.label for change in before) or "a rename"
        return (
            f"{first.label} works on {table.spec.name} as {labels} leaves it, and a later version changes it again: "
            "no released form is known of the versions"
            " between released. Keep a schema.lock.json (aaiclick revision writes it), or bring the database to the "
            "version before it first"
        )
    taken = tuple(change if change.version < first.version else replace(change, rebuild=None) for change in until)
    return without_ttl(_merged(table.prior, table.spec, renamed, made)), taken, left


def _remarked(live: TableForm, spec: Table) -> dict[str, str]:
    """Renames of columns that the declaration remarks (``renamed_from``) and that are still to be made."""
    return {
        column.renamed_from: column.name
        for column in spec.columns
        if column.renamed_from
        and live.column(column.renamed_from) is not None
        and live.column(column.name) is None
        and spec.column(column.renamed_from) is None
    }


def _never_read(spec: Table, names: Collection[str], script: PendingScript) -> frozenset[str]:
    """Columns of a table that the script puts another one in the place of, and that no statement of it names.

    They belong to the new table, or to a later version. The old one may be kept under another name, and has to be what
    it was.
    """
    if script.move is not None or not {*made_by(script.statements), *exchanged_by(script.statements)} & {*names}:
        return frozenset()
    return frozenset(column.name for column in spec.columns if not script_names_any(script, {column.name}))


def _renamed_later(table: TableAt, changes: tuple[VersionChange, ...], version: int) -> frozenset[str]:
    """Names that columns get in later versions, where the tables of this version are not known: a column that was added
    under such a name would take the place of the one that is renamed, and of its values."""
    if table.spec is not table.declared:
        return frozenset()
    return frozenset(new for change in changes if change.version > version for new in change.renames.values())


def _covering(table: TableAt) -> Table:
    """How a missing table is created: as declared, where that has all columns of the version."""
    if table.declared is not None and table.declared.name == table.spec.name and _covers(table.declared, table.spec):
        return table.declared
    return table.spec


def _covers(declared: Table, spec: Table) -> bool:
    return all(
        (column := declared.column(own.name)) is not None and column.type.replace(" ", "") == own.type.replace(" ", "")
        for own in spec.columns
    )


def _agrees(declared: Table, prior: Table) -> bool:
    """True where columns that are in both have the same type."""
    return all(
        (own := declared.column(column.name)) is None or own.type.replace(" ", "") == column.type.replace(" ", "")
        for column in prior.columns
    )


def _retyped(live: TableForm, spec: Table, renames: Mapping[str, str]) -> bool:
    before = {renames.get(column.name, column.name): column.type for column in live.columns}
    return any(
        column.name in before and before[column.name].replace(" ", "") != column.type.replace(" ", "")
        for column in spec.columns
    )


def _read_elsewhere(live: TableForm, name: str) -> bool:
    """True where a key, an index or another column reads the column: renaming it then changes more than its name."""
    texts = [live.order_by, live.primary_key, live.partition_by, live.sample_by, live.ttl, live.arguments]
    texts += [index.expression for index in live.indexes] + [projection.body for projection in live.projections]
    texts += (
        [constraint.expression for constraint in live.constraints]
        + [column.expression for column in live.columns]
        + [column.ttl for column in live.columns]
    )
    return any(
        unquote(token.text) == name
        for text in texts
        if text
        for token in Tokens(text).items
        if token.kind in ("word", "name")
    )


def _additive(live: TableForm, spec: Table, renames: Mapping[str, str], made: Collection[str]) -> Table | None:
    """The live table with missing columns of ``spec`` added and renames made; None where nothing is missing."""
    try:
        base = reflect_table(live)
    except UnsupportedObjectError:
        return None
    merged = _merged(base, spec, renames, made)
    same = [column.name for column in merged.columns] == [
        column.name for column in base.columns
    ] and spec.name == base.name
    return None if same else merged


def _merged(base: Table, spec: Table, renames: Mapping[str, str], made: Collection[str]) -> Table:
    """``base`` with the names of ``spec`` and its missing columns, without those that a statement of the script adds
    itself."""
    present = {column.name for column in base.columns}
    columns: list[Column] = []
    for column in base.columns:
        new = renames.get(column.name, column.name)
        named = spec.column(new)
        if new in present or named is None:
            columns.append(column)
        else:
            columns.append(column.model_copy(update={"name": new, "renamed_from": named.renamed_from}))
    place = 0
    for column in spec.columns:
        at = next((index for index, known in enumerate(columns) if known.name == column.name), None)
        if at is None and column.name in made:
            continue
        if at is None:
            columns.insert(place, column.model_copy(update={"renamed_from": None}))
            at = place
        place = at + 1
    # A remark is all that says what a table, or column, was called, where no migration does.
    return base.model_copy(update={"columns": columns, "name": spec.name, "renamed_from": spec.renamed_from})


def script_names_any(script: PendingScript, names: set[str]) -> bool:
    """True where the script may read or write a table with one of the names. A function may do anything."""
    if script.move is not None:
        return True
    for sql in script.statements:
        try:
            tokens = Tokens(sql)
        except TokenError:
            return True
        if any(token.kind in ("word", "name") and unquote(token.text) in names for token in tokens.items):
            return True
    return False
