"""Questions that every host of a cluster has to answer, and how each is reached by itself.

A question that leaves out whoever does not answer proves nothing: of a host that was left out for one of two tables it
would seem that it has none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.topology import LOOK, PROOF, Topology, named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.clock import clock
from aaiclick.errors import ApplyError, StatementError
from aaiclick.routine import Peer, Query, Routine, Rows, number, text

AWAY_SECONDS = 15.0
"""How long a host may not answer while something waits for all of them."""


def ask_all(reach: Reach, sql: str, bound: Mapping[str, str | int], what: str) -> Routine[Rows]:
    """Ask every host. Raises ApplyError, ``what`` in front, with the one that does not answer for ``AWAY_SECONDS``."""
    wait, began = Wait(0.1, 1.0), (yield from clock())
    while True:
        try:
            return (yield Query(sql, bound, PROOF))
        except StatementError as error:
            if (yield from is_long(wait, began)):
                # The error does not say which host it was: those that answer now do.
                require_all(reach, (yield from servers(reach.topology)), what)
                raise
            # Nothing came back from the host that is connected to: its own trouble, which no waiting for the others
            # mends.
            if not error.code:
                raise
        wait = yield from rest(wait, "all hosts to answer" if wait.waited > 1 else "")


def is_long(wait: Wait, began: float) -> Routine[bool]:
    """Whether a host that has not answered since then counts as away. Questions to one that stands still take seconds
    themselves."""
    return wait.waited >= AWAY_SECONDS or (yield from clock()) - began >= AWAY_SECONDS


def require_all(reach: Reach, answered: Collection[int], what: str) -> None:
    """Raises ApplyError where a host did not answer: then nobody knows what it has."""
    away = reach.places - frozenset(answered)
    if away:
        raise ApplyError(
            f"{what}: host {named(reach.topology, away)} does not answer, and nobody knows what it has. Run again "
            "when it does: that goes on from here"
        )


def peers(topology: Topology) -> Routine[Mapping[int, Peer]]:
    """How each host is reached by itself, by its place: the name that the cluster has for it, and the ports of its HTTP
    interface. Hosts are left out where one does not answer."""
    return (yield from _peers(topology, {}))


def answering_peers(topology: Topology) -> Routine[Mapping[int, Peer]]:
    """The same of those hosts that answer now."""
    return (yield from _peers(topology, LOOK))


def _peers(topology: Topology, settings: Mapping[str, str | int]) -> Routine[Mapping[int, Peer]]:
    found: dict[int, tuple[int, int]] = {}
    for index, port in enumerate(("http_port", "https_port")):
        try:
            rows = yield Query(
                f"SELECT toInt64(_shard_num), toInt64(getServerPort('{port}')) FROM "
                f"{topology.everywhere('system.one')}",
                {},
                settings,
            )
        except StatementError:
            continue  # a host that has no such interface
        for place, value in rows:
            ports = found.get(number(place), (0, 0))
            found[number(place)] = (number(value), ports[1]) if not index else (ports[0], number(value))
    return {place: Peer(topology.at(place).name, *ports) for place, ports in found.items()}


def servers(topology: Topology) -> Routine[Mapping[int, tuple[str, str]]]:
    """The UUID and the release of the server on each host that answers."""
    # Functions are carried out by each host; a scalar subquery would be by the one that is asked, for all of them.
    rows = yield Query(
        f"SELECT toInt64(_shard_num), toString(serverUUID()), version() FROM {topology.everywhere('system.one')}",
        {},
        LOOK,
    )
    return {number(place): (text(uuid), text(release)) for place, uuid, release in rows}
