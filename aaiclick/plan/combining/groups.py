"""Whether other rows than before would be combined by merges, after a change of the table's keys or of what merges do
with a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.normalize import key_elements, without_direction
from aaiclick.catalog.render import local_family
from aaiclick.clickhouse.features import KEEPS_LAST_ARRAY
from aaiclick.clickhouse.shared.ask_shards import shards_answered
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.columns import AddColumn
from aaiclick.diff.changes.keys import KEEPS_EVERY_ROW
from aaiclick.diff.conversion.shapes import inner_type
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.merging import added_up, altered, merging_engine
from aaiclick.diff.renamed_columns import renamed_form
from aaiclick.diff.target import live_column
from aaiclick.plan.combining.key_columns import combined_otherwise
from aaiclick.plan.combining.partition_order import reordered_partitions
from aaiclick.plan.combining.refilled import refilled, refills
from aaiclick.plan.proof.rows import COMPARE_SETTINGS, future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import count_text, rows_text, rows_that
from aaiclick.routine import Routine, number
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.tokens import split_top, unquote

_OLD = "_aaiclick_old_group"
_FLOAT = "max(position(toTypeName({key}), 'Float') > 0)"
"""A merge takes 0.0 and -0.0 for one key, and their hashes differ: of such keys no count says enough."""
_ZERO = "_aaiclick_was_zero"
_APART = ("SummingMergeTree", "CoalescingMergeTree", "AggregatingMergeTree")
_ROW = "rowNumberInAllBlocks()"
"""Without a sort key these three keep every row by itself, while the other engines combine all rows of a partition."""


@dataclass(frozen=True, slots=True)
class _Groups:
    """Number of keys now, number of keys later, and number of different pairs of the two."""

    old: int
    new: int
    both: int


def combining_hazards(diff: TableDiff, data_name: str) -> Routine[tuple[Hazard, ...]]:
    """Hazards where merges would give another result than now; each has to be allowed by name."""
    live, wanted = diff.form, diff.target.form
    if (
        not (live.merge_tree and wanted.merge_tree)
        or wanted.engine in KEEPS_EVERY_ROW
        or merging_engine(live) != merging_engine(wanted)
    ):
        return ()  # another engine has to be allowed by name in any case
    # What is inserted later comes under the new keys alone.
    if not diff.live.rows:
        return ()
    keys = yield from _keys(diff, data_name)
    keys = (*keys, *(yield from refilled(diff, data_name, _elements(wanted.order_by), _elements(live.order_by))))
    vanishing = yield from _vanishing(diff, data_name)
    roles = _roles(diff)
    by_keys = any(hazard.allow.partition("-key ")[1] for hazard in roles)
    if by_keys and (yield from _counts_apart(diff, data_name)):
        roles = tuple(hazard for hazard in roles if not hazard.allow.partition("-key ")[1])
    return (*keys, *roles, *vanishing)


def _counts_apart(diff: TableDiff, data_name: str) -> Routine[bool]:
    """True where no row has another one of its sort key beside it, now or then: whatever merges do with its values,
    there is nothing to do it with."""
    if diff.reads_no_rows:
        return False
    new = _sort_key(diff.target.form)
    rows = future_rows(diff, data_name, new, {_OLD: f"tuple({', '.join(_sort_key(diff.form))})"})
    keys = (_OLD, f"tuple({', '.join(new)})")
    apart = [asked for key in keys for asked in (f"count() - uniqExact(sipHash128({key}))", _FLOAT.format(key=key))]
    found = yield from _ask(diff, apart, rows.source)
    return found is not None and not any(found)


def _roles(diff: TableDiff) -> tuple[Hazard, ...]:
    live, wanted, table = diff.form, diff.target.form, diff.live.name
    first = diff.server.version < KEEPS_LAST_ARRAY
    found: list[Hazard] = []
    for new in wanted.columns:
        old = live_column(live, diff.target.renames, new.name)
        if old is not None and old.stored and new.stored:
            same = old.type == new.type and old.name == new.name
            arguments = same and live.arguments != wanted.arguments
            said = "" if arguments else altered(live, wanted, old, new, first_of_arrays=first)
            if said:  # of the same column, because a key reads it, or no longer does
                kept = live.order_by == wanted.order_by
                name = f"change-{'partition' if kept else 'sort'}-key {table}" if same else f"retype {table}.{new.name}"
                found.append(Hazard("changes-values", f"{table}: {said}", name))
    return tuple(found)


def _keys(diff: TableDiff, data_name: str) -> Routine[tuple[Hazard, ...]]:
    before, wanted = renamed_form(diff.form, diff.target.renames), diff.target.form
    found: list[Hazard] = []
    old, new = _sort_key(before), _sort_key(wanted)
    filled = refills(diff, f"tuple({wanted.order_by})")
    # The order of the elements sorts rows, but does not decide which are combined.
    if set(old) != set(new) or filled:
        groups = yield from _counted(diff, data_name, _sort_key(diff.form), new)
        found.extend(_of_sort_key(diff, groups, longer=set(old) < set(new) and not filled))
    other = before.partition_by != wanted.partition_by
    # Where the partition follows from the sort key, rows that are combined are in one partition before and after.
    apart = _ROW not in new and not (_within(wanted, wanted) and (not other or _within(before, wanted)))
    if apart and (other or refills(diff, f"tuple({wanted.partition_by})")):
        groups = yield from _counted(diff, data_name, _everything(diff.form), _everything(wanted))
        # Given, or another one, it keeps rows of later INSERTs apart as well: those nobody counts.
        given = other and bool(wanted.partition_by)
        if given or groups is None or not groups.old == groups.new == groups.both:
            found.append(_of_partition_key(diff, before, groups))
    elif apart:
        old_parts = _elements(diff.form.partition_by), _elements(wanted.partition_by)
        found += yield from reordered_partitions(diff, data_name, _sort_key(diff.form), *old_parts)
    # That hazard says more, and is allowed by the same key.
    if not any(hazard.allow == f"change-sort-key {diff.live.name}" for hazard in found):
        found += yield from combined_otherwise(diff, data_name, _sort_key(diff.form), new)
    return tuple(found)


def _of_sort_key(diff: TableDiff, groups: _Groups | None, *, longer: bool) -> Sequence[Hazard]:
    engine, table, key = merging_engine(diff.target.form), diff.live.name, f"change-sort-key {diff.live.name}"
    if groups is None:
        return (
            Hazard(
                "loses-rows",
                f"{engine} combines rows of the same sort key: with the new key other rows of {table} are combined",
                key,
            ),
        )
    # More pairs than old keys: rows of one key come apart. More than new keys: rows of several come together.
    apart, together = groups.both - groups.old, groups.both - groups.new
    if together and not longer:
        return (
            Hazard(
                "loses-rows",
                f"{engine} combines rows of the same sort key: rows of {count_text(groups.both, 'key')} are "
                "combined to "
                f"{groups.new:,}",
                key,
            ),
        )
    if apart:
        message = (
            f"{engine} combines rows of the same sort key: rows of {count_text(groups.old, 'key')}, which it "
            "would combine, stay "
            f"apart as {groups.both:,}"
        )
        return (Hazard("changes-values", message, key),)
    return ()


def _of_partition_key(diff: TableDiff, before: TableForm, groups: _Groups | None) -> Hazard:
    engine, table = merging_engine(diff.target.form), diff.live.name
    key = f"change-partition-key {table}"
    message = (
        f"{engine} combines rows of the same sort key within a partition: with the new partitions other rows of "
        f"{table} are combined"
    )
    if groups is None or not before.partition_by:
        apart = (
            f" (now rows of {count_text(groups.old, 'key')} would stay apart as {groups.both:,})"
            if groups is not None
            else ""
        )
        return Hazard("changes-values", f"{message} from now on{apart}", key)
    if groups.old == groups.new == groups.both:
        return Hazard(
            "changes-values", f"{message} from now on (no row that is there meets another one than before)", key
        )
    # ``both``: how many groups there are of rows that are together now and then.
    said: list[str] = []
    if groups.both > groups.new:
        said.append(f"rows of {count_text(groups.both, 'group')} come together in {groups.new:,}")
    if groups.both > groups.old:
        said.append(f"rows of {count_text(groups.old, 'group')}, which it would combine, stay apart as {groups.both:,}")
    return Hazard("loses-rows", f"{message}: {', '.join(said)}", key)


def _within(form: TableForm, keyed: TableForm) -> bool:
    """True where rows of one sort key are always in the same partition."""
    elements = set(_elements(keyed.order_by))
    columns = [column.name for column in form.columns]
    return all(
        part in elements or mentioned(part, columns) <= {unquote(each) for each in elements}
        for part in _elements(form.partition_by)
    )


def _elements(key: str) -> tuple[str, ...]:
    return tuple(without_direction(element) for element in key_elements(key)) if key else ()


def _sort_key(form: TableForm) -> tuple[str, ...]:
    """What rows that are combined have in common."""
    if merging_engine(form) == "VersionedCollapsingMergeTree":
        # The server puts the version behind the sort key where it is not in it.
        return tuple(dict.fromkeys((*_elements(form.order_by), *split_top(local_family(form).arguments)[1:2])))
    return _elements(form.order_by) or ((_ROW,) if merging_engine(form) in _APART else ())


def _everything(form: TableForm) -> tuple[str, ...]:
    return (*_elements(form.partition_by), *_sort_key(form))


def _counted(diff: TableDiff, data_name: str, old: Sequence[str], new: Sequence[str]) -> Routine[_Groups | None]:
    if diff.reads_no_rows:
        return None
    rows = future_rows(diff, data_name, new, {_OLD: f"tuple({', '.join(old)})"})
    key = f"tuple({', '.join(new)})"
    # Exact, because one key too few is a lost row; over hashes, so that long keys need no more memory than short
    # ones.
    counts = [f"uniqExact(sipHash128({text}))" for text in (_OLD, key, f"({_OLD}, {key})")]
    found = yield from _ask(diff, [*counts, _FLOAT.format(key=f"({_OLD}, {key})")], rows.source)
    if found is None:
        return None
    *groups, floats = found
    return None if floats else _Groups(*groups)


def _vanishing(diff: TableDiff, data_name: str) -> Routine[tuple[Hazard, ...]]:
    """The hazard of rows that a SummingMergeTree removes because all that it adds up in them is 0.

    With the first numeric column in a table of texts that is every row. In a Nullable column it is NULL that counts
    as nothing, and 0 stays.
    """
    after = added_up(diff.target.form)
    if not after or _sums(renamed_form(diff.form, diff.target.renames)) == _sums(diff.target.form):
        return ()
    zero, was = _sums(diff.target.form), _sums(diff.form) or "0"
    table = diff.live.name
    found: Sequence[int] | None = None
    if not diff.reads_no_rows:
        rows = future_rows(diff, data_name, [zero], {_ZERO: was})
        counts = [f"countIf({zero} AND NOT {_ZERO})", f"countIf({_ZERO} AND NOT ({zero}))"]
        found = yield from _ask(diff, counts, rows.source)
    if found is not None and not any(found):
        return ()
    said, name = (
        "SummingMergeTree removes rows whose sums are all 0, or NULL in a Nullable",
        _cause(diff, frozenset(after)),
    )
    if found is not None and not found[0]:
        return (
            Hazard(
                "changes-values",
                f"{said}: {rows_that(found[1], f'are such in {table}, and kept from now on')}",
                name,
            ),
        )
    count, hold = (rows_text(found[0]), "holds" if found[0] == 1 else "hold") if found is not None else ("rows", "hold")
    return (Hazard("loses-rows", f"{said}: {count} of {table} {hold} nothing else in {', '.join(after)}", name),)


def _sums(form: TableForm) -> str:
    """The condition under which the server removes a row."""
    summed = set(added_up(form))
    tests = [(quote_name(column.name), inner_type(column.type)[1]) for column in form.columns if column.name in summed]
    return " AND ".join(f"isNull({name})" if nullable else f"{name} = 0" for name, nullable in sorted(tests))


def _cause(diff: TableDiff, after: frozenset[str]) -> str:
    """The key that allows it: that of the change which causes it."""
    table = diff.live.name
    for change in diff.changes:
        if isinstance(change, AddColumn) and change.column.name in after:
            return f"add-column {table}.{change.column.name}"
        if isinstance(change, RetypeColumn):
            return f"retype {table}.{change.new.name}"
    return f"change-sort-key {table}"


def _ask(diff: TableDiff, counts: Sequence[str], source: str) -> Routine[Sequence[int] | None]:
    rows = yield from shards_answered(diff.shards, counts, f"FROM {source}", COMPARE_SETTINGS, long=True)
    if rows is None:
        return None
    # Merges combine rows of one shard only: its groups are those of no other one.
    return [sum(map(number, values)) for values in zip(*rows, strict=True)]
