"""Which version a database is at, said by somebody who knows; and whose its tables are."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace

from aaiclick.apply.run import ApplyOptions
from aaiclick.commands.execute import Site, adoption
from aaiclick.commands.inspection.inspect import Inspection, inspect_database
from aaiclick.commands.overtaken import begun, giving_up
from aaiclick.commands.session import under_lease
from aaiclick.errors import DoesNotFitError, UsageError
from aaiclick.lease.owner import this_process
from aaiclick.lease.renew import Lease
from aaiclick.plan.replicas import several
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.state import owners
from aaiclick.state.cache import update_cache
from aaiclick.state.record import Record
from aaiclick.state.records import append, ensure_tables
from aaiclick.version import VERSION
from aaiclick.versions.live import LiveVersion
from aaiclick.versions.recognition import differences


def adopt(schema: Schema, version: int, force: bool, database: str | None, embedded: bool) -> Routine[Record]:
    """Record a version without changing any table. Raises DoesNotFitError, UsageError."""
    if schema.version is None or not 1 <= version <= schema.version:
        raise UsageError(f"{schema.name} has the versions 1 to {schema.version or 0} in this code, not {version}")
    found = yield from inspect_database(schema, database, trusting=True)
    if not force:
        _require_one_host(found, version)
    wrong = (*_differences(found, version), *_passing(found))
    if wrong and not force:
        raise DoesNotFitError(schema.name, version, wrong)
    where = found.catalog.database
    told = json.dumps({"adopted": version, "forced": bool(wrong), "differences": wrong}, ensure_ascii=False)

    def body(lease: Lease) -> Routine[Record]:
        site = Site(where, lease.nonce, ApplyOptions(), str(this_process()), VERSION, frozenset())
        record = yield from adoption(replace(found, live=LiveVersion(version, "recorded")), site)
        record = replace(record, from_version=found.record.version if found.record is not None else None, plan=told)
        yield from ensure_tables(where)
        yield from append(where, record)
        yield from update_cache(where, schema.name, None)
        return record

    record = yield from under_lease(where, this_process(), body, embedded=embedded)
    assert record is not None
    return record


def _require_one_host(found: Inspection, version: int) -> None:
    """Raises UsageError where one host of several would keep for itself what is recorded."""
    if words := several(found.catalog, (), found.topology):
        raise UsageError(
            f"{found.schema.name}: {words}, and the record would be kept by the node that one happens to talk to."
            f" Nothing was recorded. Is there one node only: aaiclick adopt {version} --force"
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
    where, names = found.catalog.database, sorted(set(tables))
    yield from under_lease(
        where, this_process(), lambda _: owners.enter_take_over(where, schema.name, names), embedded=embedded
    )
    return tuple((name, found.owners[name].label) for name in names)


def _passing(found: Inspection) -> tuple[str, ...]:
    """What a new record would cut off: what was converted on the way to another version counts no more."""
    way, back = found.under_way, found.going_back
    said: list[str] = []
    if way is not None:
        words = (
            f"a migration to v{way.version} is under way ({begun(way)}), and what it converted already would be "
            "converted again"
        )
        said.append(f"{words} (to give it up: {giving_up(way, way.before or 0)})" if way.before else words)
    if back is not None:
        said.append(
            f"the way back to v{back.to} is not finished ({begun(back)}; to finish it: aaiclick rollback --to "
            f"{back.to})"
        )
    return tuple(said)


def _differences(found: Inspection, version: int) -> tuple[str, ...]:
    lock = found.released.lock
    locked = lock.get(version) if lock is not None else None
    if locked is None:
        return (f"no schema.lock.json says what v{version} is",)
    wrong: list[str] = []
    for name, form in sorted(locked.forms.items()):
        live = found.catalog.get(name)
        said = differences(live.form if live is not None else None, form, locked.variables.get(name))
        wrong += [f"{name}: {word}" for word in said]
    return tuple(wrong)
