"""Records which version a database is at, as its operator says, and to which schema its tables belong."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from aaiclick.apply.everywhere import everywhere
from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.forms import Form
from aaiclick.catalog.server_objects.live import read_server_objects
from aaiclick.clickhouse.every_host import Reach, Subject
from aaiclick.commands.decide import status_of
from aaiclick.commands.execute import Execution, adoption
from aaiclick.commands.inspection.host_definitions import until_alike
from aaiclick.commands.inspection.inspect import Inspection, inspect_database
from aaiclick.commands.inspection.planning import make_plan
from aaiclick.commands.inspection.recorded_forms import dump_forms
from aaiclick.commands.newer_version import begun_by, giving_up
from aaiclick.commands.session import under_lease
from aaiclick.commands.start.left_guards import drop_left
from aaiclick.errors import ApplyError, DoesNotFitError, UsageError
from aaiclick.lease.owner import this_process
from aaiclick.lease.renew import Lease
from aaiclick.plan.planner import basis_of
from aaiclick.plan.unreachable_replicas import unsupported
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.state import owners
from aaiclick.state.cache import update_cache
from aaiclick.state.entries.stopped import undo_ttl_changes
from aaiclick.state.record import Record
from aaiclick.state.records import append, ensure_tables
from aaiclick.version import VERSION
from aaiclick.versions.foreign_ledger import read_foreign, require_clean
from aaiclick.versions.live_version import LiveVersion
from aaiclick.versions.recognition import differences


@dataclass(frozen=True, slots=True)
class ForeignLedger:
    """The ledger of another tool, from which a database is taken over. ``table``: its name; None: the usual one."""

    tool: str
    table: str | None = None


def adopt(
    schema: Schema,
    version: int,
    force: bool,
    database: str | None,
    embedded: bool,
    ledger: ForeignLedger | None = None,
) -> Routine[Record]:
    """Record a version without changing any table. Raises DoesNotFitError, UsageError."""
    _require_version(schema, version)
    # Migrations may have been edited since they were applied: whoever adopts a version says that the tables are that
    # version, whatever the files were.
    found = yield from inspect_database(schema, database, trusting=True)
    where = found.catalog.database
    entry = (yield from read_foreign(where, ledger.tool, ledger.table)) if ledger is not None else None
    if not force:
        _require_reached(found, version)
        if ledger is None:
            yield from require_clean(where)
    fit = yield from _compared(found, version)
    wrong = (*fit.differences, *_passing(found))
    if wrong and not force:
        raise DoesNotFitError(schema.name, version, wrong, fit.released)
    if not found.topology.single and found.catalog.objects and not force:
        # What was compared is of one host.
        yield from until_alike(Reach(found.topology), Subject(where, tuple(found.catalog.objects)))
    # It stands in the record in place of a plan. By its first key later starts know that somebody has said the version,
    # and that what was entered before counts no more.
    told = json.dumps(
        {
            "adopted": version,
            "forced": bool(wrong),
            "differences": wrong,
            **({"ledger": {"tool": entry.tool, "table": entry.table, "version": entry.version}} if entry else {}),
        },
        ensure_ascii=False,
    )

    def body(lease: Lease) -> Routine[Record]:
        # Read again under the lease: the other tool may have applied something since.
        if ledger is not None and entry != (yield from read_foreign(where, ledger.tool, ledger.table)):
            raise ApplyError(f"{ledger.tool} went on meanwhile: nothing was recorded")
        again = yield from inspect_database(schema, where, trusting=True)
        _require_same(found, again)
        site = Execution(where, lease.nonce, ApplyOptions(), str(this_process()), VERSION, frozenset())
        record = yield from adoption(replace(again, live=LiveVersion(version, "recorded")), site)
        record = replace(record, from_version=found.numbered.version if found.numbered is not None else None, plan=told)
        if fit.forms is not None:
            # No lock file says what that version is: the declaration does, and the tables are as it says.
            record = replace(record, spec=schema.fingerprint, forms=dump_forms(fit.forms))
        yield from _record(again, record)
        return record

    record = yield from under_lease(where, this_process(), body, embedded=embedded, books=found.books)
    assert record is not None
    return record


def _require_version(schema: Schema, version: int) -> None:
    """Raises UsageError for a version that the code does not have."""
    if schema.version is None:
        raise UsageError(f"{schema.name} is declared without a version: give it version=1 first")
    if not 1 <= version <= schema.version:
        raise UsageError(
            f"{schema.name} has "
            f"{f'the versions 1 to {schema.version}' if schema.version > 1 else 'version 1 only'} in this code, not "
            f"{version}"
        )


def _record(found: Inspection, record: Record) -> Routine[None]:
    """Write the record down, and give up what was begun before it."""
    database = found.catalog.database
    yield from drop_left(found)
    # What a run has stopped whose transition is given up with this, nobody else would start.
    hosts = None if found.topology.single else Reach(found.topology)
    yield from everywhere(undo_ttl_changes(found.scope, found.ttl_changes), hosts)
    # The record, then a cache without an entry of this schema: the next start inspects the database.
    yield from ensure_tables(database)
    # Without ``after``: that it is still the last record was compared before, under the lease.
    yield from append(database, record)
    yield from update_cache(database, found.schema.name, None)


def _require_same(found: Inspection, again: Inspection) -> None:
    """Raises ApplyError where something was recorded, converted or changed while this one waited for the lease: what
    fitted then would be recorded over it, and the next start would convert the same rows once more."""
    if (found.record, found.entries, basis_of(found.catalog)) == (again.record, again.entries, basis_of(again.catalog)):
        return
    at = again.record.version if again.record is not None else None
    raise ApplyError(
        f"database {again.catalog.database} was changed by another process meanwhile"
        f"{f' ({again.schema.name} is at v{at} now)' if at else ''}: nothing was recorded. Look at it again"
    )


def _require_reached(found: Inspection, version: int) -> None:
    """Raises UsageError where one host of several would keep for itself what is recorded."""
    if words := unsupported(found.catalog, (), found.topology):
        raise UsageError(
            f"{found.schema.name}: {words}, and the record would be kept by the node that one happens to talk to."
            f" Nothing was recorded. If there is only one node: aaiclick adopt --version {version} --force"
        )


def take_over(
    schema: Schema, tables: Collection[str], database: str | None, embedded: bool
) -> Routine[tuple[tuple[str, str], ...]]:
    """Record that tables belong to this schema from now on; each with what it belonged to. Raises UsageError."""
    found = yield from inspect_database(schema, database, trusting=True)
    declared = {item.name for item in schema.objects} | set(schema.former_names)
    for name in tables:
        if name not in declared:
            raise UsageError(f"{schema.name} does not declare {name}: there is nothing to take over")
        if name not in found.owners:
            raise UsageError(
                f"{name} belongs to no other schema of this database than {schema.name}: there is nothing to take over"
            )
    # Only the journal gets a line. The other schema's next start reads it and finds that the table is not its own.
    where, names = found.catalog.database, sorted(set(tables))
    yield from under_lease(
        where,
        this_process(),
        lambda _: owners.enter_take_over(where, schema.name, names),
        embedded=embedded,
        books=found.books,
    )
    return tuple((name, found.owners[name].label) for name in names)


def _passing(found: Inspection) -> tuple[str, ...]:
    """What a new record would cut off: what was converted on the way to another version counts no more."""
    way, back = found.unfinished_migration, found.unfinished_rollback
    said: list[str] = []
    if way is not None:
        words = (
            f"a migration to v{way.version} is under way ({begun_by(way)}), and what it converted already would be "
            "converted again"
        )
        said.append(f"{words} (to give it up: {giving_up(way, way.before or 0)})" if way.before else words)
    if back is not None:
        said.append(
            f"the rollback to v{back.to} is not finished ({begun_by(back)}; to finish it: aaiclick rollback --to "
            f"{back.to})"
        )
    return tuple(said)


@dataclass(frozen=True, slots=True)
class _Fit:
    """How the tables differ from a version; ``released``: it was released. ``forms`` are those of the declaration,
    where it is what says so, and they agree."""

    differences: tuple[str, ...]
    released: bool = True
    forms: Mapping[str, Form] | None = None


def _compared(found: Inspection, version: int) -> Routine[_Fit]:
    """Compare the tables to what was released as that version; where nothing was, to the declaration itself. Raises
    UsageError where nothing says what the version is."""
    lock, schema = found.released.lock, found.schema
    if lock is not None and lock.get(version) is not None:
        return _Fit((yield from _released_differences(found, version)))
    # Without migrations the declaration is all that was ever said of this version.
    if version == schema.version and not found.released.scripts:
        planned = yield from make_plan(found, max_read_bytes=0, clones=False)
        words = status_of(planned)[1]
        return _Fit(words, False, None if words else planned.forms)
    if found.released.scripts and lock is None:
        # There are migrations, so the version was one; what its tables were, only a lock file tells.
        return _Fit((f"no schema.lock.json says what v{version} is",))
    if lock is None:
        raise UsageError(
            f"nothing says what {schema.name} v{version} is: there is no schema.lock.json. Nothing was recorded. What "
            f"is there can be adopted as v{schema.version}, once the declaration is as the tables are"
        )
    known = ", ".join(f"v{each.version}" for each in lock.versions)
    following = "Run: aaiclick revision" if version == schema.version else "Adopt one of these"
    raise UsageError(
        f"{schema.name} v{version} was never released: schema.lock.json has {known}. Nothing was recorded. {following}"
    )


def _released_differences(found: Inspection, version: int) -> Routine[tuple[str, ...]]:
    lock = found.released.lock
    locked = lock.get(version) if lock is not None else None
    assert locked is not None
    wrong: list[str] = []
    there: dict[str, Form] = {name: live.form for name, live in found.catalog.objects.items()}
    there |= yield from read_server_objects(locked.forms, found.catalog)
    for name, form in sorted(locked.forms.items()):
        said = differences(there.get(name), form, locked.variables.get(name))
        wrong += [f"{name}: {word}" for word in said]
    return tuple(wrong)
