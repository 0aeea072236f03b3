"""Another key of a map that a SummingMergeTree adds up: how many keys the rows that are there have now, and then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from aaiclick.diff.hazards import Hazard
from aaiclick.diff.merging import altered
from aaiclick.diff.summed_maps import map_keys, maps_otherwise
from aaiclick.diff.target import live_column
from aaiclick.plan.combining.looks import Combined, LookResult, finding, look_for_plan, merge_look, rows_by, template
from aaiclick.plan.operations import MergeFinding, MergeLook
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import count_text
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import quote_name

_KEY = "_aaiclick_old_key"
_TOGETHER, _APART, _NOW, _THEN = range(4)


@dataclass(frozen=True, slots=True)
class _Map:
    """The leaves that are keys of one map, now and then, each by the names of that time."""

    name: str
    now: tuple[str, ...]
    then: tuple[str, ...]


def maps_combined(
    diff: TableDiff, data_name: str, sort_key: Sequence[str], new_key: Sequence[str]
) -> Routine[Combined]:
    """Hazards of maps that merges add up by other keys; each has to be allowed by name. ``sort_key``, ``new_key``: what
    rows that are combined have in common, now and then."""
    live, wanted, renames = diff.form, diff.target.form, diff.target.renames
    names = {new.name: old.name for new in wanted.columns if (old := live_column(live, renames, new.name)) is not None}
    said = maps_otherwise(live, wanted, names)
    becomes = {old: new for new, old in names.items()}
    # A Nested that is renamed is the same map.
    now = {becomes.get(keys[0], keys[0]).partition(".")[0]: keys for keys in map_keys(live).values()}
    then = map_keys(wanted)
    found = Combined()
    for name in sorted({leaf.partition(".")[0] for leaf in said} | then.keys()):
        each = _Map(name, now.get(name, ()), then.get(name, ()))
        leaves = {leaf: words for leaf, words in said.items() if leaf.partition(".")[0] == name}
        others = (
            *(_of_key(diff, leaf, "default", "add-column") for leaf in _computed(diff, each)[:1] if not leaves),
            *(_of_key(diff, leaf, "new type", "retype") for leaf in each.then if leaf in retyped_keys(diff)),
        )
        if not leaves and not others:
            continue
        counts: Sequence[int] | None = None
        if each.now and each.then:
            look = partial(_look, diff, each, others, sort_key, new_key)
            looked = yield from look_for_plan(diff, data_name, look)
            counts = looked.counts
            # What is a key stays one: only the rows that are there decide.
            found = found.plus(_counted(others, looked))
        if leaves and diff.live.rows:
            found = found.plus(Combined(_of_leaves(diff, leaves, counts)))
    return found


def retyped_keys(diff: TableDiff) -> frozenset[str]:
    """Leaves that are a key of their map before and after, and get another type."""
    live, wanted = diff.form, diff.target.form
    now, then = ({leaf for keys in map_keys(form).values() for leaf in keys} for form in (live, wanted))
    pairs = [(live_column(live, diff.target.renames, new.name), new) for new in wanted.columns if new.name in then]
    return frozenset(
        new.name for old, new in pairs if old is not None and old.name in now and altered(live, wanted, old, new)
    )


def _counted(others: Sequence[Hazard], looked: LookResult) -> Combined:
    """What the counts say of leaves, each of which has to be allowed by name; without counts all of them."""
    if not others:
        return Combined()
    if looked.combined is None:
        return Combined(tuple(others))
    if not looked.combined.hazards:
        return looked.combined
    assert looked.counts is not None
    found = (replace(looked.look, findings=_findings(each)).found(looked.counts) for each in others)
    return Combined(tuple(each for each in found if each is not None))


def _findings(each: Hazard) -> tuple[MergeFinding, ...]:
    """What is said of a leaf where keys come together or apart."""
    said = f"{template(each.message)}: the map has {{{_NOW}:key}} now, and {{{_THEN}:,}} then"
    return tuple(finding((place,), replace(each, message=said)) for place in (_TOGETHER, _APART))


def _of_leaves(diff: TableDiff, leaves: Mapping[str, str], counts: Sequence[int] | None) -> tuple[Hazard, ...]:
    table = diff.live.name
    shown = ""
    if counts is not None:
        same = not counts[_TOGETHER] and not counts[_APART]
        keys = count_text(counts[_NOW], "key")
        shown = (
            " (what the rows hold now is added up as before)"
            if same
            else f" (the rows hold {keys} of the map now, and {counts[_THEN]:,} then)"
        )
    return tuple(
        Hazard("changes-values", f"{table}: {words}{shown}", f"retype {table}.{leaf}") for leaf, words in leaves.items()
    )


def _of_key(diff: TableDiff, leaf: str, what: str, verb: str) -> Hazard:
    said = f"merges take {leaf} for a key of its map, and with its {what} they add up otherwise what the rows hold"
    table = diff.live.name
    return Hazard("changes-values", f"{table}: {said}", f"{verb} {table}.{leaf}")


def _computed(diff: TableDiff, each: _Map) -> tuple[str, ...]:
    """New leaves that are a key, and whose values are computed from those of other columns."""
    names = [column.name for column in diff.target.form.columns]
    return tuple(
        leaf
        for leaf in each.then
        if each.now
        and live_column(diff.form, diff.target.renames, leaf) is None
        and (column := diff.target.form.column(leaf)) is not None
        and (mentioned(column.expression, names) or leaf in diff.column_expressions)
    )


def _look(
    diff: TableDiff, each: _Map, others: Sequence[Hazard], sort_key: Sequence[str], new_key: Sequence[str], table: str
) -> MergeLook:
    """Counts of different keys of the map within a sort key: how many come together, come apart, are now, and then."""
    old = {f"{_KEY}{place}": quote_name(leaf) for place, leaf in enumerate(each.now)}
    carried = {_KEY: f"tuple({', '.join(sort_key)})", **old}
    then = [quote_name(leaf) for leaf in each.then]
    rows = rows_by(diff, table, [*new_key, *then], carried, (_KEY, f"tuple({', '.join(new_key)})"))
    key = f"tuple({', '.join(new_key)})"
    sides = ([_KEY], [*old]), ([key], then), ([_KEY, key], [*old, *then])
    now, later, both = (_different(keys, arrays) for keys, arrays in sides)
    findings = _findings(others[0]) if others else ()
    return merge_look((f"{both} - {later}", f"{both} - {now}", now, later), rows, findings)


def _different(keys: Sequence[str], arrays: Sequence[str]) -> str:
    """How many different elements there are, with the sort keys that they belong to."""
    names = [f"e{place}" for place in range(len(arrays))]
    hashed = f"sipHash128(tuple({', '.join([*keys, *names])}))"
    return f"toUInt64(uniqExactArray(arrayMap(({', '.join(names)}) -> {hashed}, {', '.join(arrays)})))"
