"""Counts by which a plan knows what merges combine: asked for the plan, and once more when no other row can come in
(``aaiclick/apply/rebuild/second_look.py``). Between the two writers go on, and replicas fetch what others have
written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from aaiclick.clickhouse.shared.ask_shards import shards_answered
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.operations import PARTS, MergeFinding, MergeLook
from aaiclick.plan.proof.rows import COMPARE_SETTINGS, future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine, number

_PART = "_part"


@dataclass(frozen=True, slots=True)
class Combined:
    """What merges would combine otherwise than now, and what shows that they combine nothing else."""

    hazards: tuple[Hazard, ...] = ()
    """Each has to be allowed by name."""
    looks: tuple[MergeLook, ...] = ()
    """Counts that have found nothing."""

    def plus(self, other: Combined) -> Combined:
        """Both."""
        return Combined((*self.hazards, *other.hazards), (*self.looks, *other.looks))


@dataclass(frozen=True, slots=True)
class SomeRows:
    """FROMs of a count: of all rows, and of those that may meet rows of certain parts."""

    source: str
    """All rows, as the copy would write them."""
    near: str
    """Those beside rows of the parts ``PARTS``; '' where the rows of these parts cannot be told."""


def rows_by(
    diff: TableDiff, name: str, needed: Collection[str], carried: dict[str, str], keys: Sequence[str]
) -> SomeRows:
    """The rows of the table ``name`` with the columns that ``needed`` reads; near: all that share one of ``keys`` with
    a row of the parts. Without keys each row counts by itself."""
    source = future_rows(diff, name, needed, carried).source
    if diff.form.column(_PART) is not None or any("rowNumberInAllBlocks" in key for key in keys):
        return SomeRows(source, "")
    only = f"has(splitByChar(',', {{{PARTS}:String}}), {_PART})"
    chosen = replace(diff, where=f"({diff.where}) AND {only}" if diff.where else only)
    newer = future_rows(chosen, name, needed, carried).source
    if not keys:
        return SomeRows(source, newer)
    # Hashes, because nothing equals NULL.
    met = (f"sipHash128({key}) IN (SELECT sipHash128({key}) FROM {newer})" for key in keys)
    return SomeRows(source, f"(SELECT * FROM {source} WHERE {' OR '.join(met)})")


def template(text: str) -> str:
    """A text that stands as it is in the message of a ``MergeFinding``."""
    return text.replace("{", "{{").replace("}", "}}")


@dataclass(frozen=True, slots=True)
class LookResult:
    """A look, and what it has counted; None where that is not known."""

    look: MergeLook
    """As it is asked again."""
    counts: Sequence[int] | None
    """What it has counted."""

    @property
    def combined(self) -> Combined | None:
        """What follows; None where the counts are not known."""
        if self.counts is None:
            return None
        hazard = self.look.found(self.counts)
        return Combined((hazard,)) if hazard is not None else Combined((), (self.look,))


def look_for_plan(diff: TableDiff, data_name: str, make: Callable[[str], MergeLook]) -> Routine[LookResult]:
    """Ask what ``make`` gives for the table as it is called now. What is asked later is about the name that it has
    then."""
    look = make(diff.live.name)
    if not diff.live.rows:
        # Nothing is read for the plan. Rows that come in before the change count as in any other table.
        return LookResult(look, [0] * len(look.columns))
    if diff.reads_no_rows:
        return LookResult(look, None)
    return LookResult(look, (yield from answers(diff, make(data_name))))


def answers(diff: TableDiff, look: MergeLook) -> Routine[Sequence[int] | None]:
    """The counts, of all shards; None where the engine cannot tell."""
    rows = yield from shards_answered(diff.shards, look.columns, f"FROM {look.source}", COMPARE_SETTINGS, long=True)
    if rows is None:
        return None
    # Merges combine rows of one shard only: its groups are those of no other one.
    return [sum(map(number, values)) for values in zip(*rows, strict=True)]


def merge_look(columns: Sequence[str], rows: SomeRows, findings: Sequence[MergeFinding]) -> MergeLook:
    """The counts, with the settings that they are asked with."""
    settings = tuple((name, str(value)) for name, value in COMPARE_SETTINGS.items())
    return MergeLook(tuple(columns), rows.source, rows.near, tuple(findings), settings)


def finding(places: Sequence[int], hazard: Hazard, one: str = "") -> MergeFinding:
    """The hazard, whose message has places for the counts, where all counts at ``places`` are more than 0."""
    return MergeFinding(tuple(places), hazard.kind, hazard.message, hazard.allow, one)
