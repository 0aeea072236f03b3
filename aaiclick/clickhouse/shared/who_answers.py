"""A question to all hosts of which the answer says who has given it."""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.clickhouse.topology import LOOK, PROOF, Topology
from aaiclick.errors import StatementError
from aaiclick.routine import Query, Routine, Rows, number


def ask_who_answers(
    topology: Topology, sql: str, nothing: str, bound: Mapping[str, str | int], *, whole: bool, beside: str = ""
) -> Routine[tuple[Rows, frozenset[int]]]:
    """The rows of the hosts that answer, and the places of these hosts. The first column of ``sql`` is the place.

    ``nothing``: further columns of a row that says only that a host is there. ``whole``: all hosts are expected to
    answer. ``beside``: a question to the host that is connected to, whose rows have the place 0.

    Raises StatementError where the question itself is refused.
    """
    also = f" UNION ALL {beside}" if beside else ""
    if whole:
        try:
            # The server raises where one host is away, so each has answered, be it with no row: half the work of the
            # question below.
            rows = yield Query(f"{sql}{also}", bound, PROOF)
        except StatementError as error:
            if not error.code:
                raise
        else:
            return rows, frozenset(range(1, len(topology.hosts) + 1))
    # ``system.one``: a host that has none of what is asked for answers with no row. Only this tells it from one that
    # does not answer.
    alive = f"SELECT toInt64(_shard_num), {nothing} FROM {topology.everywhere('system.one')}"
    rows = yield Query(f"{sql} UNION ALL {alive}{also}", bound, LOOK)
    return rows, frozenset(number(row[0]) for row in rows) - {0}
