"""Which version a database is at, and which migrations are between that and the declared one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from aaiclick.catalog.forms import SERVER_KINDS, Catalog, Form, TableForm
from aaiclick.specs.migrations import Migration
from aaiclick.specs.schema import Schema
from aaiclick.versions.history import ReleaseHistory
from aaiclick.versions.lockfile import Lock
from aaiclick.versions.scripts import Script, statements_of
from aaiclick.versions.upgrade_path import Doubt, PendingScript, UpgradePath
from aaiclick.versions.version_changes import VersionChange

if TYPE_CHECKING:
    from aaiclick.versions.recognition import Recognition

Origin: TypeAlias = Literal["recorded", "recognised", "empty", "unrecorded"]


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """The version that a database is at, and how that is known.

    ``number`` is 0 for an empty database, and None where nothing tells: nothing is recorded, and no version was
    released. ``levels``: where tables are at different released versions, the version of each.
    """

    number: int | None
    origin: Origin
    recognition: Recognition | None = None
    levels: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def label(self) -> str:
        """For the sentence 'oplog is at ..., code expects v5'."""
        if self.number is None:
            return "no recorded version"
        return f"v{self.number}" if self.number else "v0 (empty)"


def former_names(scripts: Sequence[Script]) -> frozenset[str]:
    """Every name that a migration gave up by renaming a table."""
    return frozenset(old for script in scripts for old in script.migration.renames if "." not in old)


def live_version(
    schema: Schema,
    catalog: Catalog,
    recorded: int | None,
    has_record: bool,
    lock: Lock | None,
    former: frozenset[str] = frozenset(),
    levels: str = "",
) -> LiveVersion:
    """The recorded version, else the one that the tables look like.

    ``levels`` is the column ``migrations`` of the record: for tables at different versions it holds the version of
    each.
    """
    if has_record:
        return LiveVersion(recorded, "recorded", levels=_recorded_levels(levels))
    names = {item.name for item in schema.objects} | set(schema.former_names) | former
    if lock is not None:
        from aaiclick.versions.recognition import recognise

        forms: dict[str, Form] = {name: live.form for name, live in catalog.objects.items()}
        found = recognise(forms, lock)
        origin: Origin = "empty" if found.version == 0 else "unrecorded" if found.version is None else "recognised"
        # Where several versions match a table, from the newest there are the fewest steps.
        highest = {
            name: max(versions)
            for name, versions in found.matches.items()
            if found.mixed and versions and name in forms
        }
        return LiveVersion(found.version, origin, found, highest)
    # Also by names that were given up: a database of an old version has tables that nobody declares any more.
    if not any(name in catalog.objects for name in names):
        return LiveVersion(0, "empty")
    return LiveVersion(None, "unrecorded")


_MARKED = 8
"""So many characters of a storage's UUID stand in a key."""


@dataclass(frozen=True, slots=True)
class Displaced:
    """A table that is not the one which a migration's expressions were applied to."""

    table: str
    """Its name now."""
    uuid: str
    """The storage that is there under the name."""
    converted: tuple[str, ...]
    """The storages that are known to be converted; the last one is the newest."""

    def words(self, label: str) -> str:
        """What an operator has to decide about it; ``label`` is the migration's."""
        doubt = self.doubt(label)
        return (
            f"{label} converted the rows of storage {self.converted[-1]}, and somebody else has put storage "
            f"{self.uuid} under the name. Look whether its rows are converted, then allow one: "
            f"'{doubt.again}' converts them, '{doubt.skipped}' takes them as they are"
        )

    def doubt(self, label: str) -> Doubt:
        """The keys are about this storage: what is put there after it is asked about anew."""
        return Doubt(f"{label}:{self.table}", self.uuid[:_MARKED], len(self.converted) == 1)


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement of a migration that was begun."""

    times: int
    """How often."""
    mark: str
    """Tells the last time from those before, also in other databases."""


@dataclass(frozen=True, slots=True)
class MigrationProgress:
    """What earlier runs have done of the pending migrations, as the journal tells it."""

    done: frozenset[str] = frozenset()
    """Keys of what is done: ``3:move``, ``3:sql:1`` (statements count from 1), ``2:rebuild:operation_log``."""
    outcome_unknown: frozenset[str] = frozenset()
    """Keys of what was begun and of which nobody knows whether it ended."""
    sent: Mapping[str, Sent] = field(default_factory=dict[str, Sent])
    """The statements that were begun, by their keys, whatever became of them."""
    rerun: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of statements that an operator allows to be sent again: what allows it, by their keys."""
    bookmarks: Mapping[int, str] = field(default_factory=dict[int, str])
    """The last bookmark of a version's function, as JSON."""
    attempts: Mapping[int, int] = field(default_factory=dict[int, int])
    """How often a version's function was called."""
    displaced: Mapping[str, Displaced] = field(default_factory=dict[str, "Displaced"])
    """Keys of copies that are done, but of another table than the one that is there."""
    taken: Mapping[str, Displaced] = field(default_factory=dict[str, "Displaced"])
    """Those of them whose table the operator takes for converted."""


def scripts_between(schema: Schema, found: ReleaseHistory, live: LiveVersion) -> tuple[Script, ...]:
    """The migrations between the live version and the declared one. An empty database needs none: it is created as
    declared."""
    if not live.number or schema.version is None:
        return ()
    return tuple(script for script in found.scripts if live.number < script.version <= schema.version)


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
    )


