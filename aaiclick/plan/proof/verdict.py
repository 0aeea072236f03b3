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
from aaiclick.plan.guards.conditions import Watched, of_constraints, of_kept, of_look
from aaiclick.plan.proof.alone import STALE, outdated, read_by, unharmed
from aaiclick.plan.proof.changed import Changed, changed_columns
from aaiclick.plan.proof.column_looks import by_copy, look_at, looked_at, never_in_place, once_stored
from aaiclick.plan.proof.constraints import new_constraints, newly_violated, violated
from aaiclick.plan.proof.cost import Cost, cost_of
from aaiclick.plan.proof.evaluate import Look, Seen, evaluate, look_of
from aaiclick.plan.proof.expiring import expires
from aaiclick.plan.proof.kinds import same_order
from aaiclick.plan.proof.readers import KEYS, Reader, kept_readers, touched
from aaiclick.plan.proof.remake import RemakeIndex, RemakeProjection
from aaiclick.plan.proof.rows import future_rows
from aaiclick.plan.strategies.context import TableCase
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned


@dataclass(frozen=True, slots=True)
class Verdict:
    """``in_place``: an ALTER, or a table that takes over the parts, ends in the same as the copy; otherwise ``reason`` says in words what
    would not. ``remade``: what has to be made anew beside it. ``blocked``: rows that the new table would not take. ``cost``: what was
    looked at, or would have to be. ``watched``: what no row met, and none may meet until then."""

    in_place: bool
    reason: str = ""
    remade: tuple[Change, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    blocked: str = ""
    cost: Cost = field(default_factory=Cost)
    watched: tuple[Watched, ...] = ()


@dataclass(frozen=True, slots=True)
class _Open:
    """What is not proven by its kind alone: readers whose expressions are compared, columns whose bytes are, constraints that stay, and
    those that are new."""

    readers: tuple[Reader, ...]
    columns: tuple[Changed, ...]
    kept: tuple[Reader, ...]
    added: tuple[ConstraintForm, ...]

    @property
    def looks(self) -> list[Look]:
        """Those of the readers, then those of the columns."""
        return [*map(look_of, self.readers), *map(look_at, self.columns)]

    @property
    def words(self) -> list[str]:
        """What it is about, for an operator."""
        readers = [reader.words for reader in (*self.readers, *self.kept)]
        return [*readers, *(f"column {each.new.name}" for each in self.columns), *(f"constraint {each.name}" for each in self.added)]


_UNWATCHED = "rows that are written meanwhile could not be held to what was seen"


@dataclass(slots=True)
class _Found:
    reasons: list[str] = field(default_factory=list[str])
    remade: list[Change] = field(default_factory=list[Change])
    hazards: list[Hazard] = field(default_factory=list[Hazard])
    watched: list[Watched] = field(default_factory=list[Watched])


def prove(case: TableCase, data_name: str) -> Routine[Verdict]:
    """Whether the changes of the case may be made in place. ``data_name``: the table in which the rows are now."""
    changed = changed_columns(case.form, case.target)
    readers = kept_readers(case.form, case.target)
    affected = yield from touched(case.form, case.name_of(data_name), readers, [each.old.name for each in changed])
    harmed = [reader for reader in affected if not unharmed(case.form, reader, changed)]
    found = _Found([never_in_place(each) for each in changed if by_copy(each)])
    _projections(case, readers, harmed, changed, found)
    left = _Open(
        tuple(reader for reader in harmed if reader.kind not in ("constraint", "statistics", "implicit index", "projection")),
        tuple(each for each in changed if looked_at(each)),
        tuple(reader for reader in harmed if reader.kind == "constraint"),
        new_constraints(case),
    )
    if not left.words:
        return Verdict(not found.reasons, "; ".join(found.reasons), tuple(found.remade))
    if not case.live.rows:
        if not case.quick:
            _watch_empty(case, left, found)
        return Verdict(not found.reasons, "; ".join(found.reasons), tuple(found.remade), watched=tuple(found.watched))
    cost = yield from cost_of(case, data_name, _columns_read(case, data_name, left), left.words)
    if cost.open:
        reasons = found.reasons + [f"{reader.words}: {STALE}" for reader in left.readers if outdated(case.form, reader, changed)]
        return Verdict(not reasons, "; ".join(reasons), tuple(found.remade), cost=cost)
    seen = yield from evaluate(case, data_name, left.looks)
    for reader, what in zip(left.readers, seen, strict=False):
        yield from _judge(case, data_name, reader, what, outdated(case.form, reader, changed), found)
    for column, what in zip(left.columns, seen[len(left.readers) :], strict=True):
        if column.old.kind == "ALIAS":
            found.hazards.extend(once_stored(case.live.name, column, what))
        elif not what.in_order:
            found.reasons.append(f"column {column.new.name}: in place {_difference(what)}")
        elif (watched := of_look(case, look_at(column), f"column {column.new.name}")) is not None:
            found.watched.append(watched)
    kept = yield from newly_violated(case, data_name, left.kept)
    fresh = yield from violated(case, data_name, left.added)
    _watch_constraints(case, left, found)
    return Verdict(
        in_place=not found.reasons,
        reason="; ".join(dict.fromkeys(found.reasons)),
        remade=tuple(found.remade),
        hazards=tuple(found.hazards),
        blocked="; ".join(part for part in (fresh, kept) if part),
        cost=cost,
        watched=tuple(found.watched),
    )


def _watch_empty(case: TableCase, left: _Open, found: _Found) -> None:
    """No row, no difference: until one is written."""
    looks = [(reader.words, look_of(reader)) for reader in left.readers] + [
        (f"column {each.new.name}", look_at(each)) for each in left.columns if each.old.kind != "ALIAS"
    ]
    found.watched += [watched for words, look in looks if (watched := of_look(case, look, words)) is not None]
    _watch_constraints(case, left, found)


def _watch_constraints(case: TableCase, left: _Open, found: _Found) -> None:
    found.watched += of_constraints(case, left.added)
    found.watched += [watched for reader in left.kept for watched in of_kept(case, reader.name, reader.old[0], reader.new[0])]


def _columns_read(case: TableCase, data_name: str, left: _Open) -> frozenset[str]:
    """The live columns that all of this reads."""
    looks = left.looks
    carried = {str(place): expression for place, expression in enumerate(expression for look in looks for expression in look.old)}
    wanted = [*(expression for look in looks for expression in look.new), *(reader.body for reader in left.kept)]
    return future_rows(case, data_name, [*wanted, *(each.expression for each in left.added)], carried).read


def _projections(case: TableCase, readers: Sequence[Reader], harmed: Sequence[Reader], changed: Sequence[Changed], found: _Found) -> None:
    """A projection holds rows of its own, which no other expression gives: it is made anew. The engine refuses to rename what one reads."""
    old_names = [old for old, _ in case.target.renames]
    for reader in readers:
        if reader.kind != "projection":
            continue
        named = sorted(mentioned(reader.old[0], old_names))
        if reader in harmed:
            _remake(case, reader, f"it reads {', '.join(each.new.name for each in read_by(case.form, reader, changed))}", found)
        elif named:
            _remake(case, reader, f"{', '.join(named)} is renamed", found)


def _judge(case: TableCase, data_name: str, reader: Reader, seen: Seen, stale: bool, found: _Found) -> Routine[None]:
    """What becomes of a reader whose expressions were looked at."""
    if reader.kind in KEYS:
        if not seen.in_order:
            found.reasons.append(f"{reader.words}: {_difference(seen)}")
            found.hazards.extend((yield from regrouped(case, data_name, reader, seen)))
            return
        if stale:
            found.reasons.append(f"{reader.words}: {STALE}")
            return
    elif not seen.same and reader.kind == "TTL":
        found.reasons.append(f"{reader.words}: {_difference(seen)}")
        found.hazards.extend((yield from expires(case, data_name, reader, seen)))
        return
    elif not seen.same:
        _remake(case, reader, _difference(seen), found)
        return
    watched = of_look(case, look_of(reader), reader.words)
    if watched is not None:
        found.watched.append(watched)
    elif reader.kind == "index":
        _remake(case, reader, _UNWATCHED, found)
    else:
        found.reasons.append(f"{reader.words}: {_UNWATCHED}")


def _difference(seen: Seen) -> str:
    if seen.failed:
        return f"its expression cannot be compared ({seen.failed})"
    retyped = [f"{old} -> {new}" for old, new in seen.types if not same_order(old, new)]
    if retyped:
        return f"its type changes ({', '.join(retyped)})"
    if seen.differs:
        return f"it gives another value for {seen.differs:,} rows, for instance {seen.example}"
    return f"its type changes from {', '.join(old for old, _ in seen.types)} to {', '.join(new for _, new in seen.types)}"


def _remake(case: TableCase, reader: Reader, why: str, found: _Found) -> None:
    form = case.target.form
    if reader.kind == "projection":
        found.remade.extend(RemakeProjection(case.live.name, each, why) for each in form.projections if each.name == reader.name)
    else:
        found.remade.extend(RemakeIndex(case.live.name, each, why) for each in form.indexes if each.name == reader.name)
