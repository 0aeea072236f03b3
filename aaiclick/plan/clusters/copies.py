"""How a copy of a replicated table is carried out on its hosts, as a step of a plan says it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from aaiclick.catalog.normalize import arguments_beside, normal
from aaiclick.catalog.render import form_sql, local_family
from aaiclick.clickhouse.features import ATTACHES_WHERE_SENT
from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from aaiclick.clickhouse.topology import Topology, named
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.clusters.sizes import ShardSizes
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AttachWork, RebuildWork
from aaiclick.printable import count_text, rows_text, size_text
from aaiclick.sql.clauses import add_constraint, attach_all_partitions_from
from aaiclick.sql.cluster import by_group, on_cluster
from aaiclick.sql.ddl import alter_table, drop, exchange_tables
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.sql.tokens import Tokens

Owners: TypeAlias = Mapping[int, Sequence[int]]
"""For each shard the places of the hosts that have rows in tables of their own."""
_WINDOW = "replicated_deduplication_window"


def copy_refusal(name: str, work: RebuildWork | AttachWork, topology: Topology, server: tuple[int, ...]) -> str:
    """Why the copy is not made on these hosts; '' where it is. ``server``: the version that they run."""
    if not work.form.engine.startswith("Replicated"):
        first = (
            "declare it with replicated='' in a version of its own first, and make this change in the next one"
            if topology.kind == "queue"
            else "do it by hand, on all hosts"
        )
        return (
            f"{name} is not replicated: each host has rows of its own, and a new table takes the place of another one "
            f"on clusters only where replicas hold them to each other: {first}"
        )
    if topology.shards > 1 and topology.kind == "database" and server < ATTACHES_WHERE_SENT:
        return (
            f"{name}: before ClickHouse {'.'.join(map(str, ATTACHES_WHERE_SENT))} a Replicated database with "
            f"{topology.shards} shards has every shard take over the parts of a host that only one of them has "
            "(ATTACH PARTITION FROM goes by its log): upgrade the servers, or do it by hand, on all hosts"
        )
    if topology.shards > 1 and isinstance(work, RebuildWork) and (read := _read_beside(work)):
        return (
            f"{name}: its migration reads other rows than the one that it fills ({read}), and each of the "
            f"{topology.shards} shards would read those that it has itself: do it by hand, on all hosts"
        )
    arguments = normal(work.form).arguments
    if topology.kind == "database" and arguments.startswith("'"):
        return (
            f"{name}: its path in Keeper is written out ({arguments}), and a Replicated database gives a new table "
            "none but its own: do it by hand, on all hosts"
        )
    return ""


def _read_beside(work: RebuildWork) -> str:
    """An expression of a migration, or its filter, that has a subquery or looks into another table; '' for none."""
    for expression in (*(column.expression for column in work.columns), work.where):
        tokens = Tokens(expression)
        for place in range(len(tokens)):
            # A name behind IN, which is no function, is that of a table.
            named = tokens.is_word(place, "IN") and tokens.is_kind(place + 1, "word", "name")
            table = named and not tokens.is_op(place + 2, "(")
            if table or any(tokens.is_word(place, word) for word in ("SELECT", "JOINGET", "JOINGETORNULL")):
                return expression
    return ""


def unreplicated_guards(name: str, work: RebuildWork | AttachWork) -> str:
    """Why a change that some rows would break is not made of a table of which each host has its own, and which becomes
    replicated; '' where it is."""
    if not (isinstance(work, AttachWork) and (work.guards or any(alter.guards for alter in work.alters))):
        return ""
    return (
        f"{name}: each host has rows of its own, and one that breaks the change may come in on any of them: declare it "
        "with replicated='' in a version of its own first, and make this change in the next one"
    )


def several_owners(name: str, topology: Topology, owners: Owners) -> str:
    """Why a table of which each host has its own cannot become that of all; '' where one host of each shard has
    rows."""
    for places in owners.values():
        if len(places) > 1:
            return (
                f"{name}: hosts {named(topology, places)} have rows in tables of their own, and as replicas of one "
                "table they would have the same: nobody can tell which rows count. Bring the rows together on one of "
                "them, empty the table on the others, and run again"
            )
    return ""


def placed_copy(step: Step, topology: Topology, sizes: ShardSizes, owners: Owners | None = None) -> Step:
    """The step with what is sent to which hosts, and what that means for writers, disks and network. ``sizes``: of the
    table, where there are several shards. ``owners``: the hosts with rows, where each has its own; None: where not."""
    work = step.work
    assert isinstance(work, RebuildWork | AttachWork)
    workers = workers_of(topology)
    if owners:
        # A shard of which no host has rows gives none, whichever host it is.
        workers |= {shard: topology.at(places[0]).label for shard, places in owners.items() if places}
    hosts = len(topology.hosts)
    worker = f"{'hosts' if len(workers) > 1 else 'host'} {', '.join(workers.values())}"
    table = f"inserts into {step.object}"
    extra = [
        Hazard(
            "holds-up-writers",
            f"{table} are refused on {count_text(hosts, 'host')} (469), for as long as the longest INSERT "
            "that runs, the last "
            "rows and the exchange on each host take; those with wait_for_async_insert = 0 are acknowledged "
            "meanwhile and lost",
        ),
        Hazard(
            "holds-up-writers",
            f"an INSERT into {step.object} that is repeated after the exchange is not recognised as a repetition",
        ),
    ]
    if isinstance(work, RebuildWork):
        extra[:0] = [Hazard("rewrites-data", words) for words in _copies(topology, workers, sizes)]
    if topology.shards > 1:
        extra.append(
            Hazard(
                "holds-up-writers",
                f"an INSERT into a Distributed table over {step.object} that is refused may be there in part: rows for "
                "other shards than that of its host are kept by the host and sent afterwards; repeated, they are there "
                "twice",
            )
        )
    # What the step says of writers is about one host: the sentences above take its place.
    kept = [hazard for hazard in step.hazards if hazard.kind != "holds-up-writers" or hazard.allow]
    return replace(step, sql=_lines(step, work, topology, worker), hazards=(*kept, *extra))


def workers_of(topology: Topology) -> dict[int, str]:
    """The host that copies, by shard: the one that is connected to, else the first."""
    found: dict[int, str] = {}
    # One host of each shard copies: its replicas fetch the parts from it, so two would make every row twice.
    for host in sorted(topology.hosts, key=lambda each: not each.is_local):
        found.setdefault(host.shard, host.label)
    local = any(host.is_local for host in topology.hosts)
    return dict(sorted(found.items())) if local or len(found) > 1 else {1: "the one that is connected to"}


def _copies(topology: Topology, workers: dict[int, str], sizes: ShardSizes) -> list[str]:
    """Who copies how much, shard by shard; the largest first."""
    stores = f"and each of {count_text(topology.replicas, 'replica')} stores the copy"
    if len(workers) == 1:
        return [f"host {next(iter(workers.values()))} copies them, {stores}"]
    listed: list[str] = []
    for shard, label in sorted(workers.items(), key=lambda each: (-sizes.get(each[0], (0, 0))[1], each[0])):
        rows, size = sizes.get(shard, (0, 0))
        listed.append(f"shard {shard}: host {label} copies {rows_text(rows)} ({size_text(size)}), {stores}")
    return listed


def _lines(step: Step, work: RebuildWork | AttachWork, topology: Topology, worker: str) -> list[str]:
    database, name = topology.database, step.object
    live, new = qualified(database, name), qualified(database, f"_aaiclick_new_<run>_{name}")
    staged = qualified(f"_aaiclick_staged_<run>_{name}", "<chunk>")
    spread = topology.kind == "queue"

    def sent(sql: str) -> str:
        return on_cluster(sql, topology.cluster) if spread else sql

    form = replace(work.form, arguments=arguments_beside(work.form, "<run>"))
    lines: list[str] = []
    for alter in work.alters if isinstance(work, AttachWork) else ():
        lines += [sent(part) for part in by_group(alter.sql)]
    lines += [
        f"-- merges of {name} are held on all hosts; {_WINDOW} of the new table is 0 until it is in place",
        sent(form_sql(form, database, f"_aaiclick_new_<run>_{name}")),
    ]
    if isinstance(work, RebuildWork):
        lines += [
            f"-- on {worker}, in chunks, into {local_family(work.form).engine} tables, with count and checksum:",
            _insert(work, live, staged),
            alter_table(new, attach_all_partitions_from(staged)),
            "-- the other hosts fetch these parts; when all have them:",
        ]
    lines += [
        f"-- on all hosts: no INSERT into {name} from here on; those that run are waited for; then the rest",
        # It refuses every INSERT (469). A constraint, because the table's own log takes it to all replicas.
        alter_table(live, add_constraint(FENCE_CONSTRAINT, "CHECK 0")),
    ]
    if isinstance(work, AttachWork):
        lines += [
            f"-- on {worker}; the other hosts link their own parts, or fetch them:",
            alter_table(new, attach_all_partitions_from(live)),
        ]
    lines += [
        "-- on each host by itself, after a look at both tables there:"
        if spread
        else "-- by the log of the database, from a host that has come to its end:",
        exchange_tables(live, new),
        "-- when all hosts have the new table: writers may go on; the old one is kept for a while, then",
        sent(drop("TABLE", new)),
    ]
    return lines


def _insert(work: RebuildWork, live: str, staged: str) -> str:
    names = ", ".join(quote_name(column.target) for column in work.columns)
    expressions = ", ".join(column.expression for column in work.columns)
    where = f" WHERE {work.where}" if work.where else ""
    return f"INSERT INTO {staged} ({names}) SELECT {expressions} FROM {live}{where}"
