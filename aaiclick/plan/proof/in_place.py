"""Whether a table may be changed in place: only where that provably has the same result as a copy.

1. Find the columns that change, and what in the definition reads them.
2. Some of it needs no rows: nothing reads the column, an Enum only gets labels, a column that is read as it is gets
   another time zone.
3. For the rest every live row is read, in one pass: what the expression gives now, and for the row as the copy would
   write it.

Without a difference the table is changed in place. A skip index or projection that differs is made anew; a key or a
TTL that differs is the reason for a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aaiclick.catalog.forms import ConstraintForm
from aaiclick.diff.changes.base import Change
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.combining.keys import regrouped
from aaiclick.plan.combining.looks import Combined
from aaiclick.plan.combining.refilled import refills
from aaiclick.plan.guards.conditions import ChangeGuard, of_comparison, of_constraints, of_kept
from aaiclick.plan.operations import MergeLook
from aaiclick.plan.proof.bytes_on_disk import same_order
from aaiclick.plan.proof.changed import ChangedColumn, changed_columns
from aaiclick.plan.proof.column_comparisons import (
    by_copy,
    column_comparison,
    has_to_be_compared,
    never_in_place,
    once_stored,
)
from aaiclick.plan.proof.column_uses import KEYS, ColumnUse, kept_uses, touched
from aaiclick.plan.proof.comparisons import Comparison, ComparisonResult, evaluate, use_comparison
from aaiclick.plan.proof.constraints import new_constraints, newly_violated, violated
from aaiclick.plan.proof.cost import Cost, cost_of
from aaiclick.plan.proof.expiring import expires
from aaiclick.plan.proof.remade_indexes import RemakeIndex, RemakeProjection
from aaiclick.plan.proof.rows import future_rows
from aaiclick.plan.proof.without_rows import STALE, outdated, read_by, unharmed
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import rows_text
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned


@dataclass(frozen=True, slots=True)
class InPlaceProof:
    """Whether the changes of a table may be made in place."""

    in_place: bool
    """True where an ALTER or an attach has the same result as a copy."""
    reason: str = ""
    """What would be different in place, in words; '' for nothing."""
    remade: tuple[Change, ...] = ()
    """Skip indexes and projections that are made anew beside it."""
    hazards: tuple[Hazard, ...] = ()
    """What has to be allowed by name."""
    blocked: str = ""
    """Rows that the new table would refuse, with count and example; '' for none."""
    cost: Cost = field(default_factory=Cost)
    """What was read for it, or would have to be."""
    guards: tuple[ChangeGuard, ...] = ()
    """Conditions that no row met, and that writers may not break until the change is made."""
    looks: tuple[MergeLook, ...] = ()
    """Counts that a copy makes once more, where it computes keys anew."""


@dataclass(frozen=True, slots=True)
class _ToCompare:
    """What rows have to show: expressions to compare, columns to compare, constraints that stay, constraints that are
    new."""

    uses: tuple[ColumnUse, ...]
    columns: tuple[ChangedColumn, ...]
    kept: tuple[ColumnUse, ...]
    added: tuple[ConstraintForm, ...]

    @property
    def comparisons(self) -> list[Comparison]:
        """Comparisons of the expressions, then those of the columns."""
        return [*map(use_comparison, self.uses), *map(column_comparison, self.columns)]

    @property
    def words(self) -> list[str]:
        """What it is about, for people."""
        uses = [use.words for use in (*self.uses, *self.kept)]
        return [
            *uses,
            *(f"column {each.new.name}" for each in self.columns),
            *(f"constraint {each.name}" for each in self.added),
        ]


_UNWATCHED = "rows that are written meanwhile could not be checked"


@dataclass(slots=True)
class _Found:
    reasons: list[str] = field(default_factory=list[str])
    """Why the change is not made in place."""
    remade: list[Change] = field(default_factory=list[Change])
    """What is made anew beside it."""
    hazards: list[Hazard] = field(default_factory=list[Hazard])
    """What has to be allowed by name."""
    guards: list[ChangeGuard] = field(default_factory=list[ChangeGuard])
    """What rows are held to until then."""
    combined: Combined = field(default_factory=Combined)
    """What merges would make of it."""


def prove(diff: TableDiff, data_name: str) -> Routine[InPlaceProof]:
    """Whether the changes of the table may be made in place. ``data_name``: the table in which the rows are now."""
    changed = changed_columns(diff.form, diff.target)
    uses = kept_uses(diff.form, diff.target)
    affected = yield from touched(diff.form, diff.name_of(data_name), uses, [each.old.name for each in changed])
    # First what needs no row: often nothing is left, and the table is not read at all.
    harmed = [use for use in affected if not unharmed(diff.form, use, changed)]
    found = _Found([never_in_place(each) for each in changed if by_copy(each)])
    _projections(diff, uses, harmed, changed, found)
    left = _ToCompare(
        tuple(use for use in harmed if use.kind not in ("constraint", "statistics", "implicit index", "projection")),
        tuple(each for each in changed if has_to_be_compared(each) and not _filled(diff, each)),
        tuple(use for use in harmed if use.kind == "constraint"),
        new_constraints(diff),
    )
    if not left.words:
        return InPlaceProof(not found.reasons, "; ".join(found.reasons), tuple(found.remade))
    # Rows may be inserted at any moment. What holds for no row becomes a guard, as what was counted does.
    if not diff.live.rows:
        if not diff.reads_no_rows:
            _guard_empty(diff, left, found)
        return InPlaceProof(
            not found.reasons, "; ".join(found.reasons), tuple(found.remade), guards=tuple(found.guards)
        )
    cost = yield from cost_of(diff, data_name, _columns_read(diff, data_name, left), left.words)
    # Not looked at: only what needs no row can speak against a change in place.
    if cost.open:
        reasons = found.reasons + [f"{use.words}: {STALE}" for use in left.uses if outdated(diff.form, use, changed)]
        return InPlaceProof(not reasons, "; ".join(reasons), tuple(found.remade), cost=cost)
    yield from _compare(diff, data_name, left, changed, found)
    # Of a constraint that stays only rows count that fulfil it today: the others were there before this plan.
    kept = yield from newly_violated(diff, data_name, left.kept)
    # A new constraint is another matter: an ALTER adds it without a look at old rows, and a copy would be refused by
    # them.
    fresh = yield from violated(diff, data_name, left.added)
    _guard_constraints(diff, left, found)
    return InPlaceProof(
        in_place=not found.reasons,
        reason="; ".join(dict.fromkeys(found.reasons)),
        remade=tuple(found.remade),
        hazards=(*found.hazards, *found.combined.hazards),
        blocked="; ".join(part for part in (fresh, kept) if part),
        cost=cost,
        guards=tuple(found.guards),
        looks=found.combined.looks,
    )


def beside_fills(diff: TableDiff, data_name: str) -> Routine[InPlaceProof]:
    """What has to be allowed by name of a copy that a migration asks for, because of changes of columns that it does
    not fill: what it fills is as it says, and so is what is computed from that."""
    changed = [each for each in changed_columns(diff.form, diff.target) if each.new.name not in diff.column_expressions]
    uses = [use for use in kept_uses(diff.form, diff.target) if use.kind in (*KEYS, "TTL")]
    affected = yield from touched(diff.form, diff.name_of(data_name), uses, [each.old.name for each in changed])
    harmed = [use for use in affected if not unharmed(diff.form, use, changed)]
    aliases = [each for each in changed if each.old.kind == "ALIAS" and has_to_be_compared(each)]
    left = _ToCompare(
        tuple(use for use in harmed if not any(refills(diff, each) for each in use.new)),
        tuple(each for each in aliases if not refills(diff, each.new.expression)),
        (),
        (),
    )
    if not left.words or not diff.live.rows:
        return InPlaceProof(False)
    cost = yield from cost_of(diff, data_name, _columns_read(diff, data_name, left), left.words)
    if cost.open:
        return InPlaceProof(False, cost=cost)
    found = _Found()
    yield from _compare(diff, data_name, left, changed, found)
    hazards = (*found.hazards, *found.combined.hazards)
    return InPlaceProof(False, hazards=hazards, cost=cost, looks=found.combined.looks)


def _compare(
    diff: TableDiff, data_name: str, left: _ToCompare, changed: Sequence[ChangedColumn], found: _Found
) -> Routine[None]:
    """Read the rows, and put down what follows for each expression and column."""
    # All of it in one pass over the rows. What does not differ now is held to by guards until the change is made.
    seen = yield from evaluate(diff, data_name, left.comparisons)
    # The results of the expressions come first, those of the columns behind them.
    for use, what in zip(left.uses, seen, strict=False):
        yield from _judge(diff, data_name, use, what, outdated(diff.form, use, changed), found)
    for column, what in zip(left.columns, seen[len(left.uses) :], strict=True):
        # Nothing of it is stored, so no value can change: from now on the one that it gives today stays.
        if column.old.kind == "ALIAS":
            found.hazards.extend(once_stored(diff.live.name, column, what))
        elif not what.in_order:
            found.reasons.append(f"column {column.new.name}: in place {_difference(what)}")
        elif (guards := of_comparison(diff, column_comparison(column), f"column {column.new.name}")) is not None:
            found.guards.append(guards)


def _filled(diff: TableDiff, each: ChangedColumn) -> bool:
    """True of an ALIAS that becomes what a migration, or a version between, says: its own expression gives no value."""
    return each.old.kind == "ALIAS" and each.new.name in diff.column_expressions


def _guard_empty(diff: TableDiff, left: _ToCompare, found: _Found) -> None:
    """Without rows nothing differs, until one is inserted."""
    comparisons = [(use.words, use_comparison(use)) for use in left.uses] + [
        (f"column {each.new.name}", column_comparison(each)) for each in left.columns if each.old.kind != "ALIAS"
    ]
    found.guards += [
        guards for words, comparison in comparisons if (guards := of_comparison(diff, comparison, words)) is not None
    ]
    _guard_constraints(diff, left, found)


def _guard_constraints(diff: TableDiff, left: _ToCompare, found: _Found) -> None:
    found.guards += of_constraints(diff, left.added)
    found.guards += [guards for use in left.kept for guards in of_kept(diff, use.name, use.old[0], use.new[0])]


def _columns_read(diff: TableDiff, data_name: str, left: _ToCompare) -> frozenset[str]:
    """The live columns that all of it reads."""
    comparisons = left.comparisons
    carried = {
        str(place): expression
        for place, expression in enumerate(expression for comparison in comparisons for expression in comparison.old)
    }
    wanted = [
        *(expression for comparison in comparisons for expression in comparison.new),
        *(use.body for use in left.kept),
    ]
    return future_rows(diff, data_name, [*wanted, *(each.expression for each in left.added)], carried).read


def _projections(
    diff: TableDiff,
    uses: Sequence[ColumnUse],
    harmed: Sequence[ColumnUse],
    changed: Sequence[ChangedColumn],
    found: _Found,
) -> None:
    """Make projections anew where a column that they read changes: they hold rows of their own. The engine also refuses
    to rename a column that one reads."""
    old_names = [old for old, _ in diff.target.renames]
    for use in uses:
        if use.kind != "projection":
            continue
        named = sorted(mentioned(use.old[0], old_names))
        if use in harmed:
            _remake(
                diff, use, f"it reads {', '.join(each.new.name for each in read_by(diff.form, use, changed))}", found
            )
        elif named:
            _remake(diff, use, f"{', '.join(named)} is renamed", found)


def _judge(
    diff: TableDiff, data_name: str, use: ColumnUse, seen: ComparisonResult, stale: bool, found: _Found
) -> Routine[None]:
    """What follows for an expression whose rows were compared."""
    if use.kind in KEYS:
        # Parts are sorted by the key. Where its values sort differently, only new parts can be right.
        if not seen.in_order:
            found.reasons.append(f"{use.words}: {_difference(seen)}")
            found.combined = found.combined.plus((yield from regrouped(diff, data_name, use, seen)))
            return
        # Not yet, for no row. Where the table is copied for another reason, one may come before that.
        found.combined = found.combined.plus((yield from regrouped(diff, data_name, use, seen)))
        if stale:
            found.reasons.append(f"{use.words}: {STALE}")
            return
    # Each part has noted when its rows expire by the old values.
    elif not seen.same and use.kind == "TTL":
        found.reasons.append(f"{use.words}: {_difference(seen)}")
        found.hazards.extend((yield from expires(diff, data_name, use, seen)))
        return
    elif not seen.same:
        _remake(diff, use, _difference(seen), found)
        return
    guards = of_comparison(diff, use_comparison(use), use.words)
    if guards is not None:
        found.guards.append(guards)
    # A skip index holds no rows, and may be made anew while writers go on.
    elif use.kind == "index":
        _remake(diff, use, _UNWATCHED, found)
    else:
        found.reasons.append(f"{use.words}: {_UNWATCHED}")


def _difference(seen: ComparisonResult) -> str:
    if seen.failed:
        return f"its expression cannot be compared ({seen.failed})"
    retyped = [f"{old} -> {new}" for old, new in seen.types if not same_order(old, new)]
    if retyped:
        return f"its type changes ({', '.join(retyped)})"
    if seen.differs:
        return f"it gives another value for {rows_text(seen.differs)}, for instance {seen.example}"
    return (
        f"its type changes from {', '.join(old for old, _ in seen.types)} to {', '.join(new for _, new in seen.types)}"
    )


def _remake(diff: TableDiff, use: ColumnUse, why: str, found: _Found) -> None:
    form = diff.target.form
    if use.kind == "projection":
        found.remade.extend(
            RemakeProjection(diff.live.name, each, why) for each in form.projections if each.name == use.name
        )
    else:
        found.remade.extend(RemakeIndex(diff.live.name, each, why) for each in form.indexes if each.name == use.name)
