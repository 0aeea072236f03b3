"""Telling the library which version a database is at, where its tables do not tell by themselves."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from typing import cast

from aaiclick.api.client import drive, drive_async
from aaiclick.apply.run import ApplyOptions
from aaiclick.commands.execute import Site, adoption
from aaiclick.commands.inspect import Survey, survey
from aaiclick.commands.overtaken import begun, giving_up
from aaiclick.errors import SchemaError, UsageError
from aaiclick.lease.acquire import acquire, guarded, release
from aaiclick.lease.owner import this_process
from aaiclick.routine import AsyncConnection, Connection, Routine
from aaiclick.specs.schema import Schema
from aaiclick.state.cache import update_cache
from aaiclick.state.owners import take_over
from aaiclick.state.records import Record, append, ensure_tables
from aaiclick.version import VERSION
from aaiclick.versions.live import LiveVersion
from aaiclick.versions.recognition import differences


class DoesNotFitError(SchemaError):
    """The tables are not what the version has; ``differences`` says how. Nothing was recorded."""

    def __init__(self, schema: str, version: int, found: tuple[str, ...]) -> None:
        self.schema = schema
        self.version = version
        self.differences = found
        super().__init__(f"{schema} does not fit v{version}: {'; '.join(found)}. To record it all the same: aaiclick adopt --version {version} --force")


def adopt_schema(client: object, schema: Schema, version: int, force: bool = False, database: str | None = None) -> Record:
    """Record that the database is at ``version``, without changing any table. The record says so where it was forced.

    Raises ``DoesNotFitError`` where the tables differ from that version, ``UsageError`` where nobody knows it.
    """
    return drive(client, lambda connection: _adopt(connection, schema, version, force, database), "adopt_schema", schema=schema)


async def adopt_schema_async(client: object, schema: Schema, version: int, force: bool = False, database: str | None = None) -> Record:
    """The async twin of ``adopt_schema``."""
    return await drive_async(client, lambda connection: _adopt(connection, schema, version, force, database), "adopt_schema_async", schema=schema)


def _adopt(connection: Connection | AsyncConnection, schema: Schema, version: int, force: bool, database: str | None) -> Routine[Record]:
    if schema.version is None or not 1 <= version <= schema.version:
        raise UsageError(f"{schema.name} has the versions 1 to {schema.version or 0} in this code, not {version}")
    found = yield from survey(schema, database, trusting=True)
    wrong = (*_differences(found, version), *_passing(found))
    if wrong and not force:
        raise DoesNotFitError(schema.name, version, wrong)
    where = found.catalog.database
    lease = yield from acquire(where, this_process(), embedded=connection.embedded)
    assert lease is not None
    site = Site(where, lease.nonce, ApplyOptions(), str(this_process()), VERSION, frozenset())
    before = found.record.version if found.record is not None else None
    record = yield from adoption(replace(found, live=LiveVersion(version, "recorded")), site)
    told = json.dumps({"adopted": version, "forced": bool(wrong), "differences": wrong}, ensure_ascii=False)
    record = replace(record, from_version=before, plan=told)
    try:
        yield from guarded(_record(where, schema.name, record), lease)
    except Exception:
        yield from release(lease)
        raise
    yield from release(lease)
    return record


def take_over_tables(client: object, schema: Schema, tables: Collection[str], database: str | None = None) -> tuple[tuple[str, str], ...]:
    """Record that tables which another schema of the database recorded belong to this one from now on; each with what it belonged to. Changes no
    table: the next start of this schema brings them to its own declaration, and one of the other says whose they are.

    Raises ``UsageError`` where this schema does not declare one, or no other has it.
    """
    return drive(client, lambda connection: _take_over(connection, schema, tables, database), "take_over_tables")


async def take_over_tables_async(client: object, schema: Schema, tables: Collection[str], database: str | None = None) -> tuple[tuple[str, str], ...]:
    """The async twin of ``take_over_tables``."""
    return await drive_async(client, lambda connection: _take_over(connection, schema, tables, database), "take_over_tables_async")


def _take_over(connection: Connection | AsyncConnection, schema: Schema, tables: Collection[str], database: str | None) -> Routine[tuple[tuple[str, str], ...]]:
    found = yield from survey(schema, database, trusting=True)
    declared = {item.name for item in schema.objects} | {table.renamed_from for table in schema.tables}
    for name in tables:
        if name not in declared:
            raise UsageError(f"{schema.name} does not declare {name}: there is nothing to take over")
        if name not in found.owners:
            raise UsageError(f"{name} belongs to no other schema of this database than {schema.name}: there is nothing to take over")
    where = found.catalog.database
    lease = yield from acquire(where, this_process(), embedded=connection.embedded)
    assert lease is not None
    try:
        yield from guarded(take_over(where, schema.name, sorted(set(tables))), lease)
    except Exception:
        yield from release(lease)
        raise
    yield from release(lease)
    return tuple((name, found.owners[name].label) for name in sorted(set(tables)))


def _record(database: str, schema: str, record: Record) -> Routine[None]:
    yield from ensure_tables(database)
    yield from append(database, record)
    yield from update_cache(database, schema, None)


def _passing(found: Survey) -> tuple[str, ...]:
    """What a new record would cut off: what was converted on the way to another version counts no more."""
    way, back = found.under_way, found.going_back
    said: list[str] = []
    if way is not None:
        words = f"a migration to v{way.version} is under way ({begun(way)}), and what it converted already would be converted again"
        said.append(f"{words} (to give it up: {giving_up(way, way.before or 0)})" if way.before else words)
    if back is not None:
        said.append(f"the way back to v{back.to} is not finished ({begun(back)}; to finish it: aaiclick rollback --to {back.to})")
    return tuple(said)


def _differences(found: Survey, version: int) -> tuple[str, ...]:
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


def is_forced(record: Record) -> bool:
    """Whether an adoption was recorded against what the tables said."""
    return _told(record).get("forced") is True


def against(record: Record) -> tuple[str, ...]:
    """What an adoption was recorded against."""
    listed = _told(record).get("differences")
    return tuple(str(word) for word in cast("list[object]", listed)) if isinstance(listed, list) else ()


def _told(record: Record) -> dict[str, object]:
    try:
        told: object = json.loads(record.plan) if record.state == "adopted" and record.plan else {}
    except ValueError:
        return {}
    return cast("dict[str, object]", told) if isinstance(told, dict) else {}
