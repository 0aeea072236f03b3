"""How a copy of a replicated table is carried out on its hosts, as a step of a plan says it. Pure."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.catalog.normalize import arguments_beside, normal
from aaiclick.catalog.render import form_sql, local_family
from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AttachWork, RebuildWork
from aaiclick.sql.clauses import add_constraint, attach_all_partitions_from
from aaiclick.sql.cluster import divided, on_cluster
from aaiclick.sql.ddl import alter_table, drop, exchange_tables
from aaiclick.sql.quoting import qualified, quote_name

_WINDOW = "replicated_deduplication_window"


def copy_refusal(name: str, work: RebuildWork | AttachWork, topology: Topology) -> str:
    """Why the copy is not made on these hosts; '' where it is."""
    if topology.shards > 1:
        return (
            f"{name}: its rows would have to be copied on each of {topology.shards} shards, and all of them "
            "exchanged in step: that is not done on clusters yet: do it by hand, on all hosts"
        )
    if isinstance(work, AttachWork) and (work.guards or any(alter.guards for alter in work.alters)):
        return (
            f"{name}: no row may come in on any host that breaks the change while it is made, and that is not seen "
            "to on clusters yet: do it by hand, on all hosts"
        )
    arguments = normal(work.form).arguments
    if topology.kind == "database" and arguments.startswith("'"):
        return (
            f"{name}: its path in Keeper is written out ({arguments}), and a Replicated database gives a new table "
            "none but its own: do it by hand, on all hosts"
        )
    return ""


def placed_copy(step: Step, topology: Topology) -> Step:
    """The step with what is sent to which hosts, and what that means for writers, disks and network."""
    work = step.work
    assert isinstance(work, RebuildWork | AttachWork)
    replicas = topology.replicas
    worker = next((host.label for host in topology.hosts if host.is_local), "the one that is connected to")
    table = f"inserts into {step.object}"
    extra = [
        Hazard(
            "holds-up-writers",
            f"{table} are refused on {replicas} hosts (469), for as long as the longest INSERT that runs, the last "
            "rows and the exchange on each host take; those with wait_for_async_insert = 0 are acknowledged "
            "meanwhile and lost",
        ),
        Hazard(
            "holds-up-writers",
            f"an INSERT into {step.object} that is repeated after the exchange is not recognised as a repetition",
        ),
    ]
    if isinstance(work, RebuildWork):
        extra.insert(
            0,
            Hazard("rewrites-data", f"host {worker} copies them, and each of {replicas} replicas stores the copy"),
        )
    kept = [hazard for hazard in step.hazards if hazard.kind != "holds-up-writers" or hazard.allow]
    return replace(step, sql=_lines(step, work, topology, worker), hazards=(*kept, *extra))


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
        lines += [sent(part) for part in divided(alter.sql)]
    lines += [
        f"-- merges of {name} are held on all hosts; {_WINDOW} of the new table is 0 until it is in place",
        sent(form_sql(form, database, f"_aaiclick_new_<run>_{name}")),
    ]
    if isinstance(work, RebuildWork):
        lines += [
            f"-- on host {worker}, in chunks, into {local_family(work.form).engine} tables, with count and checksum:",
            _insert(work, live, staged),
            alter_table(new, attach_all_partitions_from(staged)),
            "-- the other hosts fetch these parts; when all have them:",
        ]
    lines += [
        f"-- on all hosts: no INSERT into {name} from here on; those that run are waited for; then the rest",
        alter_table(live, add_constraint(FENCE_CONSTRAINT, "CHECK 0")),
    ]
    if isinstance(work, AttachWork):
        lines += [
            f"-- on host {worker}; the other hosts link their own parts:",
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
