"""Collects from the migrations between two versions what the difference of the declarations does not tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

from aaiclick.catalog.forms import SERVER_KINDS, TableForm
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.specs.migrations import Migration
from aaiclick.specs.renames import column_renames, table_renames
from aaiclick.specs.schema import Schema
from aaiclick.versions.history import ReleaseHistory
from aaiclick.versions.live_version import (
    Doubt,
    LiveVersion,
    MigrationProgress,
    rebuild_key,
    recorded_names,
    scripts_between,
    statement_doubt,
)
from aaiclick.versions.scripts import Script, statements_of
from aaiclick.versions.version_changes import PossibleRename, Reached, VersionChange, possible_column_renames

EVERY = ""
"""Stands for the name of every table."""


@dataclass(frozen=True, slots=True)
class PendingScript:
    """What is left to run of a migration's own statements and function."""

    version: int
    """The version that the migration leads to."""
    label: str
    """What people call the migration: ``0002_sort_key.sql``."""
    statements: tuple[str, ...] = ()
    """SQL statements that are still to be sent, in order."""
    move: Callable[..., object] | None = None
    """The migration's function; None where it has none or that ran already."""
    name: str = ""
    """Name of the function; '' for none."""
    doubt: Doubt | None = None
    """Whether the first of the statements happened; None where it was not begun."""
    rerun: str = ""
    """What the operator allowed so that it is sent again; '' where nothing was."""
    checksum: str = ""
    """The checksum of the migration: a plan that was approved is about this function, not about a later one."""


@dataclass(frozen=True, slots=True)
class TakenPlace:
    """What a new view takes the place of."""

    view: str
    """The name of the view that is renamed to its own."""
    alone: bool
    """The rename is one statement, so that it can be sent behind the fence of a fill."""