def _once_declared(found: ReleaseHistory, recorded_forms: str) -> frozenset[str]:
    """Tables, views and dictionaries that earlier versions declared. A table that is only called like a function or
    named collection of one is somebody else's."""
    others = {"collection_keys", "database_engine", "text"}  # each of those forms has one of these
    released = found.lock.versions if found.lock is not None else ()
    named = {name for each in released for name, form in each.forms.items() if form.kind not in SERVER_KINDS}
    return frozenset(named) | {
        name
        for name, form in _recorded_names(recorded_forms).items()
        if not (isinstance(form, dict) and others & form.keys() and "reason" not in form)
    }


def _once_collections(found: ReleaseHistory, recorded_forms: str) -> frozenset[str]:
    """Named collections that earlier versions declared. A record leaves out what has its default, such as the kind."""
    named = {
        name
        for name, form in _recorded_names(recorded_forms).items()
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
    name = table
    # From the newest version to the oldest: only the declared name is known, and each rename gives the name before
    # it.
    for version in _steps(live.number, schema.version, found):
        script = found.script(version)
        migration = script.migration if script is not None else None
        before = name
        if migration is not None:
            before = next(
                (old for old, new in sorted(migration.renames.items()) if "." not in old and new == name), name
            )
        # A table may be further than the database: what its version did is not done to it again.
        if version <= _level(before, live):
            break
        changes.append(_version_change(version, name, before, script, found, progress, last=version == schema.version))
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
    script: Script | None,
    found: ReleaseHistory,
    progress: MigrationProgress,
    *,
    last: bool,
) -> VersionChange:
    locked = found.lock.get(version) if found.lock is not None else None
    form = locked.forms.get(name) if locked is not None else None
    released_form = form if isinstance(form, TableForm) else None
    if script is None:
        return VersionChange(version, f"version {version}", name, before, form=released_form)
    migration = script.migration
    # A migration may call the table by the name before its own rename or behind it.
    keys = (name, before)
    renames = {
        what.partition(".")[2]: new
        for what, new in migration.renames.items()
        if "." in what and what.partition(".")[0] in keys
    }
    rebuild = next((migration.rebuilds[key] for key in keys if key in migration.rebuilds), None)
    in_place = any(migration.strategy.get(key) == "alter" for key in keys)
    # A copy that is done is not made again: its expressions would read columns that it has filled already.
    done = any(rebuild_key(version, key) in progress.done for key in keys)
    if done:
        rebuild = None
    dropped = frozenset[str]() if done else _dropped_columns(migration, keys)
    # Not of the newest version: the table is declared, so that one does not drop it.
    gone = (
        not (done or last)
        and (locked is None or name not in locked.forms)
        and any(f"drop-table {key}" in migration.allow for key in keys)
    )
    replaced = (progress.displaced.get(rebuild_key(version, key)) for key in keys)
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
    )


def _dropped_columns(migration: Migration, tables: Sequence[str]) -> frozenset[str]:
    """The columns of a table that a migration allows to drop."""
    beginnings = tuple(f"drop-column {table}." for table in tables)
    return frozenset(
        key.removeprefix(beginning) for key in migration.allow for beginning in beginnings if key.startswith(beginning)
    )


def statement_doubt(label: str, key: str, progress: MigrationProgress) -> Doubt:
    """About a statement that was begun, by its key."""
    sent = progress.sent[key]
    return Doubt(f"{label}:{key.rpartition(':')[2]}", sent.mark, sent.times == 1, sent.times)


def rebuild_key(version: int, table: str) -> str:
    """The key, in the journal, of a copy with a migration's expressions."""
    return f"{version}:rebuild:{table}"


def later_names(table: str, scripts: Sequence[Script]) -> tuple[str, ...]:
    """The names that a table gets by migrations, the last one first, and its own."""
    names = [table]
    for script in scripts:
        renamed = script.migration.renames.get(names[0])
        if renamed is not None:
            names.insert(0, renamed)
    return tuple(names)


def _level(table: str, live: LiveVersion) -> int:
    """The version of one table: where tables are at different versions, each has its own."""
    return live.levels.get(table, live.number or 0)


def _recorded_levels(recorded: str) -> Mapping[str, int]:
    """The versions of single tables, as ``aaiclick adopt`` recorded them."""
    found = _recorded_names(recorded)
    return {
        key.removeprefix("level "): int(str(value))
        for key, value in found.items()
        if key.startswith("level ") and str(value).isdecimal()
    }


def _pending_script(script: Script, progress: MigrationProgress) -> PendingScript | None:
    version, migration = script.version, script.migration
    statements = statements_of(migration)
    # In order: behind the first that is not done all are sent, whatever the journal says of them.
    sent = next(
        (place for place in range(len(statements)) if f"{version}:sql:{place + 1}" not in progress.done),
        len(statements),
    )
    move = migration.move if f"{version}:move" not in progress.done else None
    rest = statements[sent:]
    if not rest and move is None:
        return None
    key = f"{version}:sql:{sent + 1}"
    doubt = statement_doubt(script.label, key, progress) if key in progress.outcome_unknown else None
    name = getattr(move, "__name__", "")
    return PendingScript(version, script.label, rest, move, name, doubt, progress.rerun.get(key, ""), script.checksum)


def _recorded_names(forms: str) -> Mapping[str, object]:
    try:
        raw: object = json.loads(forms) if forms else {}
    except ValueError:
        return {}
    return cast("dict[str, object]", raw) if isinstance(raw, dict) else {}
