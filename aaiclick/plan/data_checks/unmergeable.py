"""What rows make fail that a merge computes of them."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.clickhouse.messages import shortened
from aaiclick.clickhouse.shared.ask_shards import first_text, shards_answered
from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.changes.ttl import ChangeColumnTtl, ChangeTtl, keeps_all
from aaiclick.plan.data_checks.expressions import failure_on_rows, no_conversion
from aaiclick.plan.proof.rows import COMPARE_SETTINGS
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import rows_that
from aaiclick.routine import Routine, number


def failure_of_rows(hosts: Topology, columns: Sequence[str], rest: str, of_none: str) -> Routine[str]:
    """The engine's message where ``SELECT columns rest`` fails on the rows of a shard; '' where it does not.
    ``of_none``: the same over no rows, where only the analysis can fail: an earlier step of the plan makes what the
    expression needs. No step makes a conversion that the engine does not have."""
    said = yield from failure_on_rows(hosts, columns, rest)
    analysed = (yield from failure_on_rows(hosts, columns, of_none)) if said else ""
    return "" if analysed and not no_conversion(analysed) else said


def refused_rows(hosts: Topology, source: str, value: str, refused: Sequence[tuple[str, str]]) -> Routine[list[str]]:
    """For each condition that rows of ``source`` meet: what is said of such rows, how many they are, and the ``value``
    of one. ``refused``: conditions, each with what is said."""
    counts = [f"countIf({condition})" for condition, _ in refused]
    examples = [f"anyIf(toString({value}), {condition})" for condition, _ in refused]
    found = yield from shards_answered(hosts, [*counts, *examples], f"FROM {source}", COMPARE_SETTINGS, long=True)
    said: list[str] = []
    for place, (_, problem) in enumerate(refused):
        count = sum(number(row[place]) for row in found or ())
        if count:
            example = first_text(row[len(refused) + place] for row in found or () if number(row[place]))
            said.append(f"{rows_that(count, problem)}, for instance {shortened(example)}")
    return said


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
