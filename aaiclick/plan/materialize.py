"""Fills skip indexes, projections and statistics for older rows: the server does not do that by itself.

Results are right without it (a part without the index is read as a whole). So it is an optional step, allowed by
``materialize <table>.<name>``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from aaiclick.catalog.forms import LiveObject, TableForm
from aaiclick.clickhouse.topology import LOOK, SINGLE, Topology
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_attributes import ChangeStatistics
from aaiclick.diff.changes.indexes import ChangeIndex
from aaiclick.diff.changes.projections import ChangeProjection
from aaiclick.diff.hazards import MATERIALIZE, Hazard
from aaiclick.plan.model import Step
from aaiclick.plan.operations import Alter, AlterWork
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.clauses import materialize, materialize_projection
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified, quote_name

if TYPE_CHECKING:
    from aaiclick.plan.strategies.context import TableDiff

_IN_PLACE = frozenset({"alter", "mutate", "attach"})


def offered(diff: TableDiff, made: Step) -> tuple[Step, ...]:
    """Optional steps for what the step ``made`` adds to the table. A copy fills all of it anyway."""
    if made.strategy not in _IN_PLACE or made.blocked or not diff.live.rows:
        return ()
    return tuple(
        _step(diff.database, diff.live, *found) for change in diff.changes if (found := _added(change)) is not None
    )


def requested(
    database: str, live: LiveObject, keys: Collection[str], topology: Topology = SINGLE
) -> Routine[tuple[Step, ...]]:
    """The same for a table without a difference, where it is allowed by name and was not done yet on all hosts."""
    form = live.form
    if not isinstance(form, TableForm) or not form.merge_tree or not live.rows:
        return ()
    own = f"{MATERIALIZE} {live.name}."
    named = {key.removeprefix(own) for key in keys if key.startswith(own)}
    if not named:
        return ()
    listed = [("index", each.name) for each in form.indexes] + [("projection", each.name) for each in form.projections]
    listed += [("statistics", each.name) for each in form.columns if each.statistics]
    these = "is_done AND database = {database:String} AND table = {table:String}"
    sql, settings = f"SELECT command FROM system.mutations WHERE {these}", dict[str, "str | int"]()
    if topology.reached:
        # A host that does not answer has not said that it is done.
        sql = (
            f"SELECT command FROM {topology.everywhere('system.mutations')} WHERE {these} GROUP BY command HAVING "
            f"uniqExact(_shard_num) = {len(topology.hosts)}"
        )
        settings = LOOK
    rows = yield Query(sql, {"database": database, "table": live.name}, settings)
    # The server lists finished mutations for some time: a command that is there has filled the parts.
    done = {text(row[0]).strip("()").replace("`", "") for row in rows}
    return tuple(
        _step(database, live, kind, name)
        for kind, name in listed
        if name in named and _command(kind, name).replace("`", "") not in done
    )


def _added(change: Change) -> tuple[str, str] | None:
    match change:
        case ChangeIndex(new=new) if new is not None:
            return "index", new.name
        case ChangeProjection(new=new) if new is not None and not change.only_settings:
            return "projection", new.name
        case ChangeStatistics(new=new, name=name) if new:
            return "statistics", name
        case _:
            return None


def _command(kind: str, name: str) -> str:
    return materialize(kind.upper(), quote_name(name))


def _step(database: str, live: LiveObject, kind: str, name: str) -> Step:
    command = materialize_projection(quote_name(name)) if kind == "projection" else _command(kind, name)
    sql = alter_table(qualified(database, live.name), command)
    words = f"{kind} of {name}" if kind == "statistics" else f"{kind} {name}"
    change = f"the {live.rows:,} rows that are there are not in the {words}"
    said = f"the server fills the {words} of {live.name} in the background"
    hazard = Hazard("rewrites-data", said, f"{MATERIALIZE} {live.name}.{name}")
    work = AlterWork(live.name, (Alter(sql, mutates=True),))
    return Step(
        f"{live.name}:{MATERIALIZE}:{kind}:{name}",
        live.name,
        change,
        "mutate",
        [sql],
        work,
        (hazard,),
        live.rows,
        live.bytes,
        optional=True,
    )
