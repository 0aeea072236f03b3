"""Fills skip indexes, projections and statistics for older rows: the server does not do that by itself.

Results are right without it (a part without the index is read as a whole). So it is an optional step, allowed by
``materialize <table>.<name>``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aaiclick.catalog.forms import LiveObject, TableForm
from aaiclick.clickhouse.topology import LOOK, SINGLE, Topology
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_attributes import ChangeStatistics
from aaiclick.diff.changes.indexes import ChangeIndex
from aaiclick.diff.changes.keys import KEEPS_EVERY_ROW
from aaiclick.diff.changes.projections import ChangeProjection
from aaiclick.diff.hazards import MATERIALIZE, Hazard
from aaiclick.diff.merging import merging_engine
from aaiclick.plan.model import Step
from aaiclick.plan.operations import Alter, AlterWork
from aaiclick.printable import rows_text, verb_for
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.clauses import fill_projection, materialize
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.sql.tokens import split_top, unquote

if TYPE_CHECKING:
    from aaiclick.plan.strategies.context import TableDiff

_FILL = re.compile(
    r"\(?(?P<verb>MATERIALIZE|DROP|CLEAR) (?P<kind>INDEX|PROJECTION|STATISTICS) +(?:IF EXISTS +)?(?P<names>.+?)"
    r"(?P<part> IN PARTITION .+?)?\)?\Z",
    re.DOTALL,
)
_KINDS = frozenset({"tdigest", "uniq", "countmin", "minmax"})
"""Statistics whose names in parts are known."""
_OF_THE_SERVER = frozenset(
    {"_database", "_disk_name", "_distance", "_part", "_part_data_version", "_part_index", "_part_offset", "_part_uuid"}
    | {"_part_starting_offset", "_partition_id", "_partition_value", "_sample_factor", "_table"}
)
"""With a column of such a name APPLY DELETED MASK fails (10)."""
_IN_PLACE = frozenset({"alter", "mutate", "attach"})


def offered(diff: TableDiff, made: Step) -> tuple[Step, ...]:
    """Optional steps for what the step ``made`` adds to the table. A copy fills all of it anyway."""
    # An ALTER adds an index, projection or statistics to the definition alone: parts that are there get them by
    # MATERIALIZE or by a merge.
    if made.strategy not in _IN_PLACE or made.blocked or not diff.live.rows:
        return ()
    return tuple(
        _step(diff.database, diff.live, *found) for change in diff.changes if (found := _added(change)) is not None
    )


def merged_apart(diff: TableDiff, made: Step) -> Step:
    """The step, with what has to be allowed by name where merges would not combine older rows with later ones.

    The server merges no part without a projection with one that has it (388), for good: only the fill ends that. A
    table that keeps every row reads the same meanwhile.
    """
    if not (held := _apart(diff, made)):
        return made
    names = ", ".join(held)
    said = (
        f"{merging_engine(diff.target.form)} does not combine rows that are there with later rows of "
        f"{diff.live.name} until the projection {names} is filled: parts with it and without it are never merged"
    )
    hazards = (Hazard("changes-values", said, f"{MATERIALIZE} {diff.live.name}.{name}") for name in held)
    return replace(made, hazards=(*made.hazards, *hazards))


def _apart(diff: TableDiff, made: Step) -> list[str]:
    """The projections that parts of the table are to lack."""
    if made.strategy not in _IN_PLACE or made.blocked or not diff.live.rows or not diff.form.merge_tree:
        return []
    if diff.target.form.engine in KEEPS_EVERY_ROW:
        return []
    added = (_added(change) for change in diff.changes)
    return [found[1] for found in added if found is not None and found[0] == "projection"]


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
    wanted = [each for each in listed if each[1] in named]
    if not wanted:
        return ()
    # Keys stay in policies: what a start has filled once is not filled at every start.
    done = yield from _filled(database, live.name, topology)
    filled = [each for each in wanted if each in done]
    stale = yield from _other_statistics(database, live, form, filled, topology)
    return tuple(_step(database, live, *each) for each in wanted if each not in done or each in stale)


def _filled(database: str, table: str, topology: Topology) -> Routine[frozenset[tuple[str, str]]]:
    """What was filled on all hosts, by the server's list of mutations. It forgets finished ones after some time, the
    oldest first."""
    source, host, settings = "system.mutations", "1", dict[str, "str | int"]()
    if topology.reached:
        source, host, settings = topology.everywhere(source), "_shard_num", LOOK
    rows = yield Query(
        f"SELECT {host}, command, is_done FROM {source} WHERE database = {{database:String}} AND table = "
        # ``mutation_12.txt`` comes behind ``mutation_9.txt``: of the ids, which are texts, the longer ones are newer.
        f"{{table:String}} AND match(command, 'INDEX|PROJECTION|STATISTICS') ORDER BY length(mutation_id), mutation_id",
        {"database": database, "table": table},
        settings,
    )
    by_host: dict[int, set[tuple[str, str]]] = {}
    for place, command, is_done in rows:
        found = _FILL.match(text(command))
        if found is None:
            continue
        # Servers may show the command in parentheses: ``(MATERIALIZE INDEX i)``.
        filled = by_host.setdefault(number(place), set())
        names = split_top(found["names"]) if found["kind"] == "STATISTICS" else [found["names"]]
        several = {(found["kind"].lower(), unquote(name.strip())) for name in names}
        if found["verb"] != "MATERIALIZE":
            # What was filled before is gone: one of that name which is there now was made anew.
            filled -= several
        # A mutation of one partition has left all others without it.
        elif number(is_done) and not found["part"]:
            filled |= several
    # A host that does not answer has not said that it is done.
    hosts = len(topology.hosts) if topology.reached else 1
    if len(by_host) != hosts:
        return frozenset()
    first, *others = by_host.values()
    return frozenset(first.intersection(*others))


def _other_statistics(
    database: str, live: LiveObject, form: TableForm, filled: Sequence[tuple[str, str]], topology: Topology
) -> Routine[frozenset[tuple[str, str]]]:
    """Statistics that a part holds in other kinds than the column has by now: MODIFY STATISTICS is no mutation. 25.8
    shows nothing of what is in parts."""
    kinds = {each.name: _kinds(each.statistics) for each in form.columns if ("statistics", each.name) in filled}
    known = "SELECT count() FROM system.columns WHERE database = 'system' AND table = 'parts_columns' AND name = "
    if not kinds or not number((yield Query(f"{known}'statistics'"))[0][0]):
        return frozenset()
    source = topology.everywhere("system.parts_columns") if topology.reached else "system.parts_columns"
    rows = yield Query(
        f"SELECT column, arrayStringConcat(statistics, ',') AS kinds FROM {source} WHERE active AND database = "
        "{database:String} AND table = {table:String} GROUP BY column, kinds",
        {"database": database, "table": live.name},
        LOOK if topology.reached else {},
    )
    return frozenset(
        ("statistics", name)
        for name, kinds_there in ((text(row[0]), _kinds(text(row[1]))) for row in rows)
        if name in kinds and (kinds[name] & _KINDS) - kinds_there
    )


def _kinds(listed: str) -> frozenset[str]:
    """``tdigest, uniq`` as the columns of a table have it, ``TDigest,Uniq`` as its parts have it."""
    return frozenset(each.partition("(")[0].strip().lower().replace("_", "") for each in listed.split(","))


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
    commands = fill_projection(quote_name(name)) if kind == "projection" else (_command(kind, name),)
    sql = [alter_table(qualified(database, live.name), command) for command in commands]
    words = f"{kind} of {name}" if kind == "statistics" else f"{kind} {name}"
    change = (
        f"the {rows_text(live.rows)} that {verb_for(live.rows, 'are')} there {verb_for(live.rows, 'are')} not in "
        f"the {words}"
    )
    said = f"the server fills the {words} of {live.name} in the background"
    if kind == "projection":
        said += ": until then it merges no part without it with one that has it"
    hazard = Hazard("rewrites-data", said, f"{MATERIALIZE} {live.name}.{name}")
    work = AlterWork(live.name, tuple(Alter(each, mutates=True) for each in sql))
    own = sorted(_OF_THE_SERVER & _names(live)) if kind == "projection" else []
    blocked = (
        f"{live.name} has a column {own[0]}, as the server calls one of its own: it cannot leave rows out of {words} "
        "that a lightweight DELETE has hidden. Rename the column first"
        if own
        else ""
    )
    return Step(
        f"{live.name}:{MATERIALIZE}:{kind}:{name}",
        live.name,
        change,
        "mutate",
        sql,
        work,
        (hazard,),
        live.rows,
        live.bytes,
        optional=True,
        blocked=blocked,
    )


def _names(live: LiveObject) -> set[str]:
    return {column.name for column in live.form.columns} if isinstance(live.form, TableForm) else set()
