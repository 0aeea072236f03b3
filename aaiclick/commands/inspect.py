"""Looking before anything is done: the live objects, the record, the version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from pydantic import TypeAdapter, ValidationError

from aaiclick.catalog.fingerprint import text_digest
from aaiclick.catalog.forms import Catalog, Form, TableForm
from aaiclick.catalog.functions import function_stamp
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.read import MOST_NAMES, read_catalog, server_facts
from aaiclick.diff.compare import diff_table
from aaiclick.diff.target import Target, make_target
from aaiclick.errors import StatementError, UsageError
from aaiclick.plan.families import family_stamp
from aaiclick.plan.foreign_objects import without_foreign
from aaiclick.plan.model import Plan
from aaiclick.plan.planner import Planned, basis_of, live_source
from aaiclick.plan.replicas import note_of, several
from aaiclick.plan.scripted.order import plan_phases
from aaiclick.plan.steps import UNREADABLE
from aaiclick.routine import Query, Routine, number, text
from aaiclick.server.merges import FENCE, HELD
from aaiclick.server.names import RECORDS
from aaiclick.specs.functions import Function
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import TableFamily
from aaiclick.state.block_numbers import NUMBERS
from aaiclick.state.cache import CacheEntry, parse_cache
from aaiclick.state.journal import Entry
from aaiclick.state.kept_tables import numbered_tables
from aaiclick.state.ledger import Account, ledger_of, read_entries
from aaiclick.state.owners import Owner, read_owners
from aaiclick.state.rebuild_mark import Mark, find_marks
from aaiclick.state.records import Record, once_declared, read_latest
from aaiclick.state.transition import GoingBack, UnderWay, find_going_back, find_under_way
from aaiclick.version import VERSION
from aaiclick.versions.conversions import unproven
from aaiclick.versions.live import Ledger, LiveVersion, former_names, hints_of, live_version, pending_scripts
from aaiclick.versions.released import Released, check_applied, released

_UNDECLARED = re.compile(r"(.+): setting (\w+) = .+ is not declared \(left alone\)", re.DOTALL)
_OURS = frozenset({NUMBERS, FENCE, *(name for name, _ in HELD)})


@cache
def _forms() -> TypeAdapter[dict[str, Form]]:
    # Built on first use: a start with nothing to do has none.
    return TypeAdapter(dict[str, Form])


@dataclass(frozen=True, slots=True)
class Survey:
    """What is there. ``record`` is the last transition of the schema, None where there is none. ``forgotten``: objects that earlier versions
    declared here, and that are there still. ``entries``: what the journal holds of this generation; ``under_way`` and ``going_back`` what was
    begun, as far as it says, and is not recorded. ``allowed``: what the policy allows by name; ``owners``: what belongs to another schema of this
    database."""

    schema: Schema
    catalog: Catalog
    record: Record | None
    released: Released
    live: LiveVersion
    ledger: Ledger = field(default_factory=Ledger)
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


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A survey with its plan; ``forms`` are the canonical forms of what is declared, as far as they had to be worked out."""

    survey: Survey
    plan: Plan
    forms: Mapping[str, Form]


def survey(
    schema: Schema, database: str | None, skipped: frozenset[str] = frozenset(), trusting: bool = False, recorded: bool = True, empty: bool = False
) -> Routine[Survey]:
    """Read the catalogue and the record. ``skipped``: what a policy allows by name, as far as it says ``skip <migration>:<statement>``.
    ``trusting``: what the record says was applied is not held against the code. ``recorded``: False where there certainly is no record;
    ``empty``: where there certainly is no object of the schema."""
    known = released(schema)
    former = former_names(known.scripts)
    names = None if any(isinstance(item, TableFamily) for item in schema.objects) else names_of(schema, known)
    catalog = yield from _catalog(database, () if empty else names)
    record = (yield from read_latest(catalog.database, schema.name)) if recorded else None
    if record is not None and record.version is not None and schema.version is not None and not trusting:
        check_applied(schema.name, record.migrations, min(record.version, schema.version), known)
    live = live_version(schema, catalog, record.version if record else None, record is not None, known.lock, former, record.migrations if record else "")
    account = _account(catalog.database, schema, record)
    entries = (yield from read_entries(account)) if recorded else ()
    ledger = Ledger()
    if pending_scripts(schema, known, live):
        ledger = ledger_of(account, entries, catalog)
        ledger = replace(ledger, done=ledger.done | _skipped(known, ledger, skipped))
    forgotten: frozenset[str] = frozenset()
    if record is not None:
        catalog, forgotten = yield from _forgotten(schema, catalog, names)
    under_way = find_under_way(entries, live.number)
    owners: Mapping[str, Owner] = (yield from read_owners(catalog.database, schema.name)) if recorded else {}
    back = find_going_back(entries)
    return Survey(schema, catalog, record, known, live, ledger, forgotten, entries, under_way, back, skipped, owners)


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


