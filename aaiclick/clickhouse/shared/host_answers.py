"""Questions of the planner that one host cannot answer for the others: parts that somebody detached, columns that parts
hold, rows. Every host is asked, and which of them did not answer is a part of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.parts import SET_ASIDE
from aaiclick.clickhouse.shared.ask_all import ask_all, servers
from aaiclick.clickhouse.topology import LOOK, PROOF, Topology
from aaiclick.errors import StatementError
from aaiclick.routine import Query, Routine, Rows, number, text
from aaiclick.sql.hex_text import hexed


@dataclass(frozen=True, slots=True)
class HostAnswers:
    """What hosts answered."""

    rows: Rows
    """Of all that answered."""
    away: frozenset[int] = frozenset()
    """The places of those that did not: what they have nobody knows."""


def ask_hosts(topology: Topology, sql: str, bound: Mapping[str, str | int]) -> Routine[HostAnswers]:
    """Ask every host, and those that answer where one does not. Raises StatementError where the server refuses the
    question itself."""
    for last in (False, True):
        try:
            # The server raises where one host is away: an answer is one of all of them.
            return HostAnswers((yield Query(sql, bound, PROOF)))
        except StatementError as error:
            if not error.code:
                raise
            away = yield from _away(topology)
            if away:
                rows = yield Query(sql, bound, LOOK)
                # One that went in between has not answered either.
                return HostAnswers(rows, away | (yield from _away(topology)))
            # All of them are there: one may have come back since.
            if last:
                raise
    raise AssertionError("not reached")


def _away(topology: Topology) -> Routine[frozenset[int]]:
    return frozenset(range(1, len(topology.hosts) + 1)) - frozenset((yield from servers(topology)))


@dataclass(frozen=True, slots=True)
class Detached:
    """Parts of a table that somebody detached, on all hosts."""

    count: int = 0
    """How many; a part that two replicas have set aside counts for each of them."""
    example: str = ""
    """The name of one; '' for none."""
    places: tuple[int, ...] = ()
    """The hosts that have some, by their places; empty where there is one host."""
    away: frozenset[int] = frozenset()
    """The hosts that did not answer."""


_DETACHED = (
    "SELECT toInt64(count()) AS parts, min(name) AS first FROM system.detached_parts WHERE database = "
    # A part that the server has set aside by itself has a reason.
    "unhex({db:String}) AND table = unhex({name:String}) AND reason = ''"
)


def detached_on_hosts(topology: Topology, database: str, name: str) -> Routine[Detached]:
    """The parts that somebody detached, as each host has them in its own directory."""
    looked = yield from ask_hosts(
        topology,
        f"SELECT toInt64(_shard_num), parts, first FROM {topology.aggregated(_DETACHED)} WHERE parts > 0 ORDER BY ALL",
        {"db": hexed(database), "name": hexed(name)},
    )
    return Detached(
        sum(number(row[1]) for row in looked.rows),
        next((text(row[2]) for row in looked.rows), ""),
        tuple(number(row[0]) for row in looked.rows),
        looked.away,
    )


@dataclass(frozen=True, slots=True)
class DetachedNames:
    """The same by their names."""

    names: tuple[str, ...]
    """Each with its host behind it: replicas have parts of one name, each in a directory of its own."""
    away: frozenset[int] = frozenset()
    """The hosts that did not answer."""


def names_on_hosts(topology: Topology, database: str, name: str) -> Routine[DetachedNames]:
    """The detached parts of a table by their names, of the hosts that answer."""
    looked = yield from ask_hosts(topology, _names(topology), {"db": hexed(database), "name": hexed(name)})
    return DetachedNames(_with_hosts(topology, looked.rows), looked.away)


def names_on_all(reach: Reach, database: str, name: str) -> Routine[tuple[str, ...]]:
    """The same of all hosts. Raises ApplyError where one does not answer."""
    topology = reach.topology
    rows = yield from ask_all(reach, _names(topology), {"db": hexed(database), "name": hexed(name)}, name)
    return _with_hosts(topology, rows)


def _names(topology: Topology) -> str:
    listed = topology.everywhere("system.detached_parts")
    return f"SELECT toInt64(_shard_num), name FROM {listed} WHERE {SET_ASIDE} ORDER BY ALL"


def _with_hosts(topology: Topology, rows: Rows) -> tuple[str, ...]:
    return tuple(f"{text(part)} on host {topology.at(number(place)).label}" for place, part in rows)
