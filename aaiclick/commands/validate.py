"""Compares the live database with the code. A difference is reported, never raised."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timezone

from aaiclick.clickhouse.features import FENCE, is_fenced
from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from aaiclick.clickhouse.storages import listed_away, storage
from aaiclick.commands.decide import status_of
from aaiclick.commands.inspection.inspect import Inspection, inspect_database
from aaiclick.commands.inspection.planning import make_plan
from aaiclick.commands.newer_version import begun_by
from aaiclick.commands.report import HostStatus, KeptTable, Status
from aaiclick.errors import ApplyError
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.state.kept_tables import LAST_MOMENT, KeptRow


def validate(schema: Schema, database: str | None) -> Routine[Status]:
    """Compare, version and object by object; nothing is written."""
    found = yield from inspect_database(schema, database)
    # Nothing is read and nothing is tried on parts of live tables: whoever asks often has to get a quick answer.
    planned = yield from make_plan(found, max_read_bytes=0, clones=False)
    state, differences = status_of(planned)
    pending = tuple(f"{step.object}: {step.change} (left alone)" for step in planned.plan.steps if step.optional)
    notes = tuple(dict.fromkeys((*planned.plan.notes, *pending)))
    waiting = [*(yield from _marked(found)), *_begun(found)]
    hosts: tuple[HostStatus, ...] = ()
    if not found.topology.single:
        from aaiclick.commands.inspection.host_states import host_states

        hosts = yield from host_states(found, frozenset(step.object for step in planned.plan.steps))
    apart = tuple(f"host {host.host}: {words}" for host in hosts for words in host.differs)
    differences += apart
    # The host that is connected to is as declared, and another one is not.
    state = "drift" if apart and state == "in sync" else state
    return Status(
        schema=schema.name,
        database=found.catalog.database,
        server=found.catalog.server.version_text,
        live_version=found.live.number,
        code_version=schema.version,
        state=state,
        in_sync=state == "in sync",
        differences=differences,
        notes=notes,
        kept_tables=tuple(_kept(row) for row in found.owned.kept()),
        unfinished="; ".join(waiting),
        hosts=hosts,
        fenced=_fenced(found),
    )


def _marked(found: Inspection) -> Routine[list[str]]:
    """Copies and views that were begun and are not finished."""
    said: list[str] = []
    database = found.catalog.database
    for mark in found.owned.marks():
        if isinstance(mark, str):
            said.append(mark)
            continue
        uuid = mark.source if mark.phase == "copy" else mark.shadow
        away = yield from _away(database, mark.table, uuid)
        said.append(f"a {mark.work.kind} of {mark.table} was not finished{away}")
    for copied in found.owned.replicated_marks():
        # Of any other one the migration says it that is under way.
        if away := (yield from _away_on_hosts(found, copied.table, copied.sources)):
            said.append(f"a {copied.work.kind} of {copied.table} was not finished{away}")
    for feed in (*found.owned.backfill_marks(), *found.owned.replicated_backfills()):
        if isinstance(feed, str):
            said.append(feed)
            continue
        away = ""
        for name, uuids in zip(feed.work.sources, feed.sources, strict=True):
            if isinstance(uuids, str):
                away = away or (yield from _away(database, name, uuids))
            else:
                away = away or (yield from _away_on_hosts(found, name, uuids))
        said.append(f"the materialized view {feed.work.view} was not brought to its end{away}")
    return said


def _away_on_hosts(found: Inspection, name: str, uuids: Collection[str]) -> Routine[str]:
    """As ``_away``, of a table of all hosts; '' also where one of them does not answer."""
    from aaiclick.clickhouse.every_host import Reach
    from aaiclick.clickhouse.shared.away import away_on_hosts

    if found.topology.single:
        return ""
    try:
        return _waits(name, (yield from away_on_hosts(Reach(found.topology), uuids, name)))
    except ApplyError:
        return ""


def _away(database: str, name: str, uuid: str) -> Routine[str]:
    """What a mark waits for, and how that ends; '' for nothing."""
    if not uuid or (yield from storage(database, uuid)) is not None:
        return ""
    # Whether a database that was detached as a whole has it is only asked under the lease.
    how = (yield from listed_away(uuid)) or "taken away"
    return _waits(name, how)


def _waits(name: str, how: str) -> str:
    said = f" ({name} was {how}: it is finished when that is there again, or given up when it is gone for good)"
    return said if how else ""


def _fenced(found: Inspection) -> tuple[str, ...]:
    wanted = {table.name for table in found.schema.tables if FENCE in dict(table.engine.settings)}
    declared = {item.name for item in found.schema.objects}
    return tuple(
        sorted(
            name
            for name, live in found.catalog.objects.items()
            if name in declared - wanted and (is_fenced(live.text) or FENCE_CONSTRAINT in live.text)
        )
    )


def _begun(found: Inspection) -> list[str]:
    """Migrations and rollbacks that were begun and are not recorded."""
    said: list[str] = []
    forward, back = found.unfinished_migration, found.unfinished_rollback
    if forward is not None:
        said.append(f"a migration to v{forward.version} ({begun_by(forward)}) was not finished")
    if back is not None:
        said.append(f"the rollback to v{back.to} ({begun_by(back)}) was not finished")
    return said


def _kept(row: KeptRow) -> KeptTable:
    # Earlier releases took any length of time.
    last = min(row.kept.expires, LAST_MOMENT)
    expires = datetime.fromtimestamp(last, timezone.utc).isoformat() if last else ""
    return KeptTable(row.name, row.kept.table, row.rows, row.bytes, expires)
