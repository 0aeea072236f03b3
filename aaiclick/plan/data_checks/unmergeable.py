"""What rows make fail that a merge computes of them."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.changes.ttl import ChangeColumnTtl, ChangeTtl, keeps_all
from aaiclick.plan.data_checks.expressions import failure_on_rows, no_conversion
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine


def failure_of_rows(hosts: Topology, columns: Sequence[str], rest: str, of_none: str) -> Routine[str]:
    """The engine's message where ``SELECT columns rest`` fails on the rows of a shard; '' where it does not.
    ``of_none``: the same over no rows, where only the analysis can fail: an earlier step of the plan makes what the
    expression needs. No step makes a conversion that the engine does not have."""
    said = yield from failure_on_rows(hosts, columns, rest)
    analysed = (yield from failure_on_rows(hosts, columns, of_none)) if said else ""
    return "" if analysed and not no_conversion(analysed) else said


def unmergeable(words: str, said: str) -> str:
    """The sentence about ``words``, with what the engine ``said``."""
    return (
        f"{words} cannot be computed for the rows that are there, and parts that hold them could not be merged "
        f"any more (the engine: {said.partition(': while executing')[0]})"
    )


def changed_ttls(diff: TableDiff) -> list[ChangeTtl | ChangeColumnTtl]:
    """TTLs that are new or give other moments."""
    return [
        change
        for change in diff.changes
        if isinstance(change, ChangeTtl | ChangeColumnTtl)
        and change.new
        and not (change.old and keeps_all(change.old, change.new))
    ]