def _skipped(known: Released, ledger: Ledger, allowed: frozenset[str]) -> frozenset[str]:
    """Statements of which nobody knows whether they happened, and of which the operator says that they did."""
    found: set[str] = set()
    for key in ledger.doubtful:
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


def names_of(schema: Schema, known: Released) -> tuple[str, ...]:
    """Every name that an object of the schema has or had."""
    names = {item.name for item in schema.objects} | former_names(known.scripts)
    names |= {table.renamed_from for table in schema.tables if table.renamed_from}
    names |= set(known.lock.names) if known.lock is not None else set()
    return tuple(sorted(names))


def make_plan(found: Survey, looks: int | None = None, clones: bool = True) -> Routine[Surveyed]:
    """Plan from what was found. ``looks``: how many bytes of live columns may be read for each table to see what would become of them (None:
    any number, 0: no row is looked at). ``clones``: statements are also tried on clones that hold parts of the live tables."""
    schema, catalog = found.schema, found.catalog
    hints = hints_of(schema, found.released, found.live, found.record.forms if found.record else "", found.ledger)
    hints = replace(hints, known=_written_down(found), former=hints.former | found.forgotten, looks=looks, clones=clones, asked=found.allowed)
    planned: Planned = yield from plan_phases(schema, catalog, hints, found.released)
    if any(step.id.endswith(UNREADABLE) for step in planned.steps):
        planned = yield from _as_recorded(found, planned)
    doubt = unproven(catalog, found.released, found.live)
    said = tuple(f"nothing tells whether values were converted, and a start asks for aaiclick adopt: {words}" for words in doubt.stops)
    many = (note_of(words),) if (words := several(catalog, found.allowed)) else ()
    plan = Plan(
        schema=schema.name,
        database=catalog.database,
        from_version=found.live.number,
        to_version=schema.version,
        steps=planned.steps,
        basis=basis_of(catalog),
        fingerprint=schema.fingerprint,
        notes=(*(yield from _without_ours(catalog.database, planned.notes)), *doubt.notes, *said, *many),
    )
    plan = without_foreign(plan, schema, {name: owner.label for name, owner in found.owners.items()})
    return Surveyed(found, plan, planned.forms)


def _as_recorded(found: Survey, planned: Planned) -> Routine[Planned]:
    """What cannot be read is left alone as long as every definition is, letter by letter, what was recorded for this very declaration."""
    record = found.record
    if (
        record is None
        or not found.same_version
        or record.spec != found.schema.fingerprint
        or record.objects != (yield from live_digest(found.schema, found.catalog))
    ):
        return planned
    notes = tuple(f"{step.object} was left alone, as it was recorded: {step.change}" for step in planned.steps if step.id.endswith(UNREADABLE))
    return replace(planned, steps=tuple(step for step in planned.steps if not step.id.endswith(UNREADABLE)), notes=(*planned.notes, *notes))


def _without_ours(database: str, notes: tuple[str, ...]) -> Routine[tuple[str, ...]]:
    """The notes without those on settings that stay on a table only as long as its older one is kept, or as a rebuild of it is unfinished."""
    said = {note: found for note in notes if (found := _UNDECLARED.fullmatch(note)) is not None and found[2] in _OURS}
    if not said:
        return notes
    numbered = yield from numbered_tables(database)
    held = {mark.table for mark in (yield from find_marks(database)) if isinstance(mark, Mark)}
    ours = {note for note, found in said.items() if found[1] in (numbered if found[2] == NUMBERS else held)}
    return tuple(note for note in notes if note not in ours)


def _written_down(found: Survey) -> dict[str, TableForm]:
    """The canonical forms in the record, where they are of the very same declaration, and were made by this release on this server."""
    record, server = found.record, found.catalog.server.version_text
    if record is None or record.state == "rolled back" or (record.spec, record.server, record.library) != (found.schema.fingerprint, server, VERSION):
        return {}
    return {name: form for name, form in load_forms(record.forms).items() if isinstance(form, TableForm)}


def residual(schema: Schema, catalog: Catalog, forms: Mapping[str, Form]) -> tuple[tuple[str, ...], dict[str, Form]]:
    """What still differs after a plan was carried out, in words, and the canonical form of every declared object. Needs no scratch:
    an object that was just created is its own canonical form."""
    differences: list[str] = []
    known: dict[str, Form] = {}
    for item in schema.objects:
        live = catalog.get(item.name)
        if isinstance(item, Function) and item.name in forms:
            known[item.name] = forms[item.name]
        if isinstance(item, TableFamily | Function):
            continue
        if live is None:
            differences.append(f"{item.name}: {item.noun} is missing")
            continue
        known[item.name] = forms.get(item.name, live.form)
    for table in schema.tables:
        live, declared = live_source(table, catalog), known.get(table.name)
        if live is not None and isinstance(live.form, TableForm) and isinstance(declared, TableForm) and declared is not live.form:
            changes = diff_table(live.form, make_target(table, declared, live.form))
            differences.extend(f"{table.name}: {change.words}" for change in changes)
    return tuple(differences), known


