"""What a rollback would do to a table of a cluster: each shard is looked at by the host that copies there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aaiclick.apply.everywhere import pin
from aaiclick.apply.replicated.hosts import reached_workers
from aaiclick.apply.replicated.shards import at_host, workers
from aaiclick.apply.rollback.columns import Link
from aaiclick.apply.rollback.inspect import Restore, inspect_kept
from aaiclick.clickhouse.every_host import Reach, troubles
from aaiclick.clickhouse.shared.host_answers import detached_on_hosts
from aaiclick.clickhouse.statements import send
from aaiclick.clickhouse.topology import Topology, named
from aaiclick.errors import ApplyError, SchemaError, StatementError
from aaiclick.plan.operations import RebuildWork
from aaiclick.routine import Command, Routine
from aaiclick.sql.ddl import system
from aaiclick.sql.quoting import qualified

_SECONDS: dict[str, str | int] = {"receive_timeout": 60}


@dataclass(frozen=True, slots=True)
class RestoreOnShards(Restore):
    """What putting a table back on all hosts would do, with all shards together."""

    works: tuple[RebuildWork, ...] = ()
    """The copy of what came since, for each shard."""


def reach_back(topology: Topology, database: str, tables: Sequence[str]) -> Routine[Reach]:
    """All hosts. Raises SchemaError where one cannot take part now: no table is put back without it."""
    reach = yield from pin(Reach(topology))
    wrong = yield from troubles(topology, database, tables)
    if wrong or not reach.here:
        said = "; ".join(f"host {topology.at(place).label} {words}" for place, words in sorted(wrong.items()))
        said = said or f"the host that is connected to is none of {topology.words}"
        raise SchemaError(
            f"{', '.join(tables)}: {said}, and tables are put back on every host. Nothing was changed. Run again when "
            "it is well"
        )
    return reach


def inspect_on_shards(database: str, chain: Sequence[Link], reach: Reach) -> Routine[Restore]:
    """``inspect_kept`` in every shard, added up."""
    # Before any host is asked to fetch something: this is known from the comments.
    unknown = next((link.row for link in chain if link.row.kept.base is None), None)
    if unknown is not None:
        why = f" ({unknown.kept.reason})" if unknown.kept.reason else ""
        raise SchemaError(
            f"{unknown.kept.table}: nobody can tell which of its rows came after {unknown.name} was replaced{why}. "
            "Nothing was changed: restore a backup"
        )
    peers = yield from reached_workers(reach)
    found: list[Restore] = []
    for shard, place in sorted(workers(reach).items()):
        own = [replace(link, row=replace(link.row, kept=link.row.kept.of_shard(shard))) for link in chain]
        peer = None if place == reach.here else peers[place]
        for name in (chain[0].row.kept.table, *(link.row.name for link in chain)):
            # What is counted below is what this host has: it needs all that the others have written.
            sync = Command(
                system("SYNC REPLICA", f"{qualified(database, name)} LIGHTWEIGHT"), settings=_SECONDS, at=peer
            )
            try:
                yield from send(sync)
            except StatementError as error:
                raise ApplyError(
                    f"{name}: host {reach.topology.at(place).label} does not fetch what other hosts have written "
                    f"({error.message}). Nothing was changed"
                ) from error
        found.append((yield from at_host(inspect_kept(database, own), peer)))
    # Definitions are the same in every shard, so the first one speaks for all; rows are added up.
    first = found[0]
    return RestoreOnShards(
        first.name,
        chain[0].row.kept,
        first.work,
        sum(each.rows for each in found),
        sum(each.since for each in found),
        first.live,
        (),
        _joined([each.deleted for each in found]),
        first.combines,
        sum(each.combined for each in found),
        sum(each.unfit for each in found),
        tuple(dict.fromkeys(words for each in found for words in each.unproven)),
        first.notes,
        (yield from _detached(reach.topology, database, [*(link.row.name for link in chain), chain[0].row.kept.table])),
        _joined([each.blocked for each in found]),
        tuple(each.work for each in found),
    )


def _detached(topology: Topology, database: str, names: Sequence[str]) -> Routine[str]:
    """The parts of these tables that somebody detached on any host. ``names``: the kept tables, and the live one last,
    which is kept then in its turn."""
    found: list[str] = []
    for name in names:
        seen = yield from detached_on_hosts(topology, database, name)
        if seen.away:
            raise ApplyError(
                f"{name}: host {named(topology, seen.away)} does not answer, and nobody knows whether it has detached "
                "parts, which are not carried over. Nothing was changed. Run again when it does"
            )
        if seen.count:
            when = "when its time is over" if name == names[-1] else "at once"
            where = f"{'hosts' if len(seen.places) > 1 else 'host'} {named(topology, seen.places)}"
            found.append(
                f"{seen.count:,} detached parts of {name} on {where} (such as {seen.example}) are not carried over: "
                f"they go {when}"
            )
    return "; ".join(found)


def _joined(said: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(each for each in said if each))
