"""Whether a table may be changed in place: it may where that provably ends in the same as the copy.

1. Which columns change, and what reads them.
2. What is proven by its kind alone needs no look (no reader; an Enum that got members; another zone of a column that is read as it is).
3. For the rest every live row is looked at, in one pass: what the reader gives for it now, and for the row as the copy would write it.

No difference: in place. Otherwise a skip index or a projection is made anew, and a key or TTL is the reason for a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aaiclick.catalog.forms import ConstraintForm
from aaiclick.diff.changes.base import Change
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.combining.keys import regrouped
from aaiclick.plan.guards.conditions import ChangeGuard, of_comparison, of_constraints, of_kept
from aaiclick.plan.proof.alone import STALE, outdated, read_by, unharmed
from aaiclick.plan.proof.changed import ChangedColumn, changed_columns
from aaiclick.plan.proof.column_comparisons import by_copy, column_comparison, has_to_be_compared, never_in_place, once_stored
from aaiclick.plan.proof.column_uses import KEYS, ColumnUse, kept_uses, touched
from aaiclick.plan.proof.comparisons import Comparison, ComparisonResult, evaluate, use_comparison
from aaiclick.plan.proof.constraints import new_constraints, newly_violated, violated
from aaiclick.plan.proof.cost import Cost, cost_of
from aaiclick.plan.proof.expiring import expires
from aaiclick.plan.proof.kinds import same_order
from aaiclick.plan.proof.remake import RemakeIndex, RemakeProjection
from aaiclick.plan.proof.rows import future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned


@dataclass(frozen=True, slots=True)
class InPlaceProof:
    """``in_place``: an ALTER, or a table that takes over the parts, ends in the same as the copy; otherwise ``reason`` says in words what
    would not. ``remade``: what has to be made anew beside it. ``blocked``: rows that the new table would not take. ``cost``: what was
    looked at, or would have to be. ``watched``: what no row met, and none may meet until then."""

    in_place: bool
    reason: str = ""
    remade: tuple[Change, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    blocked: str = ""
    cost: Cost = field(default_factory=Cost)
    guards: tuple[ChangeGuard, ...] = ()


@dataclass(frozen=True, slots=True)
class _ToCompare:
    """What is not proven by its kind alone: readers whose expressions are compared, columns whose bytes are, constraints that stay, and
    those that are new."""

    uses: tuple[ColumnUse, ...]
    columns: tuple[ChangedColumn, ...]
    kept: tuple[ColumnUse, ...]
    added: tuple[ConstraintForm, ...]

    @property
    def looks(self) -> list[Comparison]:
        """Those of the readers, then those of the columns."""
        return [*map(use_comparison, self.uses), *map(column_comparison, self.columns)]

    @property
    def words(self) -> list[str]:
        """What it is about, for an operator."""
        uses = [use.words for use in (*self.uses, *self.kept)]
        return [*uses, *(f"column {each.new.name}" for each in self.columns), *(f"constraint {each.name}" for each in self.added)]


_UNWATCHED = "rows that are written meanwhile could not be held to what was seen"


@dataclass(slots=True)
class _Found:
    reasons: list[str] = field(default_factory=list[str])
    remade: list[Change] = field(default_factory=list[Change])
    hazards: list[Hazard] = field(default_factory=list[Hazard])
    guards: list[ChangeGuard] = field(default_factory=list[ChangeGuard])


def prove(diff: TableDiff, data_name: str) -> Routine[InPlaceProof]:
    """Whether the changes of the case may be made in place. ``data_name``: the table in which the rows are now."""
    changed = changed_columns(diff.form, diff.target)
    uses = kept_uses(diff.form, diff.target)
    affected = yield from touched(diff.form, diff.name_of(data_name), uses, [each.old.name for each in changed])
    harmed = [use for use in affected if not unharmed(diff.form, use, changed)]
    found = _Found([never_in_place(each) for each in changed if by_copy(each)])
    _projections(diff, uses, harmed, changed, found)
    left = _ToCompare(
        tuple(use for use in harmed if use.kind not in ("constraint", "statistics", "implicit index", "projection")),
        tuple(each for each in changed if has_to_be_compared(each)),
        tuple(use for use in harmed if use.kind == "constraint"),
        new_constraints(diff),
    )
    if not left.words:
        return InPlaceProof(not found.reasons, "; ".join(found.reasons), tuple(found.remade))
    if not diff.live.rows:
        if not diff.reads_no_rows:
            _guard_empty(diff, left, found)
        return InPlaceProof(not found.reasons, "; ".join(found.reasons), tuple(found.remade), guards=tuple(found.guards))
    cost = yield from cost_of(diff, data_name, _columns_read(diff, data_name, left), left.words)
    if cost.open:
        reasons = found.reasons + [f"{use.words}: {STALE}" for use in left.uses if outdated(diff.form, use, changed)]
        return InPlaceProof(not reasons, "; ".join(reasons), tuple(found.remade), cost=cost)
    seen = yield from evaluate(diff, data_name, left.looks)
    for use, what in zip(left.uses, seen, strict=False):
        yield from _judge(diff, data_name, use, what, outdated(diff.form, use, changed), found)
    for column, what in zip(left.columns, seen[len(left.uses) :], strict=True):
        if column.old.kind == "ALIAS":
            found.hazards.extend(once_stored(diff.live.name, column, what))
        elif not what.in_order:
            found.reasons.append(f"column {column.new.name}: in place {_difference(what)}")
        elif (guards := of_comparison(diff, column_comparison(column), f"column {column.new.name}")) is not None:
            found.guards.append(guards)
    kept = yield from newly_violated(diff, data_name, left.kept)
    fresh = yield from violated(diff, data_name, left.added)
    _guard_constraints(diff, left, found)
    return InPlaceProof(
        in_place=not found.reasons,
        reason="; ".join(dict.fromkeys(found.reasons)),
        remade=tuple(found.remade),
        hazards=tuple(found.hazards),
        blocked="; ".join(part for part in (fresh, kept) if part),
        cost=cost,
        guards=tuple(found.guards),
    )


def _guard_empty(diff: TableDiff, left: _ToCompare, found: _Found) -> None:
    """No row, no difference: until one is written."""
    looks = [(use.words, use_comparison(use)) for use in left.uses] + [
        (f"column {each.new.name}", column_comparison(each)) for each in left.columns if each.old.kind != "ALIAS"
    ]
    found.guards += [guards for words, look in looks if (guards := of_comparison(diff, look, words)) is not None]
    _guard_constraints(diff, left, found)


def _guard_constraints(diff: TableDiff, left: _ToCompare, found: _Found) -> None:
    found.guards += of_constraints(diff, left.added)
    found.guards += [guards for use in left.kept for guards in of_kept(diff, use.name, use.old[0], use.new[0])]


def _columns_read(diff: TableDiff, data_name: str, left: _ToCompare) -> frozenset[str]:
    """The live columns that all of this reads."""
    looks = left.looks
    carried = {str(place): expression for place, expression in enumerate(expression for look in looks for expression in look.old)}
    wanted = [*(expression for look in looks for expression in look.new), *(use.body for use in left.kept)]
    return future_rows(diff, data_name, [*wanted, *(each.expression for each in left.added)], carried).read


def _projections(diff: TableDiff, uses: Sequence[ColumnUse], harmed: Sequence[ColumnUse], changed: Sequence[ChangedColumn], found: _Found) -> None:
    """A projection holds rows of its own, which no other expression gives: it is made anew. The engine refuses to rename what one reads."""
    old_names = [old for old, _ in diff.target.renames]
    for use in uses:
        if use.kind != "projection":
            continue
        named = sorted(mentioned(use.old[0], old_names))
        if use in harmed:
            _remake(diff, use, f"it reads {', '.join(each.new.name for each in read_by(diff.form, use, changed))}", found)
        elif named:
            _remake(diff, use, f"{', '.join(named)} is renamed", found)


def _judge(diff: TableDiff, data_name: str, use: ColumnUse, seen: ComparisonResult, stale: bool, found: _Found) -> Routine[None]:
    """What becomes of a reader whose expressions were looked at."""
    if use.kind in KEYS:
        if not seen.in_order:
            found.reasons.append(f"{use.words}: {_difference(seen)}")
            found.hazards.extend((yield from regrouped(diff, data_name, use, seen)))
            return
        if stale:
            found.reasons.append(f"{use.words}: {STALE}")
            return
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
        return f"it gives another value for {seen.differs:,} rows, for instance {seen.example}"
    return f"its type changes from {', '.join(old for old, _ in seen.types)} to {', '.join(new for _, new in seen.types)}"


def _remake(diff: TableDiff, use: ColumnUse, why: str, found: _Found) -> None:
    form = diff.target.form
    if use.kind == "projection":
        found.remade.extend(RemakeProjection(diff.live.name, each, why) for each in form.projections if each.name == use.name)
    else:
        found.remade.extend(RemakeIndex(diff.live.name, each, why) for each in form.indexes if each.name == use.name)