def spec_differences(found: Survey, forms: Mapping[str, Form]) -> tuple[str, ...]:
    """How the declaration differs from the one that was recorded for the same version, on canonical forms; empty where only the encoding
    of the fingerprint (or what is managed) differs."""
    assert found.record is not None
    recorded = load_forms(found.record.forms)
    declared = {item.name for item in found.schema.objects if not isinstance(item, TableFamily)}
    words = [f"{name}: is no longer declared" for name in sorted(set(recorded) - declared)]
    words += [f"{name}: is new in the declaration" for name in sorted(declared - set(recorded))] if recorded else []
    for name in sorted(declared & set(recorded)):
        old, new = recorded[name], forms.get(name)
        if isinstance(old, TableForm) and isinstance(new, TableForm):
            target = Target(normal(new), (), (), (), free_primary_key=False)
            words += [f"{name}: {change.words}" for change in diff_table(old, target)]
            kept = {column.name for column in new.columns}
            words += [f"{name}: column {column.name} is no longer declared" for column in old.columns if column.name not in kept]
        elif new is not None and old != new:
            words.append(f"{name}: the definition differs")
    return tuple(words)


def dump_forms(forms: Mapping[str, Form]) -> str:
    """Canonical forms as JSON, for the record."""
    return _forms().dump_json(dict(sorted(forms.items())), exclude_defaults=True).decode()


def load_forms(recorded: str) -> dict[str, Form]:
    """What ``dump_forms`` wrote; empty where a later release wrote something else."""
    try:
        return _forms().validate_json(recorded) if recorded else {}
    except ValidationError:
        return {}


@dataclass(frozen=True, slots=True)
class Warm:
    """What the one query of a warm start saw. ``present``: how many of the declared objects are there. ``in_sync``: there is nothing to do, and
    nobody is on the way to or from another version; ``overtaken``: nothing but that somebody is, and this code may run meanwhile. ``at``: Unix
    seconds, by the server's clock."""

    database: str
    digest: str
    entry: CacheEntry | None
    in_sync: bool
    present: int
    overtaken: bool = False
    at: int = 0


def warm(schema: Schema, database: str | None) -> Routine[Warm]:
    """One query: the definitions of what is declared, and the record's cache in the comment of ``schema_version``. It always looks at the
    tables themselves (someone may have dropped one); no lock, no write, no scratch."""
    where = "database = {database:String}" if database is not None else "database = currentDatabase()"
    wanted = [RECORDS, *(item.name for item in schema.objects)]
    parameters: dict[str, str | int] = {} if database is None else {"database": database}
    if len(wanted) <= MOST_NAMES:
        where += f" AND name IN ({', '.join(f'{{n{place}:String}}' for place in range(len(wanted)))})"
        parameters.update({f"n{place}": name for place, name in enumerate(wanted)})
    sql = f"SELECT name, create_table_query, comment, database, toUnixTimestamp(now()) FROM system.tables WHERE {where} SETTINGS use_query_cache = 0"
    rows = yield Query(sql, parameters, bare=True)
    declared = frozenset(wanted[1:])
    texts = {text(row[0]): text(row[1]) for row in rows if row[0] in declared}
    comment = next((text(row[2]) for row in rows if row[0] == RECORDS), "")
    entry = parse_cache(comment).get(schema.name)
    digest = _stamped(text_digest(texts), (yield from family_stamp(_families(schema), database)), (yield from function_stamp(schema.functions)))
    in_sync = entry is not None and (entry.version, entry.spec, entry.objects) == (schema.version, schema.fingerprint, digest)
    at = number(rows[0][4]) if rows else 0
    in_sync = in_sync and (entry is None or entry.due is None or at < entry.due)
    passing = entry.passing if entry is not None else None
    overtaken = in_sync and passing is not None and schema.version is not None and passing.to > schema.version and passing.bears(schema.version)
    return Warm(text(rows[0][3]) if rows else database or "", digest, entry, in_sync and passing is None, len(texts), overtaken, at)


def live_digest(schema: Schema, catalog: Catalog) -> Routine[str]:
    """``digest_of``, with the state of the tables of its families and of its functions."""
    families = yield from family_stamp(_families(schema), catalog.database)
    return _stamped(digest_of(schema, catalog), families, (yield from function_stamp(schema.functions)))


def _stamped(digest: str, *stamps: str) -> str:
    return "+".join([digest, *(stamp for stamp in stamps if stamp)])


def _families(schema: Schema) -> list[TableFamily]:
    return [item for item in schema.objects if isinstance(item, TableFamily)]


def digest_of(schema: Schema, catalog: Catalog) -> str:
    """The digest that ``warm`` will see for the objects of this schema."""
    return text_digest({item.name: catalog.objects[item.name].text for item in schema.objects if item.name in catalog.objects})
