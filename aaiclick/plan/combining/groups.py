"""Whether other rows than before would be combined by merges, after a change of the table's keys or of what merges do
with a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.normalize import key_elements, without_direction
from aaiclick.catalog.render import local_family
from aaiclick.clickhouse.features import KEEPS_LAST_ARRAY
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.columns import AddColumn
from aaiclick.diff.changes.keys import KEEPS_EVERY_ROW
from aaiclick.diff.conversion.shapes import inner_type
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.merging import added_up, altered, merging_engine
from aaiclick.diff.renamed_columns import renamed_form
from aaiclick.diff.summed_maps import maps_otherwise
from aaiclick.diff.target import live_column
from aaiclick.plan.combining.key_columns import combined_otherwise
from aaiclick.plan.combining.looks import Combined, finding, look_for_plan, merge_look, rows_by, template
from aaiclick.plan.combining.map_keys import maps_combined, retyped_keys
from aaiclick.plan.combining.no_longer import no_longer_combined
from aaiclick.plan.combining.partition_order import reordered_partitions
from aaiclick.plan.combining.refilled import refilled, refills
from aaiclick.plan.operations import MergeFinding, MergeLook
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import count_text
from aaiclick.routine import Routine
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
_REMOVED = "SummingMergeTree removes rows whose sums are all 0, or NULL in a Nullable"
_TOGETHER, _APART_NOW, _FLOATS = 0, 1, 5
"""Places of the counts of groups."""


def combining_hazards(diff: TableDiff, data_name: str) -> Routine[Combined]:
    """Hazards where merges would give another result than now; each has to be allowed by name. And what shows that
    there are none."""
    live, wanted = diff.form, diff.target.form
    if live.merge_tree and wanted.engine in KEEPS_EVERY_ROW:
        return (yield from no_longer_combined(diff, data_name))
    if not (live.merge_tree and wanted.merge_tree) or merging_engine(live) != merging_engine(wanted):
        return Combined()  # another engine has to be allowed by name in any case
    # A table that an earlier step makes is empty until then.
    if diff.live.predicted and not diff.live.rows:
        return Combined()
    found = yield from _keys(diff, data_name)
    elements = _elements(wanted.order_by), _elements(live.order_by)
    found = found.plus((yield from refilled(diff, data_name, *elements)))
    found = found.plus((yield from maps_combined(diff, data_name, _sort_key(live), _sort_key(wanted))))
    roles = _roles(diff)
    if any(map(_of_a_key, roles)):
        # True where no row has another one of its sort key beside it, now or then: whatever merges do with its values,
        # there is nothing to do it with.
        of_keys = [hazard for hazard in roles if _of_a_key(hazard)]
        apart = yield from look_for_plan(diff, data_name, lambda name: _apart_look(diff, name, of_keys))
        if apart.combined is not None and apart.combined.looks:
            roles = tuple(hazard for hazard in roles if not _of_a_key(hazard))
            found = found.plus(apart.combined)
    found = found.plus(Combined(roles if diff.live.rows else ()))
    return found.plus((yield from _vanishing(diff, data_name)))


def _of_a_key(hazard: Hazard) -> bool:
    return bool(hazard.allow.partition("-key ")[1])


def _roles(diff: TableDiff) -> tuple[Hazard, ...]:
    live, wanted, table = diff.form, diff.target.form, diff.live.name
    first = diff.server.version < KEEPS_LAST_ARRAY
    found: list[Hazard] = []
    pairs = [(live_column(live, diff.target.renames, new.name), new) for new in wanted.columns]
    names = {new.name: old.name for old, new in pairs if old is not None}
    leaves = {*maps_otherwise(live, wanted, names), *retyped_keys(diff)}
    for old, new in pairs:
        if new.name not in leaves and old is not None and old.stored and new.stored:
            same = old.type == new.type and old.name == new.name
            arguments = same and live.arguments != wanted.arguments
            said = "" if arguments else altered(live, wanted, old, new, first_of_arrays=first)
            if said:  # of the same column, because a key reads it, or no longer does
                kept = live.order_by == wanted.order_by
                name = f"change-{'partition' if kept else 'sort'}-key {table}" if same else f"retype {table}.{new.name}"
                found.append(Hazard("changes-values", f"{table}: {said}", name))
    return tuple(found)


def _keys(diff: TableDiff, data_name: str) -> Routine[Combined]:
    before, wanted = renamed_form(diff.form, diff.target.renames), diff.target.form
    found = Combined()
    old, new = _sort_key(before), _sort_key(wanted)
    filled = refills(diff, f"tuple({wanted.order_by})")
    # The order of the elements sorts rows, but does not decide which are combined.
    if set(old) != set(new) or filled:
        longer = set(old) < set(new) and not filled
        groups = yield from look_for_plan(diff, data_name, lambda name: _sort_look(diff, name, new, longer=longer))
        found = found.plus(groups.combined or Combined((_any_sort_key(diff),)))
    other = before.partition_by != wanted.partition_by
    # Where the partition follows from the sort key, rows that are combined are in one partition before and after.
    apart = _ROW not in new and not (_within(wanted, wanted) and (not other or _within(before, wanted)))
    if apart and (other or refills(diff, f"tuple({wanted.partition_by})")):
        groups = yield from look_for_plan(diff, data_name, lambda name: _partition_look(diff, name))
        given = diff.live.rows and other and bool(wanted.partition_by)
        by_partition = groups.combined
        # Nobody counts rows of later INSERTs, which a key that is given, or another one, keeps apart as well.
        moved = bool(by_partition and by_partition.hazards)
        if by_partition is None or (not before.partition_by if moved else given):
            by_partition = Combined((_from_now_on(diff, groups.counts),))
        found = found.plus(by_partition)
    elif apart:
        old_parts = _elements(diff.form.partition_by), _elements(wanted.partition_by)
        found = found.plus((yield from reordered_partitions(diff, data_name, _sort_key(diff.form), *old_parts)))
    # That hazard says more, and is allowed by the same key.
    if not any(hazard.allow == f"change-sort-key {diff.live.name}" for hazard in found.hazards):
        found = found.plus((yield from combined_otherwise(diff, data_name, _sort_key(diff.form), new)))
    return found


def _any_sort_key(diff: TableDiff) -> Hazard:
    """Where nobody counts."""
    engine, table = merging_engine(diff.target.form), diff.live.name
    said = f"{engine} combines rows of the same sort key: with the new key other rows of {table} are combined"
    return Hazard("loses-rows", said, f"change-sort-key {table}")


def _sort_look(diff: TableDiff, name: str, new: Sequence[str], *, longer: bool) -> MergeLook:
    engine, key = merging_engine(diff.target.form), f"change-sort-key {diff.live.name}"
    said = f"{engine} combines rows of the same sort key: rows of"
    together = Hazard("loses-rows", f"{said} {{4:key}} are combined to {{3:,}}", key)
    apart = f"{said} {{2:key}}, which it would combine, stay apart as {{4:,}}"
    findings = (
        finding((_FLOATS,), _literally(_any_sort_key(diff))),
        *(() if longer else (finding((_TOGETHER,), together),)),
        finding((_APART_NOW,), Hazard("changes-values", apart, key)),
    )
    return _groups_look(diff, name, _sort_key(diff.form), new, findings)


def _partition_look(diff: TableDiff, name: str) -> MergeLook:
    message, key = _by_partition(diff), f"change-partition-key {diff.live.name}"
    together = "rows of {4:group} come together in {3:,}"
    apart = "rows of {2:group}, which it would combine, stay apart as {4:,}"
    findings = (
        finding((_FLOATS,), _literally(Hazard("changes-values", f"{message} from now on", key))),
        *(
            finding(places, Hazard("loses-rows", f"{template(message)}: {said}", key))
            for places, said in (
                ((_TOGETHER, _APART_NOW), f"{together}, {apart}"),
                ((_TOGETHER,), together),
                ((_APART_NOW,), apart),
            )
        ),
    )
    return _groups_look(diff, name, _everything(diff.form), _everything(diff.target.form), findings)


def _literally(hazard: Hazard) -> Hazard:
    return replace(hazard, message=template(hazard.message))


def _by_partition(diff: TableDiff) -> str:
    return (
        f"{merging_engine(diff.target.form)} combines rows of the same sort key within a partition: with the new "
        f"partitions other rows of {diff.live.name} are combined"
    )


def _from_now_on(diff: TableDiff, counts: Sequence[int] | None) -> Hazard:
    """The hazard of a partition key that is about rows of later INSERTs too."""
    said = ""
    if counts is not None and not counts[_FLOATS]:
        same = not counts[_TOGETHER] and not counts[_APART_NOW]
        said = f" (now rows of {count_text(counts[2], 'key')} would stay apart as {counts[4]:,})"
        if same and diff.form.partition_by:
            said = " (no row that is there meets another one than before)"
    return Hazard(
        "changes-values", f"{_by_partition(diff)} from now on{said}", f"change-partition-key {diff.live.name}"
    )


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


def _groups_look(
    diff: TableDiff, name: str, old: Sequence[str], new: Sequence[str], findings: tuple[MergeFinding, ...]
) -> MergeLook:
    """Counts of the groups of rows that merges combine: how many come together, how many come apart, groups now,
    groups later, and different pairs of the two."""
    key = f"tuple({', '.join(new)})"
    rows = rows_by(diff, name, new, {_OLD: f"tuple({', '.join(old)})"}, (_OLD, key))
    # Exact, because one key too few is a lost row; over hashes, so that long keys need no more memory than short
    # ones.
    now, later, both = (f"uniqExact(sipHash128({text}))" for text in (_OLD, key, f"({_OLD}, {key})"))
    # More pairs than old keys: rows of one key come apart. More than new keys: rows of several come together.
    counts = (f"{both} - {later}", f"{both} - {now}", now, later, both, _FLOAT.format(key=f"({_OLD}, {key})"))
    return merge_look(counts, rows, findings)


def _apart_look(diff: TableDiff, name: str, roles: Sequence[Hazard]) -> MergeLook:
    """Counts of rows that have another one of their sort key beside them, now and then."""
    new = _sort_key(diff.target.form)
    keys = (_OLD, f"tuple({', '.join(new)})")
    rows = rows_by(diff, name, new, {_OLD: f"tuple({', '.join(_sort_key(diff.form))})"}, keys)
    counts = tuple(
        asked for key in keys for asked in (f"count() - uniqExact(sipHash128({key}))", _FLOAT.format(key=key))
    )
    findings = (finding((place,), _literally(roles[0])) for place in range(len(counts)))
    return merge_look(counts, rows, tuple(findings))


def _vanishing(diff: TableDiff, data_name: str) -> Routine[Combined]:
    """The hazard of rows that a SummingMergeTree removes because all that it adds up in them is 0.

    With the first numeric column in a table of texts that is every row. In a Nullable column it is NULL that counts
    as nothing, and 0 stays.
    """
    after = added_up(diff.target.form)
    if not after or _sums(renamed_form(diff.form, diff.target.renames)) == _sums(diff.target.form):
        return Combined()
    found = yield from look_for_plan(diff, data_name, lambda name: _vanishing_look(diff, name, after))
    if found.combined is not None:
        return found.combined
    said = f"{_REMOVED}: rows of {diff.live.name} hold nothing else in {', '.join(after)}"
    return Combined((Hazard("loses-rows", said, _cause(diff, frozenset(after))),))


def _vanishing_look(diff: TableDiff, name: str, after: Sequence[str]) -> MergeLook:
    zero, was = _sums(diff.target.form), _sums(diff.form) or "0"
    rows = rows_by(diff, name, [zero], {_ZERO: was}, ())
    counts = (f"countIf({zero} AND NOT {_ZERO})", f"countIf({_ZERO} AND NOT ({zero}))")
    key, of = _cause(diff, frozenset(after)), template(diff.live.name)
    summed = template(", ".join(after))
    lost = Hazard("loses-rows", f"{_REMOVED}: {{0:,}} rows of {of} hold nothing else in {summed}", key)
    kept = Hazard("changes-values", f"{_REMOVED}: {{1:,}} rows are such in {of}, and kept from now on", key)
    findings = (
        finding((0,), lost, f"{_REMOVED}: 1 row of {of} holds nothing else in {summed}"),
        finding((1,), kept, f"{_REMOVED}: 1 row is such in {of}, and kept from now on"),
    )
    return merge_look(counts, rows, findings)


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
