"""How a materialized view is put in place on all hosts of a cluster, as a step of a plan says it. Pure."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.clusters.copies import workers_of
from aaiclick.plan.model import Step
from aaiclick.plan.operations import BackfillWork
from aaiclick.printable import count_text
from aaiclick.sql.clauses import add_constraint
from aaiclick.sql.cluster import by_group, on_cluster
from aaiclick.sql.ddl import alter_table, is_truncate
from aaiclick.sql.quoting import qualified


def placed_fill(step: Step, topology: Topology) -> Step:
    """The step with what is sent to which hosts, and what that means for writers."""
    work = step.work
    assert isinstance(work, BackfillWork)
    listed, hosts = ", ".join(work.sources), len(topology.hosts)
    extra = [
        Hazard(
            "holds-up-writers",
            f"inserts into {listed} are refused on {count_text(hosts, 'host')} (469), for as long as the "
            "longest INSERT that runs "
            "and the view on each host take; those with wait_for_async_insert = 0 are acknowledged meanwhile and lost",
        )
    ]
    if work.fill is not None:
        source, into = work.fill.source, work.fill.target or "the table that it owns"
        extra.append(
            Hazard(
                "holds-up-writers",
                f"an INSERT into {source} that was sent before and is repeated afterwards is recognised as a "
                f"repetition by {source}, but not by {into}: there its rows count twice",
            )
        )
    if topology.shards > 1:
        extra.append(
            Hazard(
                "holds-up-writers",
                f"an INSERT into a Distributed table over {listed} that is refused may be there in part: rows for "
                "other shards than that of its host are kept by the host and sent afterwards; repeated, they are there "
                "twice",
            )
        )
    # What the step says of writers is about one host: the sentences above take its place.
    kept = [hazard for hazard in step.hazards if hazard.kind != "holds-up-writers" or hazard.allow]
    return replace(step, sql=_lines(work, topology), hazards=(*kept, *extra))


def _lines(work: BackfillWork, topology: Topology) -> list[str]:
    lines = [f"-- on all hosts: no INSERT into {', '.join(work.sources)} from here on; those that run are waited for"]
    lines += [
        alter_table(qualified(topology.database, source), add_constraint(FENCE_CONSTRAINT, "CHECK 0"))
        for source in work.sources
    ]
    for sql in work.statements:
        if is_truncate(sql):
            lines += ["-- once in each shard:", sql]
        elif topology.kind == "queue":
            lines += [on_cluster(part, topology.cluster) for part in by_group(sql)]
        else:
            lines += by_group(sql)
    lines.append("-- when all hosts show the view: writers may go on")
    fill = work.fill
    if fill is None:
        return lines
    names = ", ".join(name for name, _ in fill.columns)
    into = fill.target or "the table that it owns"
    for shard, host in workers_of(topology).items():
        which = f"in shard {shard} " if topology.shards > 1 else ""
        lines.append(
            f"-- {which}host {host} fills {into} ({names}) with what {fill.source} held before, part by part; its "
            "replicas fetch that"
        )
    return lines
