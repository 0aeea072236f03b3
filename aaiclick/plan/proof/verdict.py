"""Whether a table may be changed in place: it may where that provably ends in the same as the copy.

1. Which columns change, and what reads them.
2. What is proven by its kind alone needs no look (no reader; an Enum that got members; another zone of a column that is read as it is).
3. For the rest every live row is looked at, in one pass: what the reader gives for it now, and for the row as the copy would write it.

No difference: in place. Otherwise a skip index or a projection is made anew, and a key or TTL is the reason for a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aaiclick.catalog.forms import TableForm
from aaiclick.plan.changes.base import Change
from aaiclick.plan.conversion.convert import conversion, in_place
from aaiclick.plan.hazards import Hazard
from aaiclick.plan.proof.changed import Changed, changed_columns
from aaiclick.plan.proof.combining import regrouped
from aaiclick.plan.proof.constraints import new_constraints, newly_violated, violated
from aaiclick.plan.proof.evaluate import Look, Seen, evaluate, look_of
from aaiclick.plan.proof.expiring import expires
from aaiclick.plan.proof.kinds import keeps_bytes, same_order
from aaiclick.plan.proof.readers import KEYS, Reader, kept_readers, mentioned, through_aliases, touched
from aaiclick.plan.proof.remake import RemakeIndex, RemakeProjection
from aaiclick.plan.strategies.context import TableCase
from aaiclick.routine import Routine
from aaiclick.specs.quoting import quote_name, quote_string


@dataclass(frozen=True, slots=True)
class Verdict:
    """``in_place``: an ALTER, or a table that takes over the parts, ends in the same as the copy; otherwise ``reason`` says in words what
    would not. ``remade``: what has to be made anew beside it. ``blocked``: rows that the new table would not take. ``read``: live columns
    that were looked at, in ``rows`` rows. ``unlooked``: what would have to be looked at, where none was made."""

    in_place: bool
    reason: str = ""
    remade: tuple[Change, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    blocked: str = ""
    read: frozenset[str] = field(default_factory=frozenset[str])
    rows: int = 0
    unlooked: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    reasons: list[str] = field(default_factory=list[str])
    remade: list[Change] = field(default_factory=list[Change])
    hazards: list[Hazard] = field(default_factory=list[Hazard])


def prove(case: TableCase, data_name: str) -> Routine[Verdict]:
    """Whether the changes of the case may be made in place. ``data_name``: the table in which the rows are now."""
    changed = changed_columns(case.form, case.target)
    readers = kept_readers(case.form, case.target)
    affected = yield from touched(case.form, case.name_of(data_name), readers, [each.old.name for each in changed])
    found = _Found()
    _follow_renames(case, readers, affected, found)
    found.reasons.extend(_never_in_place(each) for each in changed if _by_copy(each))
    open_readers = tuple(reader for reader in affected if not _proven(case.form, reader, changed))
    columns = tuple(each for each in changed if _looked_at(each))
    rows = case.live.rows
    added = new_constraints(case)
    if not rows or not (open_readers or columns or added):
        return Verdict(not found.reasons, "; ".join(found.reasons), remade=tuple(found.remade))
    if case.quick:
        unlooked = (
            *(reader.words for reader in open_readers),
            *(f"column {each.new.name}" for each in columns),
            *(f"constraint {each.name}" for each in added),
        )
        return Verdict(not found.reasons, "; ".join(found.reasons), remade=tuple(found.remade), unlooked=unlooked)
    compared = [reader for reader in open_readers if reader.kind not in ("constraint", "statistics", "implicit index", "projection")]
    looks = [*(look_of(reader) for reader in compared), *(look for each in columns for look in _column_looks(each))]
    seen = yield from evaluate(case, data_name, looks)
    for reader, what in zip(compared, seen, strict=False):
        yield from _judge(case, data_name, reader, what, found)
    looked = [column for column in columns for _ in _column_looks(column)]
    for column, what in zip(looked, seen[len(compared) :], strict=True):
        if column.old.kind == "ALIAS":
            found.hazards.extend(_once_stored(case, column, what))
        elif not what.in_order:
            found.reasons.append(_column_words(column, what))
    for reader in open_readers:
        if reader.kind == "projection":
            _remake(case, reader, f"it reads {', '.join(_read_by(case.form, reader, changed))}", found)
    kept = yield from newly_violated(case, data_name, [reader for reader in open_readers if reader.kind == "constraint"])
    fresh = yield from violated(case, data_name, added)
    return Verdict(
        in_place=not found.reasons,
        reason="; ".join(dict.fromkeys(found.reasons)),
        remade=tuple(found.remade),
        hazards=tuple(found.hazards),
        blocked="; ".join(part for part in (fresh, kept) if part),
        read=frozenset(name for what in seen for name in what.read),
        rows=rows,
    )


def _follow_renames(case: TableCase, readers: Sequence[Reader], affected: Sequence[Reader], found: _Found) -> None:
    """The engine refuses to rename what a projection reads: it is dropped first and made again behind."""
    old_names = [old for old, _ in case.target.renames]
    for reader in readers:
        if reader.kind == "projection" and old_names and reader not in affected:
            named = sorted(mentioned(reader.old[0], old_names))
            if named:
                _remake(case, reader, f"{', '.join(named)} is renamed", found)


def _read_by(form: TableForm, reader: Reader, changed: Sequence[Changed]) -> list[str]:
    """Names of the changed columns that a reader reads."""
    found: list[str] = []
    for each in changed:
        if any(mentioned(expression, through_aliases(form, [each.old.name])) for expression in reader.old):
            found.append(each.new.name)
    return found


def _proven(form: TableForm, reader: Reader, changed: Sequence[Changed]) -> bool:
    """By kind alone: the Enums that it reads only got members; or another zone of a column that it takes as it is."""
    names = set(_read_by(form, reader, changed))
    concerned = [each for each in changed if each.new.name in names]
    if all(each.how == "labels" for each in concerned):
        return True
    if reader.kind == "projection" or not all(keeps_bytes(each.old.type, each.new.type) and each.how in ("labels", "zone", "type") for each in concerned):
        return False
    if reader.kind in ("statistics", "implicit index"):
        return True
    if reader.kind == "index" and any(each.how == "type" for each in concerned):
        return False
    bare = {quote_name(each.old.name) for each in concerned} | {each.old.name for each in concerned}
    own = through_aliases(form, [each.old.name for each in concerned])
    if reader.kind == "partition key" and any(each.how == "type" for each in concerned):
        return False
    return all(expression in bare or not mentioned(expression, own) for expression in reader.old)


def _by_copy(each: Changed) -> bool:
    return each.old.stored and each.new.stored and not in_place(each.old.type, each.new.type)


def _never_in_place(each: Changed) -> str:
    what = "cuts no FixedString, not even zero bytes," if "FixedString" in each.old.type else "goes by the numbers of labels, or refuses,"
    return f"the engine {what} where {each.new.name} changes in place"


def _looked_at(each: Changed) -> bool:
    """Whether a column itself has to be looked at: in place it may not become what the copy makes of it."""
    if each.old.kind == "ALIAS" and each.new.kind == "MATERIALIZED":
        return each.old.expression == each.new.expression  # another one is by name anyway
    if _by_copy(each):
        return False
    return each.how in ("zone", "type") and each.old.stored and each.new.stored and bool(_column_looks(each))


def _column_looks(each: Changed) -> tuple[Look, ...]:
    """Without a mutation the bytes stay; with one the engine casts. Both have to give what the copy gives."""
    old, new = each.old.type, each.new.type
    source, wanted = quote_name(each.old.name), quote_name(each.new.name)
    if each.old.kind == "ALIAS":  # it is computed, in place as by a copy, over columns and aliases that may change themselves
        return (Look((conversion(source, old, new),), (f"CAST({each.new.expression}, {quote_string(new)})",)),)
    looks: list[Look] = []
    if same_order(old, new) and not keeps_bytes(old, new):
        looks.append(Look((source,), (wanted,)))
    cast = f"CAST({source}, {quote_string(new)})"
    if conversion(source, old, new) != cast and not keeps_bytes(old, new):
        looks.append(Look((cast,), (wanted,)))
    return tuple(looks)


def _once_stored(case: TableCase, each: Changed, seen: Seen) -> tuple[Hazard, ...]:
    if seen.in_order:
        return ()
    what = f"cannot be compared ({seen.failed})" if seen.failed else f"is another value in {seen.differs:,} rows, for instance {seen.example}"
    message = f"what rows of {case.live.name} read as {each.new.name} before and after it is MATERIALIZED {what}"
    return (Hazard("changes-values", message, f"change-default {case.live.name}.{each.new.name}"),)


def _column_words(each: Changed, seen: Seen) -> str:
    if seen.failed:
        return f"the engine cannot convert {each.new.name} in place ({seen.failed})"
    return f"in place {each.new.name} would read differently in {seen.differs:,} rows, for instance {seen.example}"


def _judge(case: TableCase, data_name: str, reader: Reader, seen: Seen, found: _Found) -> Routine[None]:
    """What becomes of a reader whose expressions were looked at."""
    if reader.kind in KEYS:
        if not seen.in_order:
            found.reasons.append(_words(reader, seen))
            found.hazards.extend((yield from regrouped(case, data_name, reader, seen)))
    elif reader.kind == "TTL":
        if not seen.same:
            found.reasons.append(_words(reader, seen))
            found.hazards.extend((yield from expires(case, data_name, reader, seen)))
    elif not seen.same:
        _remake(case, reader, _difference(seen), found)


def _words(reader: Reader, seen: Seen) -> str:
    return f"{reader.words}: {_difference(seen)}"


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
