"""Removing the old tables that are kept for a rollback, before their time is over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from aaiclick.apply.everywhere import pin
from aaiclick.apply.recovery import only_waits
from aaiclick.apply.replicated.kept_tables import drop_kept_everywhere
from aaiclick.apply.replicated.recovery import only_waits_everywhere
from aaiclick.catalog.read import read_catalog
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping
from aaiclick.clickhouse.topology import LOOK, Topology, named, read_topology
from aaiclick.commands.inspection.where_recorded import where_recorded
from aaiclick.commands.session import under_lease
from aaiclick.errors import ApplyError, UsageError
from aaiclick.lease.owner import this_process
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.hex_text import hexed, hexed_list, unhexed
from aaiclick.state.block_numbers import noted_block_numbers
from aaiclick.state.cache import look_next_time
from aaiclick.state.kept_tables import KEPT_ALONE, KeptOnHost, KeptRow, drop_expired
from aaiclick.state.owned import Owned, read_owned, read_owned_here, with_notes

_LONG_AGO = 1
"""Unix seconds: any table that expires then has expired."""


def prune(
    database: str | None,
    tables: Collection[str],
    dry_run: bool,
    embedded: bool,
    cluster: str = "",
    shown: Collection[KeptRow] | None = None,
) -> Routine[tuple[tuple[KeptRow, bool], ...]]:
    """The kept tables of a database, each with whether it was dropped (with ``dry_run``: would be).

    ``tables``: those of these tables alone (empty: of all). One that stays until somebody has looked at it goes only by
    its own name; so does one that got rows which the table that replaced it does not have. ``cluster``: the hosts that
    hold the database, where neither it nor its tables tell. ``shown``: what somebody has agreed to drop, as a dry run
    listed it: what is kept since then, or otherwise than it was, stays (None: nobody was asked). Raises ``UsageError``
    where nothing of a name is kept, where a run is unfinished, and where nothing tells which hosts keep tables;
    ``ApplyError`` where one is away.
    """
    # All that only looks comes before the lease: a typing mistake holds up no other run.
    catalog = yield from read_catalog(database)
    where = catalog.database
    owned = yield from read_owned_here(where)
    topology = yield from read_topology(catalog, cluster)
    if topology.kind in ("apart", "shared"):
        raise UsageError(_unreached(topology, where))
    found = yield from where_recorded(owned, topology)
    if found.unopened:
        raise UsageError(f"{found.unopened}. Nothing was changed")
    books = found.books if found.books.shared else None
    if books is not None:
        owned = yield from with_notes(owned, books)
    rows = yield from _kept(owned, topology, books)
    # Told before the lease: nothing of such a name is kept.
    _chosen(rows, tables, where)
    if (yield from _under_way(owned, topology)):
        raise UsageError(
            f"a migration of database {where} is unfinished, and what is kept may be needed for it. Nothing was "
            "changed. Run: aaiclick migrate"
        )
    if dry_run or not (rows or (books is None and (yield from _unneeded(owned)))):
        chosen = {row.name for row in _chosen(rows, tables, where)}
        return tuple((row, row.name in chosen) for row in rows)

    def body(_: object) -> Routine[tuple[tuple[KeptRow, bool], ...]]:
        # Another run may have dropped or kept some before this one had the lease.
        owned = yield from read_owned(where)
        if (yield from _under_way(owned, topology)):
            raise UsageError(f"a migration of database {where} was begun meanwhile: nothing was changed")
        # Compared with what was shown: a table that got rows since then was not agreed to.
        now = yield from _kept(owned, topology, books)
        agreed = [row for row in _chosen(now, tables, where) if shown is None or _as_shown(row, shown)]
        chosen = [replace(row, kept=replace(row.kept, expires=_LONG_AGO)) for row in agreed]
        if books is None:
            dropped = yield from _drop(where, owned, chosen, tables)
        else:
            dropped = yield from _drop_everywhere(where, chosen, topology, tables)
        return tuple((row, row.name in dropped) for row in now)

    done = yield from under_lease(where, this_process(), body, embedded=embedded, books=books)
    assert done is not None
    return done


def _under_way(owned: Owned, topology: Topology) -> Routine[bool]:
    """Whether a copy or a view was begun that is not at its end, and waits for no table that is away."""
    if not owned.unfinished:
        return False
    everywhere = owned.replicated_marks() or owned.replicated_backfills()
    if everywhere and (topology.single or not (yield from only_waits_everywhere(owned, Reach(topology)))):
        return True
    return not (yield from only_waits(owned))


def _kept(owned: Owned, topology: Topology, books: Bookkeeping | None) -> Routine[tuple[KeptRow, ...]]:
    """What is kept; on a cluster with what each host has of it."""
    if books is None:
        return owned.kept()
    rows = {row.name: row for row in owned.kept()}
    common = {row.name for row in owned.kept_on_replicas()}
    sizes = yield from _sizes(owned.database, topology, sorted(common))
    for name, row in rows.items():
        if name in common:
            rows[name] = replace(row, hosts=sizes.get(name, ()))
        else:
            # Of a start that took the cluster for one node: no other host knows of it, and no start drops it.
            rows[name] = replace(row, kept=replace(row.kept, expires=0, reason=KEPT_ALONE))
    return tuple(rows.values())


def _sizes(database: str, topology: Topology, names: Collection[str]) -> Routine[dict[str, tuple[KeptOnHost, ...]]]:
    if not names:
        return {}
    rows = yield Query(
        "SELECT hex(name), toInt64(_shard_num), toInt64(coalesce(total_rows, 0)), toInt64(coalesce(total_bytes, 0)) "
        f"FROM {topology.everywhere('system.tables')} WHERE database = unhex({{db:String}}) AND "
        "has(splitByChar(',', {names:String}), hex(name)) ORDER BY _shard_num",
        {"db": hexed(database), "names": hexed_list(names)},
        LOOK,
    )
    found: dict[str, tuple[KeptOnHost, ...]] = {}
    for digits, place, count, size in rows:
        name = unhexed(text(digits))
        here = KeptOnHost(topology.at(number(place)).label, number(count), number(size))
        found[name] = (*found.get(name, ()), here)
    return found


def _unneeded(owned: Owned) -> Routine[bool]:
    """Whether a run that was killed behind its DROP has left a setting that no kept table needs any more."""
    noted = (yield from noted_block_numbers(owned.database)) if owned.journal else {}
    return bool(noted.keys() - {row.kept.replaced_by for row in owned.kept()})


def _drop(database: str, owned: Owned, rows: Collection[KeptRow], named: Collection[str]) -> Routine[tuple[str, ...]]:
    """Drop them on one host, and reset what tables have for the sake of kept ones and no longer need. ``named``:
    somebody has looked at these, so what they alone hold is no reason to keep them."""
    chosen = {row.name: row for row in rows}
    noted = (yield from noted_block_numbers(database)) if owned.journal else {}
    if any(row.kept.numbered for row in rows):
        # Before the DROP: a kill behind it leaves a setting that a start takes away which looks for it.
        yield from look_next_time(database)
    # Those that stay still need theirs.
    others = [replace(row, kept=replace(row.kept, expires=0)) for row in owned.kept() if row.name not in chosen]
    return (yield from drop_expired(database, [*rows, *others], _LONG_AGO, noted, named))


def _drop_everywhere(
    database: str, rows: Collection[KeptRow], topology: Topology, names: Collection[str]
) -> Routine[tuple[str, ...]]:
    """Drop them on every host. ``names``: as ``named`` of ``_drop``. Raises ``ApplyError`` where one does not answer:
    it would have them still."""
    reach = yield from pin(Reach(topology))
    dropped: list[str] = []
    for row in rows:
        # One table after the other: where a host is away, it is said exactly which are gone.
        left = yield from drop_kept_everywhere(database, row, reach, looked_at=row.name in names)
        if left.away:
            before = f"{', '.join(dropped)}: dropped. " if dropped else "Nothing was dropped. "
            raise ApplyError(
                f"{row.name}: host {named(topology, left.away)} does not answer, and would have it still when it is "
                f"back. {before}Run again when it answers: aaiclick prune"
            )
        if not left.detached:
            dropped.append(row.name)
    return tuple(dropped)


def _unreached(topology: Topology, database: str) -> str:
    if topology.kind == "shared":
        return f"database {database} is kept by ClickHouse Cloud, where nothing is kept for a rollback"
    return (
        f"tables of database {database} have replicas, and nothing tells which hosts have them: AAICLICK_CLUSTER names "
        "the cluster. Nothing was changed"
    )


def _chosen(kept: Collection[KeptRow], tables: Collection[str], database: str) -> tuple[KeptRow, ...]:
    unknown = [name for name in tables if not any(name in (row.name, row.kept.table) for row in kept)]
    if unknown:
        there = ", ".join(dict.fromkeys(row.kept.table for row in kept))
        others = f"; there is something of {there}" if there else ", and nothing of other tables"
        raise UsageError(f"nothing of {unknown[0]} is kept in database {database}{others}")
    return tuple(
        row
        for row in kept
        if row.kept.reason != KEPT_ALONE
        and (row.name in tables or (row.kept.expires and (not tables or row.kept.table in tables)))
    )


def _as_shown(row: KeptRow, shown: Collection[KeptRow]) -> bool:
    return any((row.name, row.kept, row.rows) == (each.name, each.kept, each.rows) for each in shown)
