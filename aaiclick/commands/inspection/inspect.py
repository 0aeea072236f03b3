"""Reads everything before anything is done: the live objects, the records, the journal, the version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aaiclick.catalog.forms import Catalog
from aaiclick.catalog.read import read_catalog, server_facts
from aaiclick.clickhouse.features import require_renames, require_server
from aaiclick.clickhouse.names import GUARD
from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping, bookkeeping_of, with_bookkeeping
from aaiclick.clickhouse.shared.owner_database import require_own
from aaiclick.clickhouse.topology import SINGLE, Topology, read_topology
from aaiclick.commands.inspection.migration_progress import migration_progress
from aaiclick.commands.inspection.where_recorded import WhereRecorded, shared_already, where_recorded
from aaiclick.diff.hazards import ONE_NODE
from aaiclick.errors import ApplyError, StatementError
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import TableFamily
from aaiclick.state.entries.stopped import kept_views, stopped_views, ttl_changes
from aaiclick.state.journal import Details, Entry
from aaiclick.state.owned import Owned, read_owned_here, with_notes
from aaiclick.state.owners import TableOwner
from aaiclick.state.progress import UNWRITTEN, JournalScope
from aaiclick.state.record import Record, Space
from aaiclick.state.recorded_state import RecordedState, journal_scope, read_recorded_state
from aaiclick.state.transition import (
    UnfinishedMigration,
    UnfinishedRollback,
    find_unfinished_migration,
    find_unfinished_rollback,
)
from aaiclick.versions.history import ReleaseHistory, check_applied, check_not_added, read_history
from aaiclick.versions.live_version import (
    LiveVersion,
    MigrationProgress,
    former_names,
    live_version,
    scripts_between,
)
from aaiclick.versions.scripts import Script

SPACES: Mapping[str, Space] = {
    "function": "function",
    "named collection": "named collection",
    "database": "database",
}
"""The nouns of declarations that share no names with tables."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is there before anything is planned: database, record, journal and code."""

    schema: Schema
    """What the code declares."""
    catalog: Catalog
    """The objects, as the server shows them."""
    released: ReleaseHistory
    """The versions and scripts that the code brings along."""
    live: LiveVersion
    """The version that the database is at."""
    owned: Owned
    """What this library has made in the database."""
    recorded: RecordedState
    """What is written down: the last record, the names, the owners, the journal."""
    progress: MigrationProgress = field(default_factory=MigrationProgress)
    """What of the migrations that are pending is done already."""
    undeclared: frozenset[str] = frozenset()
    """Objects that earlier versions declared here, and that are there still."""
    unfinished_migration: UnfinishedMigration | None = None
    """A transition that was begun, as far as the journal says, and is not recorded."""
    unfinished_rollback: UnfinishedRollback | None = None
    """A rollback that was begun and is not recorded."""
    allowed: frozenset[str] = frozenset()
    """What the policy allows by name."""
    topology: Topology = SINGLE
    """The hosts that hold the objects."""
    where: WhereRecorded = field(default_factory=lambda: WhereRecorded(Bookkeeping("", "")))
    """Where what is recorded was read."""

    @property
    def books(self) -> Bookkeeping:
        """Where what is recorded is kept by whoever has the lease."""
        shared = bookkeeping_of(self.topology, self.catalog.database)
        return shared if shared.shared else self.where.books

    @property
    def record(self) -> Record | None:
        """The last transition of the schema; None where there is none."""
        return self.recorded.record

    @property
    def numbered(self) -> Record | None:
        """The last transition to a version; None where there is none."""
        return self.recorded.numbered

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What the journal holds of this generation."""
        return self.recorded.entries

    @property
    def owners(self) -> Mapping[str, TableOwner]:
        """What belongs to another schema of this database, by its name. What this schema calls so counts, or called so
        once: a table and a named collection of one name are two things."""
        declared = {item.name: SPACES.get(item.noun, "") for item in self.schema.objects}
        ours = {(space, name) for space, name in self.recorded.names if name not in declared}
        ours |= {(space, name) for name, space in declared.items()}
        known = {name for _, name in ours}
        owners = self.recorded.owners.items()
        return {key[1]: owner for key, owner in owners if key in ours or (not key[0] and key[1] not in known)}

    @property
    def overtaken(self) -> bool:
        """True where somebody is on the way to a newer version than the code declares."""
        return (
            self.unfinished_migration is not None
            and self.schema.version is not None
            and self.unfinished_migration.version > self.schema.version
        )

    @property
    def pending(self) -> tuple[Script, ...]:
        """The migrations between the database and the code."""
        return scripts_between(self.schema, self.released, self.live)

    @property
    def scope(self) -> JournalScope:
        """Where what is done on the way from here is entered."""
        return journal_scope(self.catalog.database, self.schema.name, self.record)

    @property
    def stopped_views(self) -> frozenset[str]:
        """Refreshable views that were stopped before a killed run made them anew, by their quoted names."""
        return stopped_views(self.scope, self.entries)

    @property
    def guarded(self) -> bool:
        """Whether a constraint of a run is on a table. Nobody who is not under the lease knows whether that is at
        work."""
        return any(GUARD in live.text for live in self.catalog.objects.values())

    @property
    def ttl_changes(self) -> Mapping[str, str]:
        """Tables whose TTL merges a killed run stopped, with the UUIDs of their storages ('' where not known)."""
        return ttl_changes(self.scope, self.entries)

    @property
    def kept_views(self) -> Mapping[str, Details]:
        """What nobody declares of views that a killed run was making anew, by their quoted names."""
        return kept_views(self.scope, self.entries)

    @property
    def unwritten(self) -> Mapping[str, tuple[str, ...]]:
        """Columns that a killed run added without writing them, by tables."""
        if not any(UNWRITTEN in entry.action.step for entry in self.entries):
            return {}
        from aaiclick.state.entries.unwritten import unwritten  # only clusters have such entries

        return unwritten(self.scope, self.entries)

    @property
    def ahead(self) -> bool:
        """True where a newer version is recorded than the code declares."""
        return (
            self.numbered is not None
            and self.schema.version is not None
            and (self.numbered.version or 0) > self.schema.version
        )

    @property
    def same_version(self) -> bool:
        """True where the record is of the version that the code declares."""
        return (
            self.record is not None and self.schema.version is not None and self.record.version == self.schema.version
        )


def inspect_database(
    schema: Schema,
    database: str | None,
    skipped: frozenset[str] = frozenset(),
    trusting: bool = False,
    empty: bool = False,
    owned: Owned | None = None,
    recorded: RecordedState | None = None,
    opening: bool = False,
    beside: Sequence[str] = (),
) -> Routine[Inspection]:
    """Read the catalogue, the record and the journal.

    ``skipped``: keys that the policy allows by name; what it says of doubts counts here. ``trusting``:
    applied migrations are not compared with the code. ``empty``: there certainly is no object of the schema.
    ``owned``, ``recorded``: what was read under the lease already and has not changed; None: they are read.
    ``opening``: the caller goes to the lease where the tables of a cluster have to be made or filled first
    (``Inspection.where``); then nothing that is recorded may have been read. Else ApplyError is raised there.
    ``beside``: as in ``read_catalog``.
    Raises HistoryError where an applied migration was edited, UsageError where the server is too old.
    """
    # Files first: what is wrong in them is told before a database is asked.
    known = read_history(schema)
    # A family takes in tables that nobody has named, so all of them have to be read.
    names = None if any(isinstance(item, TableFamily) for item in schema.objects) else names_of_schema(schema, known)
    # Where certainly nothing is there, no definition is asked for: each costs the server half a millisecond.
    catalog = yield from _catalog(database, () if empty else names, () if empty else beside)
    # The engine reads declarations that are SQL, so that needs a connection, and the name of the database.
    if schema.declared_as_sql:
        from aaiclick.catalog.from_sql.declarations import read_sql

        schema = yield from read_sql(schema, catalog.database)
    owned = owned if owned is not None else (yield from read_owned_here(catalog.database))
    # Who says that there is one node only is not believed where all hosts share the records already.
    alone = ONE_NODE in skipped and not shared_already(owned)
    topology = SINGLE if alone else (yield from read_topology(catalog, schema.cluster or ""))
    if topology.single and schema.replicate == "where-possible":
        schema, known = schema.with_local_engines(), known.on_one_host(catalog)
    where = yield from _where(catalog, owned, topology, opening)
    if recorded is None and where.readable:
        owned = yield from with_notes(owned, where.books)
        recorded = yield from with_bookkeeping(read_recorded_state(owned, schema.name), where.books)
    recorded = recorded if recorded is not None else RecordedState()
    # Also for a start that has nothing to do otherwise: an edited migration is told at once, and not when somebody sets
    # up a new database with it.
    if not trusting:
        _check_files(schema, known, recorded.numbered)
    live = _live(schema, catalog, known, recorded)
    recorded, progress = yield from migration_progress(schema, catalog, known, live, recorded, skipped)
    undeclared: frozenset[str] = frozenset()
    if recorded.record is not None:
        catalog, undeclared = yield from _undeclared(recorded.relations, catalog, names)
    forward = find_unfinished_migration(recorded.entries, live.number)
    back = find_unfinished_rollback(recorded.entries)
    return Inspection(
        schema, catalog, known, live, owned, recorded, progress, undeclared, forward, back, skipped, topology, where
    )


def _where(catalog: Catalog, owned: Owned, topology: Topology, opening: bool) -> Routine[WhereRecorded]:
    """Where the records are. Raises ApplyError where they have to be made or filled first, and nobody is about to."""
    where = yield from where_recorded(owned, topology)
    if where.books.beside and not where.unopened and not catalog.objects:
        yield from require_own(where.books)
    if where.unopened and not where.readable and not opening:
        raise ApplyError(f"{where.unopened}. Nothing was changed")
    return where


def _check_files(schema: Schema, known: ReleaseHistory, numbered: Record | None) -> None:
    """Raise HistoryError where the migrations of the code are not those that were applied."""
    if numbered is None or numbered.version is None or schema.version is None:
        return
    # A newer database has migrations that this code does not know: those up to its own version are compared.
    check_applied(schema.name, numbered.migrations, min(numbered.version, schema.version), known)
    if numbered.version <= schema.version and not _says_nothing(numbered):
        check_not_added(numbered.version, numbered.migrations, known)


def _live(schema: Schema, catalog: Catalog, known: ReleaseHistory, recorded: RecordedState) -> LiveVersion:
    """The version that the database is at: as recorded, or as its tables look."""
    record, numbered = recorded.record, recorded.numbered
    live = live_version(
        schema,
        catalog,
        numbered.version if numbered else None,
        numbered is not None,
        known.lock,
        former_names(known.scripts),
        numbered.migrations if numbered else "",
    )
    if record is not None and record.version is None:
        return _after_development(schema, catalog, known, live, numbered)
    return live


def _says_nothing(record: Record) -> bool:
    """A rollback to a version of which there was no record knows of no migrations."""
    return record.state == "rolled back" and not (record.spec or record.migrations)


def _after_development(
    schema: Schema, catalog: Catalog, known: ReleaseHistory, live: LiveVersion, numbered: Record | None
) -> LiveVersion:
    """The version of a database in which code without a version started last. That has carried out no migration, so
    what was recorded before it counts."""
    if schema.version is None:
        return live if numbered is not None else LiveVersion(None, "recorded")
    if numbered is not None:
        from aaiclick.commands.inspection.recorded_forms import load_forms

        return replace(live, before_development=load_forms(numbered.forms))
    from aaiclick.versions.conversions import skips_migrations

    # Nothing was ever recorded of a version. Where no migration is skipped by that, it goes on from what is there.
    if live.origin == "unrecorded" and not skips_migrations(catalog, known, live):
        return LiveVersion(None, "recorded")
    return replace(live, developed=True)


def _undeclared(
    names: frozenset[str], catalog: Catalog, asked: tuple[str, ...] | None
) -> Routine[tuple[Catalog, frozenset[str]]]:
    """The catalogue with objects that were declared once, are not any more and are still there; and their names.

    ``names``: whatever was declared. ``asked``: the names that the catalogue was read for; None: all.
    """
    # The catalogue was read by the names that the code knows. What only an older version declared, the record tells.
    unread = names - frozenset(asked) if asked is not None else frozenset[str]()
    if unread:
        more = yield from read_catalog(catalog.database, tuple(sorted(unread)))
        catalog = replace(catalog, objects={**catalog.objects, **more.objects})
    return catalog, names & frozenset(catalog.objects)


def _catalog(database: str | None, names: tuple[str, ...] | None, beside: Sequence[str]) -> Routine[Catalog]:
    """The catalogue; a server that is too old for the question is told apart from one that has another reason to refuse
    it."""
    try:
        catalog = yield from read_catalog(database, names, beside)
    except StatementError:
        # A question that every release understands: the other one names columns that an old server lacks.
        server = yield from server_facts()
        require_server(server.version, server.version_text)
        raise
    require_server(catalog.server.version, catalog.server.version_text)
    require_renames(catalog.database, catalog.database_engine)
    return catalog


def names_of_schema(schema: Schema, known: ReleaseHistory) -> tuple[str, ...]:
    """Every name that an object of the schema has or had."""
    names = {item.name for item in schema.objects} | former_names(known.scripts)
    names |= set(schema.former_names)
    names |= set(known.lock.names) if known.lock is not None else set()
    return tuple(sorted(names))
