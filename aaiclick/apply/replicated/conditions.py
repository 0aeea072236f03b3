"""What has to hold of all hosts before a replicated table is copied. Looked at before anything is sent, when a plan is
about to be carried out, and again when its step begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.apply.rebuild.preconditions import (
    TO_BE_TAKEN,
    WHILE_COPIED,
    require_none_altered,
    require_resting,
    require_resting_streams,
)
from aaiclick.apply.replicated.hosts import AGAIN, reachable_peers, require_servers, require_well
from aaiclick.apply.replicated.shards import CheckedReplicas, Replicas, Shard, hosts_of_shard, shards_of, workers
from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.forms import TableForm
from aaiclick.clickhouse.background_inserts import BackgroundInserts, find_background_inserts
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.merges import saved_settings
from aaiclick.clickhouse.mutations import require_settled
from aaiclick.clickhouse.shared.ask_all import require_all
from aaiclick.clickhouse.shared.replicas import Placed, parts_on_hosts, tables_everywhere
from aaiclick.clickhouse.statements import ask
from aaiclick.clickhouse.tables import Physical, require_table
from aaiclick.clickhouse.topology import Topology, named
from aaiclick.clock import clock
from aaiclick.diff.merging import ORDER_LOST, order_is_lost
from aaiclick.errors import ApplyError
from aaiclick.plan.operations import AttachWork, BackfillWork, RebuildWork
from aaiclick.routine import Routine, text
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.state.definitions import definition_of, given_back, kinds_altered, unlike_kinds
from aaiclick.state.replicated.mark import ReplicatedMark

_FRESH = 5.0
"""Seconds for which a look before the first step is as good as one at its beginning."""


def until_settled(replicas: Replicas, options: ApplyOptions) -> Routine[None]:
    """Wait until the mutations of the table have ended on all hosts. Raises ApplyError where one does not."""
    yield from require_settled(
        replicas.source.database,
        replicas.source.name,
        stuck_seconds=options.stuck_seconds,
        limit=options.mutation_seconds,
        topology=replicas.reach.topology,
    )


def as_looked(work: RebuildWork | AttachWork, database: str, options: ApplyOptions) -> Routine[Replicas]:
    """As ``require_replicas``, which is not asked once more where it has just been, for the first step: what comes in
    between is lines of the journal. The storages are looked at again all the same."""
    seen, reach = options.looked, options.reach
    if (
        seen is None
        or reach is None
        or seen.work != work
        or not 0 <= (yield from clock()) - seen.at < _FRESH
        or (yield from _placed(reach, database, work.table)) != seen.replicas.there
    ):
        return (yield from require_replicas(work, database, options))
    return seen.replicas


def check_replicas(work: RebuildWork | AttachWork, database: str, options: ApplyOptions) -> Routine[CheckedReplicas]:
    """As ``require_replicas``, for whoever begins with that step, and has looked at the DDL queue."""
    at = yield from clock()
    return CheckedReplicas(work, (yield from require_replicas(work, database, options, queue=False)), at)


def _placed(reach: Reach, database: str, table: str) -> Routine[Mapping[int, Placed]]:
    found = yield from tables_everywhere(reach, database, (table,), table)
    return {place: tables[table] for place, tables in found.items() if table in tables}


def definitions_of(replicas: Replicas) -> tuple[str, ...]:
    """What the definition of a table is on each host, as it was looked at; one alone where all show the same."""
    database = replicas.source.database
    found = tuple(definition_of(placed.created, database) for _, placed in sorted(replicas.there.items()))
    return found[:1] if len(set(found)) == 1 else found


def require_unaltered_everywhere(replicas: Replicas, mark: ReplicatedMark) -> Routine[None]:
    """Raise ApplyError where somebody has altered the table since its copy began, on whatever host."""
    database, reach = replicas.source.database, replicas.reach
    kinds, places = altered_on(mark, database, (yield from _placed(reach, database, mark.table)))
    on = f"{WHILE_COPIED} (seen on host {named(reach.topology, places)})"
    require_none_altered(mark.table, kinds, WHILE_COPIED if places == reach.places else on)


def require_altered_by_us_everywhere(before: Replicas, replicas: Replicas, work: AttachWork) -> None:
    """Raise ApplyError where somebody else has altered the table on a host, beside our own ALTERs: of clauses in which
    they change nothing."""
    database, kinds = replicas.source.database, list[str]()
    for place, placed in sorted(replicas.there.items()):
        if (then := before.there.get(place)) is not None and then.uuid == placed.uuid:
            said, now = definition_of(then.created, database), definition_of(placed.created, database)
            kinds += kinds_altered(said, now, work.form)
    require_none_altered(work.table, tuple(dict.fromkeys(kinds)), TO_BE_TAKEN)


def altered_on(
    mark: ReplicatedMark, database: str, there: Mapping[int, Placed]
) -> tuple[tuple[str, ...], frozenset[int]]:
    """The kinds of clauses that were altered on the storage with the user's rows since its copy began, and the hosts
    that show it."""
    kinds: dict[str, None] = {}
    places: set[int] = set()
    for place, placed in sorted(there.items()):
        if placed.uuid != mark.source_at(place):
            continue  # somebody has replaced it: that is looked at elsewhere
        if found := kinds_altered(mark.defined_at(place), definition_of(placed.created, database)):
            kinds |= dict.fromkeys(found)
            places.add(place)
    return tuple(kinds), frozenset(places)


def settings_not_taken(replicas: Replicas, form: TableForm) -> tuple[str, ...]:
    """A sentence for each host whose table has settings or a comment of its own. The new table is one and the same on
    all hosts (``form``): it has those of the host that is connected to."""
    source, said = replicas.source, list[str]()
    for place, placed in sorted(replicas.there.items()):
        alters = given_back(placed.created, source.created, form, source.database)
        sent = "; ".join(alter_table(qualified(source.database, source.name), each) for each in alters)
        label = replicas.reach.topology.at(place).label
        if alters:
            said.append(
                f"{source.name}: host {label} has settings or a comment of its own there, which the new table does not "
                f"have. To have them again, on that host alone: {sent}"
            )
    return tuple(said)


def require_replicas(
    work: RebuildWork | AttachWork, database: str, options: ApplyOptions, *, queue: bool = True
) -> Routine[Replicas]:
    """The hosts that take part. ``queue``: as ``require_well``. Raises ApplyError with the host, and what is wrong with
    it, where one cannot now."""
    reach = options.reach
    assert reach is not None, "a copy on replicas is made where there are several hosts"
    table = work.table
    source = yield from require_table(database, table)
    spread = reach
    if not source.engine.startswith("Replicated"):
        # Each host then has rows of its own, as a shard has.
        reach = replace(reach, topology=reach.topology.apart)
    topology = reach.topology
    if reach.without:
        away = named(topology, reach.without)
        raise ApplyError(
            f"{table}: host {away} is away, and a copy needs every replica: what the others swap it could not. {AGAIN}"
        )
    if not reach.here:
        raise ApplyError(
            f"{table}: the host that is connected to is none of {topology.words}, and one of them has to copy. {AGAIN}"
        )
    _require_form(source, work, spread.topology)
    yield from _require_order(source, work)
    found = yield from find_background_inserts(source.database, table, with_views=True, topology=spread.topology)
    require_resting(source, found, options)
    # Every host, by UUID: from here on what is sent is meant for these storages and no others.
    there = yield from _placed(reach, database, table)
    lacking = reach.places - there.keys()
    if lacking:
        raise ApplyError(f"{table}: host {named(topology, lacking)} does not have it. {AGAIN}")
    _require_same_definition(reach, source, there)
    _require_same_settings(table, reach, source, there)
    yield from require_well(reach, source, queue=queue)
    if reach is not spread:
        # By the real shards: as replicas of one table these hosts would have the same rows.
        yield from require_one_owner(spread, source)
    known = yield from require_servers(reach, source)
    # Which hosts can be reached is asked before the first one is changed: half way there would be no going back.
    peers = yield from reachable_peers(reach, known)
    require_held_back(source, found, bool(peers))
    uuids = {place: there[place].uuid for place in sorted(reach.places)}
    shards = yield from shards_of(reach, database, table, uuids, peers)
    copies = shards
    if reach is not spread:
        copies = tuple(
            replace(each, reach=hosts_of_shard(spread, number)) for number, each in _workers_of(spread, shards)
        )
    return Replicas(reach, source, tuple(uuids.values()), peers, found, shards, copies, there)


def require_sources(
    work: BackfillWork, database: str, options: ApplyOptions, *, begun: bool = False
) -> Routine[tuple[Replicas, ...]]:
    """The tables whose writers are kept out while a view is put in place, on all hosts. ``begun``: by a run that was
    killed, so they may be kept out already.

    Raises ApplyError with the host, and what is wrong with it, where that cannot be done now.
    """
    reach = options.reach
    assert reach is not None, "writers of all hosts are kept out where there are several"
    found: list[Replicas] = []
    for name in work.sources:
        source = yield from require_table(database, name)
        if not (source.engine.startswith("Replicated") and source.merge_tree):
            raise ApplyError(
                f"{name}: writers of a table of engine {source.engine} cannot be kept out on all hosts. {AGAIN}"
            )
        # The constraint is in the log of the table, but nobody could see that a host which is away has carried it out.
        if reach.without or not reach.here:
            away = named(reach.topology, reach.without) or "that is connected to"
            raise ApplyError(
                f"{work.view}: host {away} takes no part, and no row may come in on any host while the view is put in "
                f"place. {AGAIN}"
            )
        # By name, and kept by UUID: what follows is meant for the storages of now.
        there = yield from tables_everywhere(reach, database, (name,), name)
        placed = {place: tables[name] for place, tables in there.items() if name in tables}
        if lacking := reach.places - placed.keys():
            raise ApplyError(f"{name}: host {named(reach.topology, lacking)} does not have it. {AGAIN}")
        # A killed run has changed these settings itself, and its fence may be up: that is what is put right now.
        if not begun:
            yield from require_resting_streams(source, options)
            _require_same_settings(name, reach, source, placed)
        yield from require_well(reach, source)
        peers = yield from reachable_peers(reach)
        background_inserts = yield from require_background_inserts(source, reach.topology, bool(peers))
        uuids = {place: placed[place].uuid for place in sorted(reach.places)}
        shards = yield from shards_of(reach, database, name, uuids, peers)
        found.append(Replicas(reach, source, tuple(uuids.values()), peers, background_inserts, shards, shards))
    return tuple(found)


def _workers_of(spread: Reach, shards: Sequence[Shard]) -> list[tuple[int, Shard]]:
    by_place = {shard.worker: shard for shard in shards}
    return [(number, by_place[place]) for number, place in sorted(workers(spread).items())]


def require_one_owner(spread: Reach, source: Physical) -> Routine[None]:
    """Raise ApplyError where several hosts of a shard have rows in tables of their own: which of them count nobody can
    tell."""
    topology = spread.topology
    seen = yield from parts_on_hosts(topology, source.database, source.name)
    require_all(spread, seen.hosts, source.name)
    for shard in sorted({host.shard for host in topology.hosts}):
        owners = [place for place, there in sorted(seen.hosts.items()) if there and topology.at(place).shard == shard]
        if len(owners) > 1:
            raise ApplyError(
                f"{source.name}: hosts {named(topology, owners)} have rows in tables of their own, and as replicas of "
                "one table they would have the same: nobody can tell which rows count. Nothing was changed. Bring the "
                "rows together on one of them, empty the table on the others, and run again"
            )


def _require_form(source: Physical, work: RebuildWork | AttachWork, topology: Topology) -> None:
    if source.engine.endswith("MergeTree") and not source.engine.startswith(("Replicated", "Shared")):
        if isinstance(work, AttachWork) and work.form.engine.startswith("Replicated") and topology.kind == "queue":
            return
        raise ApplyError(
            f"{source.name}: it is not replicated, and becomes so only by a new table that takes over its parts as "
            f"they are, on a cluster of Atomic databases. {AGAIN}"
        )
    for engine in (source.engine, work.form.engine):
        if not (engine.startswith("Replicated") and engine.endswith("MergeTree")):
            raise ApplyError(f"{source.name}: {engine} is not replicated, and each host would hold other rows. {AGAIN}")
    if any(name == "disk" and value.startswith("disk(") for name, value in work.form.settings):
        raise ApplyError(
            f"{source.name}: its disk is described in the table, and a copy beside it would need another one"
        )


def require_background_inserts(source: Physical, topology: Topology, reachable: bool) -> Routine[BackgroundInserts]:
    """What brings rows into the table by itself, on any host. Raises ApplyError as ``require_held_back``."""
    found = yield from find_background_inserts(source.database, source.name, with_views=True, topology=topology)
    require_held_back(source, found, reachable)
    return found


def require_held_back(source: Physical, found: BackgroundInserts, reachable: bool) -> None:
    """Raise ApplyError where some of what was ``found`` to bring rows into the table cannot be kept out for a moment.
    ``reachable``: each host is reached by itself.

    While the table refuses writers, the source of a materialized view has taken the rows already that the view passes
    on: whoever sends them again doubles them there.
    """
    not_yet = "that is not done on clusters yet. Nothing was changed. Do it by hand, on all hosts"
    if found.views or source.name.startswith(".inner"):
        view = found.views[0] if found.views else source.name
        raise ApplyError(
            f"{source.name}: the materialized view {view} writes into it{found.doubt}, and its source would keep rows "
            f"that are refused here: {not_yet}"
        )
    if found.refreshed:
        raise ApplyError(
            f"{source.name}: the refreshable view {found.refreshed[0]} writes into it{found.doubt}, and is not stopped "
            f"on all hosts: {not_yet}"
        )
    if found.buffers and not reachable:
        raise ApplyError(
            f"{source.name}: the Buffer table {found.buffers[0]} stands in front of it, and hosts that cannot be "
            f"reached by themselves cannot be told to flush it: {not_yet}"
        )


def _require_order(source: Physical, work: RebuildWork | AttachWork) -> Routine[None]:
    """Raise ApplyError where the later of two rows wins and they may meet in another partition than before: blocks of a
    replicated table are numbered in each partition anew, so nobody knows which came later."""
    if not (isinstance(work, RebuildWork) and work.ordered):
        return
    # Asked of the live table: the plan may be hours old.
    rows = yield from ask(
        "SELECT partition_key FROM system.tables WHERE database = unhex({db:String}) AND name = unhex({name:String})",
        {"db": hexed(source.database), "name": hexed(source.name)},
    )
    # The plan has said so already: this is about a table that somebody else has changed since.
    if order_is_lost(text(rows[0][0]) if rows else "", work.form.partition_by):
        raise ApplyError(
            f"{source.name}: {ORDER_LOST.format(engine=work.form.engine)}. Nothing was changed. Do it by hand, on all "
            "hosts"
        )


def _require_same_definition(reach: Reach, source: Physical, there: Mapping[int, Placed]) -> None:
    """Raise ApplyError where a host shows another definition than the one that was planned for: an ALTER that reached
    one shard only, or that a host has not come to. The new table has what the host shows that is connected to."""
    for place, placed in sorted(there.items()):
        if kinds := unlike_kinds(source.created, placed.created, source.database):
            raise ApplyError(
                f"{source.name}: host {reach.topology.at(place).label} has another definition ({', '.join(kinds)}) "
                "than the host that is connected to, and a copy would lose what is there alone. Nothing was changed. "
                "Where an ALTER is still under way, run again; else make them equal (ALTER TABLE ... ON CLUSTER) first"
            )


def _require_same_settings(table: str, reach: Reach, source: Physical, there: Mapping[int, Placed]) -> None:
    """The settings that stop merges are put back on all hosts at once, to one and the same."""
    mine = saved_settings(source)
    for place, placed in sorted(there.items()):
        other = saved_settings(Physical("", table, "", source.engine, placed.definition))
        if other != mine:
            names = sorted({name for name, value in (*mine, *other) if (name, value) not in set(mine) & set(other)})
            raise ApplyError(
                f"{table}: host {reach.topology.at(place).label} has other settings ({', '.join(names)}) than the "
                "host that is connected to. Nothing was changed. Make them equal (ALTER TABLE ... ON CLUSTER ... "
                "MODIFY SETTING), and run again"
            )
        if placed.fenced:
            raise ApplyError(
                f"{table}: host {reach.topology.at(place).label} refuses writers already, by a constraint of a run "
                "that left no mark. Nothing was changed. Drop the constraint, and run again"
            )
