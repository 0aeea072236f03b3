"""Removing the old tables that are kept for a rollback, before their time is over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from aaiclick.catalog.read import read_catalog
from aaiclick.clickhouse.topology import read_topology
from aaiclick.commands.session import under_lease
from aaiclick.errors import UsageError
from aaiclick.lease.owner import this_process
from aaiclick.routine import Routine
from aaiclick.state.kept_tables import KeptRow, drop_expired
from aaiclick.state.owned import Owned, read_owned

_LONG_AGO = 1
"""Unix seconds: any table that expires then has expired."""


def prune(
    database: str | None, tables: Collection[str], dry_run: bool, embedded: bool
) -> Routine[tuple[tuple[KeptRow, bool], ...]]:
    """The kept tables of a database, each with whether it was dropped (with ``dry_run``: would be).

    ``tables``: those of these tables alone (empty: of all). One that stays until somebody has looked at it goes only by
    its own name; so does one that got rows which the table that replaced it does not have. Raises ``UsageError`` where
    nothing of a name is kept, where a run is unfinished, and on several hosts.
    """
    catalog = yield from read_catalog(database, ())
    where = catalog.database
    owned = yield from read_owned(where)
    _chosen(owned, tables)
    if not (yield from read_topology(catalog)).single:
        raise UsageError(
            f"database {where} has several hosts, and each keeps its own old tables until their time is over"
        )
    if owned.unfinished:
        raise UsageError(
            f"a migration of database {where} is unfinished, and what is kept may be needed for it. Nothing was "
            "changed. Run: aaiclick migrate"
        )
    if dry_run or not owned.kept():
        chosen = {row.name for row in _chosen(owned, tables)}
        return tuple((row, row.name in chosen) for row in owned.kept())

    def body(_: object) -> Routine[tuple[tuple[KeptRow, bool], ...]]:
        # Another run may have dropped or kept some before this one had the lease.
        now = yield from read_owned(where)
        if now.unfinished:
            raise UsageError(f"a migration of database {where} was begun meanwhile: nothing was changed")
        rows = [_expired(row, row.name in tables) for row in _chosen(now, tables)]
        dropped = yield from drop_expired(where, rows, _LONG_AGO, {})
        return tuple((row, row.name in dropped) for row in now.kept())

    done = yield from under_lease(where, this_process(), body, embedded=embedded)
    assert done is not None
    return done


def _chosen(owned: Owned, tables: Collection[str]) -> tuple[KeptRow, ...]:
    kept = owned.kept()
    unknown = [name for name in tables if not any(name in (row.name, row.kept.table) for row in kept)]
    if unknown:
        there = ", ".join(dict.fromkeys(row.kept.table for row in kept)) or "nothing"
        raise UsageError(f"nothing of {unknown[0]} is kept in database {owned.database} (kept is {there})")
    return tuple(
        row for row in kept if row.name in tables or (row.kept.expires and (not tables or row.kept.table in tables))
    )


def _expired(row: KeptRow, named: bool) -> KeptRow:
    """The row with its time over. ``named``: somebody has looked at it, so late rows are no reason to keep it."""
    kept = replace(row.kept, expires=_LONG_AGO)
    return replace(row, kept=replace(kept, brought=None) if named else kept)
