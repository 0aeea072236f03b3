"""Looking before anything is done: the live objects, the record, the version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aaiclick.catalog.forms import Catalog
from aaiclick.catalog.read import read_catalog, server_facts
from aaiclick.errors import StatementError, UsageError
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import TableFamily
from aaiclick.state.journal import Entry
from aaiclick.state.ledger import Account, ledger_of, read_entries
from aaiclick.state.owners import Owner, read_owners
from aaiclick.state.records import Record, once_declared, read_latest
from aaiclick.state.transition import GoingBack, UnderWay, find_going_back, find_under_way
from aaiclick.versions.history import ReleaseHistory, check_applied, read_history
from aaiclick.versions.live import LiveVersion, MigrationProgress, former_names, live_version, scripts_between


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is there. ``record`` is the last transition of the schema, None where there is none. ``forgotten``: objects that earlier versions
    declared here, and that are there still. ``entries``: what the journal holds of this generation; ``under_way`` and ``going_back`` what was
    begun, as far as it says, and is not recorded. ``allowed``: what the policy allows by name; ``owners``: what belongs to another schema of this
    database."""

    schema: Schema
    catalog: Catalog
    record: Record | None
    released: ReleaseHistory
    live: LiveVersion
    ledger: MigrationProgress = field(default_factory=MigrationProgress)
    forgotten: frozenset[str] = frozenset()
    entries: tuple[Entry, ...] = ()
    under_way: UnderWay | None = None
    going_back: GoingBack | None = None
    allowed: frozenset[str] = frozenset()
    owners: Mapping[str, Owner] = field(default_factory=dict[str, Owner])

    @property
    def overtaken(self) -> bool:
        """True where somebody is on the way to a newer version than the code declares."""
        return self.under_way is not None and self.schema.version is not None and self.under_way.version > self.schema.version

    @property
    def account(self) -> Account:
        """Where what is done on the way from here is entered."""
        return _account(self.catalog.database, self.schema, self.record)

    @property
    def ahead(self) -> bool:
        """True where a newer version is recorded than the code declares."""
        return self.record is not None and self.schema.version is not None and (self.record.version or 0) > self.schema.version

    @property
    def same_version(self) -> bool:
        """True where the record is of the version that the code declares."""
        return self.record is not None and self.schema.version is not None and self.record.version == self.schema.version


def inspect_database(
    schema: Schema, database: str | None, skipped: frozenset[str] = frozenset(), trusting: bool = False, recorded: bool = True, empty: bool = False
) -> Routine[Inspection]:
    """Read the catalogue and the record. ``skipped``: what a policy allows by name, as far as it says ``skip <migration>:<statement>``.
    ``trusting``: what the record says was applied is not held against the code. ``recorded``: False where there certainly is no record;
    ``empty``: where there certainly is no object of the schema."""
    known = read_history(schema)
    former = former_names(known.scripts)
    names = None if any(isinstance(item, TableFamily) for item in schema.objects) else names_of(schema, known)
    catalog = yield from _catalog(database, () if empty else names)
    record = (yield from read_latest(catalog.database, schema.name)) if recorded else None
    if record is not None and record.version is not None and schema.version is not None and not trusting:
        check_applied(schema.name, record.migrations, min(record.version, schema.version), known)
    live = live_version(schema, catalog, record.version if record else None, record is not None, known.lock, former, record.migrations if record else "")
    account = _account(catalog.database, schema, record)
    entries = (yield from read_entries(account)) if recorded else ()
    ledger = MigrationProgress()
    if scripts_between(schema, known, live):
        ledger = ledger_of(account, entries, catalog)
        ledger = replace(ledger, done=ledger.done | _skipped(known, ledger, skipped))
    forgotten: frozenset[str] = frozenset()
    if record is not None:
        catalog, forgotten = yield from _forgotten(schema, catalog, names)
    under_way = find_under_way(entries, live.number)
    owners: Mapping[str, Owner] = (yield from read_owners(catalog.database, schema.name)) if recorded else {}
    back = find_going_back(entries)
    return Inspection(schema, catalog, record, known, live, ledger, forgotten, entries, under_way, back, skipped, owners)


def _account(database: str, schema: Schema, record: Record | None) -> Account:
    return Account(database, schema.name, record.generation, record.seq) if record is not None else Account(database, schema.name, 0)


def _forgotten(schema: Schema, catalog: Catalog, asked: tuple[str, ...] | None) -> Routine[tuple[Catalog, frozenset[str]]]:
    """What was declared once and is not any more is reported as long as it is there. ``asked``: the names that the catalogue was read
    for; None where all were read."""
    names = yield from once_declared(catalog.database, schema.name)
    unread = names - frozenset(asked) if asked is not None else frozenset[str]()
    if unread:
        more = yield from read_catalog(catalog.database, tuple(sorted(unread)))
        catalog = replace(catalog, objects={**catalog.objects, **more.objects})
    return catalog, names & frozenset(catalog.objects)


def _skipped(known: ReleaseHistory, ledger: MigrationProgress, allowed: frozenset[str]) -> frozenset[str]:
    """Statements of which nobody knows whether they happened, and of which the operator says that they did."""
    found: set[str] = set()
    for key in ledger.outcome_unknown:
        version, _, number = key.partition(":sql:")
        script = known.script(int(version))
        if script is not None and f"skip {script.label}:{number}" in allowed:
            found.add(key)
    return frozenset(found)


OLDEST_SERVER = (23, 10)


def _catalog(database: str | None, names: tuple[str, ...] | None) -> Routine[Catalog]:
    """The catalogue; a server that is too old for the question is told apart from one that has another reason to refuse it."""
    try:
        catalog = yield from read_catalog(database, names)
    except StatementError:
        server = yield from server_facts()
        require_server(server.version, server.version_text)
        raise
    require_server(catalog.server.version, catalog.server.version_text)
    return catalog


def require_server(version: tuple[int, ...], words: str) -> None:
    """Raise ``UsageError`` where the server is older than the oldest that is supported."""
    if version < OLDEST_SERVER:
        oldest = ".".join(str(part) for part in OLDEST_SERVER)
        raise UsageError(f"this server is ClickHouse {words}; the oldest that is supported is {oldest}: upgrade the server")


def names_of(schema: Schema, known: ReleaseHistory) -> tuple[str, ...]:
    """Every name that an object of the schema has or had."""
    names = {item.name for item in schema.objects} | former_names(known.scripts)
    names |= {table.renamed_from for table in schema.tables if table.renamed_from}
    names |= set(known.lock.names) if known.lock is not None else set()
    return tuple(sorted(names))