@dataclass(frozen=True, slots=True)
class UpgradePath:
    """All that the planner has to know about the versions between the live database and the declaration."""

    changes: Mapping[str, tuple[VersionChange, ...]] = field(default_factory=dict[str, tuple[VersionChange, ...]])
    """For each declared table what each version on the way does to it, oldest first."""
    former_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """For each declared table the names that it had before, newest first."""
    pending_scripts: tuple[PendingScript, ...] = ()
    """Statements and functions of migrations that still have to run, in the order of their versions."""
    once_declared: frozenset[str] = frozenset()
    """Names of objects that earlier versions declared. What is no longer declared may be dropped by name."""
    oldest_code: Mapping[int, int | None] = field(default_factory=dict[int, "int | None"])
    """For each migration the oldest version of the code that runs on its result; None where it does not say."""
    recorded_forms: Mapping[str, TableForm] = field(default_factory=dict[str, TableForm])
    """Canonical forms that were recorded for this very declaration by this release on this server. They save a scratch
    table."""
    dropped: Mapping[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    """Objects that migrations before the newest one allow to drop: version, and what people call it."""
    replaced_views: frozenset[str] = frozenset()
    """Views that the plan replaces, plain or refreshable: that such a view breaks in the meantime does not block a
    table's change."""
    droppable_views: frozenset[str] = frozenset()
    """Materialized views that the plan may drop before it changes tables, and make anew behind that."""
    rewritten_views: frozenset[str] = frozenset()
    """Views of any kind that get another query by the plan, before a column is dropped."""
    try_on_parts: bool = True
    """True: statements are also tried on clones that hold some parts of the live tables."""
    max_read_bytes: int | None = None
    """How many bytes of a table's columns may be read to find out what a change does; None: any number, 0: none."""
    on_replicas: bool = False
    """True: a new table may take the place of a replicated one on all hosts of its shard."""
    topology: Topology = SINGLE
    """The hosts that are asked about rows and parts: what one has says nothing of what the others have."""
    unread: Mapping[str, str] = field(default_factory=dict[str, str])
    """Tables of which the host that is asked for a shard has not all rows, and what it lacks, in words: none of them is
    read."""
    requested: frozenset[str] = frozenset()
    """Keys of what the policy allows by name: ``materialize t.i``."""
    changed_later: Mapping[str, str] = field(default_factory=dict[str, str])
    """For tables whose rows a pending script may change (``EVERY``: all) the label of that script. Their rows are only
    counted after it."""
    stopped_views: frozenset[str] = frozenset()
    """Refreshable views that were stopped before a killed run made them anew, by their quoted names."""
    once_collections: frozenset[str] = frozenset()
    """Names of named collections that earlier versions declared."""
    columns_before: Mapping[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    """For each table of the declaration that was recorded last, else of the released version that the database is at,
    the names of its columns."""
    possible_column_renames: Mapping[str, tuple[PossibleRename, ...]] = field(
        default_factory=dict[str, tuple[PossibleRename, ...]]
    )
    """For each declared table the columns that may have been renamed on the way, which nothing says."""
    possible_table_renames: tuple[PossibleRename, ...] = ()
    """Tables that may have been renamed on the way, which nothing says."""
    object_renames: tuple[tuple[int, Mapping[str, str]], ...] = ()
    """What the migrations on the way give another name as a whole: version, and new names by the former ones."""
    took_places: Mapping[str, TakenPlace] = field(default_factory=dict[str, TakenPlace])
    """Materialized views that take the place of one that is declared no longer, of which no migration says that it is
    the same."""
    same_version: bool = False
    """True: the version that the code declares is recorded. What is missing then was there, and may be on other
    hosts."""
    reached: Mapping[str, Reached] = field(default_factory=dict[str, Reached])
    """How far the rows of storages are on the way, by UUID."""

    def waits_for(self, names: Iterable[str]) -> str:
        """Label of the pending script after which a table with one of these names can be counted; '' for none."""
        return next((self.changed_later[name] for name in (EVERY, *names) if name in self.changed_later), "")

    def changes_of(self, table: str) -> tuple[VersionChange, ...]:
        """The changes that versions make to a declared table, oldest first."""
        return self.changes.get(table, ())


def upgrade_path(
    schema: Schema, found: ReleaseHistory, live: LiveVersion, recorded_forms: str, progress: MigrationProgress
) -> UpgradePath:
    """The path from the live version to the declared one, from migrations, lock file, record, and what is done
    already."""
    scripts = scripts_between(schema, found, live)
    changes: dict[str, tuple[VersionChange, ...]] = {}
    names: dict[str, tuple[str, ...]] = {}
    for table in schema.tables:
        table_changes = _changes_of(table.name, schema, found, live, progress)
        changes[table.name] = table_changes
        earlier = tuple(
            dict.fromkeys(change.before for change in reversed(table_changes) if change.before != table.name)
        )
        names[table.name] = earlier
    return UpgradePath(
        changes=changes,
        former_names=names,
        pending_scripts=tuple(one for script in scripts if (one := _pending_script(script, progress)) is not None),
        once_declared=_once_declared(found, recorded_forms),
        once_collections=_once_collections(found, recorded_forms),
        oldest_code={script.version: script.migration.oldest_code for script in scripts},
        dropped=_dropped_objects(scripts, schema),
        columns_before=_columns_before(found, live, recorded_forms),
        possible_column_renames=_possible_column_renames(changes, found, live),
        possible_table_renames=_possible_table_renames(found, scripts, live),
        object_renames=_object_renames(scripts),
        reached=progress.reached,
    )


def _object_renames(scripts: Sequence[Script]) -> tuple[tuple[int, Mapping[str, str]], ...]:
    each = ((one.version, table_renames(one.migration.renames)) for one in scripts)
    return tuple((version, renames) for version, renames in each if renames)


def _possible_column_renames(
    changes: Mapping[str, Sequence[VersionChange]], found: ReleaseHistory, live: LiveVersion
) -> dict[str, tuple[PossibleRename, ...]]:
    possible: dict[str, tuple[PossibleRename, ...]] = {}
    for name, each in changes.items():
        # One version alone is the declaration, which says what it renames.
        if len(each) > 1 and found.lock is not None:
            released = found.lock.get(_level(each[0].before, live))
            first = released.forms.get(each[0].before) if released is not None else None
            if isinstance(first, TableForm) and (columns := possible_column_renames(first, each)):
                possible[name] = columns
    return possible


def _possible_table_renames(
    found: ReleaseHistory, scripts: Sequence[Script], live: LiveVersion
) -> tuple[PossibleRename, ...]:
    """Tables of one engine and sort key with the same columns for the most part, of which a version has one no longer,
    and has the other one first."""
    said = {script.version: script.migration for script in scripts}
    possible: list[PossibleRename] = []
    versions = [each for each in (found.lock.versions if found.lock is not None else ()) if live.number]
    for older, newer in pairwise(each for each in versions if each.version >= (live.number or 0)):
        own = said.get(newer.version)
        told = {name for pair in table_renames(own.renames).items() for name in pair} if own is not None else set[str]()
        dropped = {key.removeprefix("drop-table ") for key in own.allow} if own is not None else set[str]()
        for old, before in older.forms.items():
            if old in newer.forms or old in told | dropped or not isinstance(before, TableForm):
                continue
            possible += [
                PossibleRename(newer.version, old, new)
                for new, form in newer.forms.items()
                if new not in older.forms and new not in told and isinstance(form, TableForm) and _alike(before, form)
            ]
    return tuple(possible)


def _alike(one: TableForm, other: TableForm) -> bool:
    columns = {(column.name, column.type) for column in one.columns}
    shared = columns & {(column.name, column.type) for column in other.columns}
    return (one.engine, one.order_by) == (other.engine, other.order_by) and 2 * len(shared) > len(columns)


def _columns_before(found: ReleaseHistory, live: LiveVersion, recorded_forms: str) -> dict[str, frozenset[str]]:
    columns: dict[str, frozenset[str]] = {}
    released = found.lock.get(live.number) if found.lock is not None and live.number else None
    if released is not None:
        for name, known in released.forms.items():
            if isinstance(known, TableForm):
                columns[name] = frozenset(column.name for column in known.columns)
    for name, form in recorded_names(recorded_forms).items():
        listed = cast("dict[str, object]", form).get("columns") if isinstance(form, dict) else None
        if isinstance(listed, list):
            each = (column.get("name") for column in cast("list[dict[str, object]]", listed))
            columns[name] = frozenset(map(str, each))
    return columns


def _once_declared(found: ReleaseHistory, recorded_forms: str) -> frozenset[str]:
    """Tables, views and dictionaries that earlier versions declared. A table that is only called like a function or
    named collection of one is somebody else's."""
    others = {"collection_keys", "database_engine", "text"}  # each of those forms has one of these
    released = found.lock.versions if found.lock is not None else ()
    named = {name for each in released for name, form in each.forms.items() if form.kind not in SERVER_KINDS}
    return frozenset(named) | {
        name
        for name, form in recorded_names(recorded_forms).items()
        if not (isinstance(form, dict) and others & form.keys() and "reason" not in form)
    }


def _once_collections(found: ReleaseHistory, recorded_forms: str) -> frozenset[str]:
    """Named collections that earlier versions declared. A record leaves out what has its default, such as the kind."""
    named = {
        name
        for name, form in recorded_names(recorded_forms).items()
        if isinstance(form, dict) and "collection_keys" in form
    }
    for locked in found.lock.versions if found.lock is not None else ():
        named |= {name for name, form in locked.forms.items() if form.kind == "named collection"}
    return frozenset(named)


def _dropped_objects(scripts: Sequence[Script], schema: Schema) -> dict[str, tuple[int, str]]:
    """Objects that a migration before the last one allows to drop, with its version and what people call it."""
    return {
        key.partition(" ")[2]: (script.version, script.label)
        for script in scripts
        for key in script.migration.allow
        if key.partition(" ")[0] in ("drop-table", "drop-view") and script.version != schema.version
    }


def _changes_of(
    table: str, schema: Schema, found: ReleaseHistory, live: LiveVersion, progress: MigrationProgress
) -> tuple[VersionChange, ...]:
    """What each version between does to a table, oldest first. Its name is followed back through the renames."""
    if not live.number or schema.version is None:
        return ()
    changes: list[VersionChange] = []
    name, later = table, list[str]()
    # From the newest version to the oldest: only the declared name is known, and each rename gives the name before
    # it.
    for version in _steps(live.number, schema.version, found):
        script = found.script(version)
        migration = script.migration if script is not None else None
        before = name
        if migration is not None:
            before = next((old for old, new in sorted(table_renames(migration.renames).items()) if new == name), name)
        # A table may be further than the database: what its version did is not done to it again.
        if version <= _level(before, live):
            break
        # A step over several versions is entered under the name that the table has behind it.
        entered = tuple(dict.fromkeys((*later, name, before)))
        last = version == schema.version
        changes.append(_version_change(version, name, before, entered, script, found, progress, last=last))
        later.append(name)
        # The version before it knows the table by that name only.
        name = before
    return tuple(reversed(changes))


def _steps(live: int, declared: int, found: ReleaseHistory) -> list[int]:
    """The versions above the live one that say something, newest first, and one for each gap between them: what a
    version without a migration and without a form tells (its types are not known) is not told better by a second."""
    told = {script.version for script in found.scripts} | {declared}
    if found.lock is not None:
        told |= {locked.version for locked in found.lock.versions}
    # A number may be a date: the gaps are not walked through.
    return sorted({each for one in told for each in (one - 1, one) if live < each <= declared}, reverse=True)


def _version_change(
    version: int,
    name: str,
    before: str,
    entered: Sequence[str],
    script: Script | None,
    found: ReleaseHistory,
    progress: MigrationProgress,
    *,
    last: bool,
) -> VersionChange:
    """``entered``: the names under which the journal may hold a copy of the table for this version."""
    locked = found.lock.get(version) if found.lock is not None else None
    form = locked.forms.get(name) if locked is not None else None
    released_form = form if isinstance(form, TableForm) else None
    # A migration may call the table by the name before its own rename or behind it.
    keys = (name, before)
    # A copy that is done is not made again: its expressions would read columns that it has filled already.
    done = any(rebuild_key(version, key) in progress.done for key in entered)
    if script is None:
        return VersionChange(version, f"version {version}", name, before, form=released_form, copied=done)
    migration = script.migration
    renames = column_renames(migration.renames, *keys)
    rebuild = next((migration.rebuilds[key] for key in keys if key in migration.rebuilds), None)
    in_place = any(migration.strategy.get(key) == "alter" for key in keys)
    if done:
        rebuild = None
    dropped = frozenset[str]() if done else _dropped_columns(migration, keys)
    # Not of the newest version: the table is declared, so that one does not drop it.
    gone = (
        not (done or last)
        and (locked is None or name not in locked.forms)
        and any(f"drop-table {key}" in migration.allow for key in keys)
    )
    # Such a copy is done, but of a storage that is not there any more. What the one that is there holds, only an
    # operator can say.
    replaced = (progress.displaced.get(rebuild_key(version, key)) for key in entered)
    written = rebuild is not None or dropped or gone
    displaced = next((one for one in replaced if one is not None), None) if written else None
    return VersionChange(
        version,
        script.label,
        name,
        before,
        renames,
        rebuild,
        in_place,
        released_form,
        displaced.words(script.label) if displaced is not None else "",
        displaced.doubt(script.label).again if displaced is not None else "",
        dropped,
        gone,
        copied=done,
    )


def _dropped_columns(migration: Migration, tables: Sequence[str]) -> frozenset[str]:
    """The columns of a table that a migration allows to drop."""
    beginnings = tuple(f"drop-column {table}." for table in tables)
    return frozenset(
        key.removeprefix(beginning) for key in migration.allow for beginning in beginnings if key.startswith(beginning)
    )


def _level(table: str, live: LiveVersion) -> int:
    """The version of one table: where tables are at different versions, each has its own."""
    return live.levels.get(table, live.number or 0)


def _pending_script(script: Script, progress: MigrationProgress) -> PendingScript | None:
    version, migration = script.version, script.migration
    statements = statements_of(migration)
    # In order: behind the first that is not done all are sent, whatever the journal says of them.
    sent = next(
        (place for place in range(len(statements)) if f"{version}:sql:{place + 1}" not in progress.done),
        len(statements),
    )
    # Its end is in the journal before anything else is done behind it, so a function that has ended is never called
    # again.
    move = migration.move if f"{version}:move" not in progress.done else None
    rest = statements[sent:]
    if not rest and move is None:
        return None
    key = f"{version}:sql:{sent + 1}"
    doubt = statement_doubt(script.label, key, progress) if key in progress.outcome_unknown else None
    name = getattr(move, "__name__", "")
    return PendingScript(version, script.label, rest, move, name, doubt, progress.rerun.get(key, ""), script.checksum)
