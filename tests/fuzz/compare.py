"""Two tables side by side: rows to the last bit, answers with and without what prunes, keys against the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.fuzz.ground import Ground, Refused
from tests.fuzz.reference import finished
from tests.fuzz.schema import Column, Table
from tests.fuzz.types import holds, quoted, text

PRUNING = (
    "use_skip_indexes",
    "optimize_use_projections",
    "optimize_use_implicit_projections",
    "use_primary_key",
    "use_partition_pruning",
    "optimize_read_in_order",
    "use_statistics_for_part_pruning",
)
"""A part's partition value and its minmax index answer for the rows otherwise."""
EXACT = ("AggregateFunction", "Dynamic", "JSON", "Variant")


@dataclass(frozen=True, slots=True)
class Failure:
    """``kind`` groups failures of one sort; ``detail`` says what was seen, ``about`` of which condition or key."""

    kind: str
    detail: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


def _off(ground: Ground) -> str:
    """Nothing prunes, as far as this release knows how."""
    return ", ".join(f"{setting} = 0" for setting in PRUNING if setting in ground.known)


def shown(column: Column, name: str | None = None) -> list[str]:
    """A column as text, and as bytes where bytes mean the same everywhere."""
    value = finished(quoted(name or column.name), column.type)
    return [
        f"formatRow('TSV', {value})",
        *([] if holds(column.type, *EXACT) else [f"hex(formatRow('RowBinary', {value}))"]),
    ]


def lines(ground: Ground, table: str, columns: list[Column], final: bool = False) -> list[tuple[str, ...]]:
    """Every row, in an order that depends on nothing but the rows."""
    picked = ", ".join(part for column in columns for part in shown(column)) or "1"
    return sorted(ground.rows(f"SELECT {picked} FROM {table}{' FINAL' if final else ''}"))


def differ(live: list[tuple[str, ...]], want: list[tuple[str, ...]]) -> str:
    """What one has and the other has not; '' where they are the same."""
    if live == want:
        return ""
    here, there = Counter(live), Counter(want)
    more, less = list((here - there).elements())[:2], list((there - here).elements())[:2]
    return f"{len(live)} rows, {len(want)} are right; is {more}, should be {less}"


def readable(table: Table) -> list[Column]:
    return [column for column in table.columns if column.kind != "EPHEMERAL"]


def _picked(ground: Ground, name: str, exprs: list[str]) -> tuple[str, ...]:
    picked = ", ".join(f"toString(any({expr})), any(toTypeName({expr})), toString(max({expr}))" for expr in exprs)
    return ground.rows(f"SELECT {picked} FROM {name}")[0]


def _has_largest(ground: Ground, name: str, expr: str) -> bool:
    try:
        _picked(ground, name, [expr])
    except Refused:
        return False
    return True


def predicates(ground: Ground, name: str, table: Table) -> list[str]:
    """Conditions over each column and each key, from values that are there."""
    exprs = [
        quoted(c.name)
        for c in readable(table)
        if not holds(
            c.type,
            "AggregateFunction",
            "JSON",
            "Dynamic",
            "Variant",
            "Map",
            "Array",
            "Tuple",
            "Nested",
            "Point",
            "Ring",
        )
    ]
    exprs += [part.removesuffix(" DESC") for part in table.order_by] + (
        [table.partition_by] if table.partition_by else []
    )
    exprs += [item.expr for item in table.indexes]
    exprs = list(dict.fromkeys(exprs))
    if not exprs:
        return []
    try:
        found = _picked(ground, name, exprs)
    except Refused:  # one of them has no largest value, such as an element of a tuple that holds several types
        exprs = [expr for expr in exprs if _has_largest(ground, name, expr)]
        if not exprs:
            return []
        found = _picked(ground, name, exprs)
    made: list[str] = []
    for place, expr in enumerate(exprs):
        one, kind, top = found[3 * place : 3 * place + 3]
        if one == "\\N" or not kind or "Interval" in kind:
            continue
        kind = kind.replace("\\'", "'")
        made.append(f"{expr} = CAST('{_again(one)}' AS {kind})")
        if "Enum" not in kind and "UUID" not in kind:
            made.append(f"{expr} >= CAST('{_again(top)}' AS {kind})")
    return made


def _again(field: str) -> str:
    """A field of an answer as the inside of a literal: its escapes are those of a literal, but for the quote."""
    return field.replace("\\'", "'").replace("'", "\\'")


def answered(ground: Ground, name: str, right: str, table: Table) -> list[Failure]:
    """Everything below. What the table that was created directly (``right``) gives by its keys and indexes, too, is the
    engine's own; so is what one gives that is filled afresh with all rows that are stored, also deleted ones."""
    found = [*pruned(ground, name, table), *projected(ground, name, table), *keyed(ground, name, table)]
    if not found:
        return []
    asked = list(dict.fromkeys(failure.about for failure in found if failure.kind == "answers"))
    there = [*pruned(ground, right, table, asked), *projected(ground, right, table), *keyed(ground, right, table)]
    own = {(failure.kind, failure.about) for failure in there}
    left = [failure for failure in found if (failure.kind, failure.about) not in own]
    if any(failure.kind == "answers" for failure in left):
        again = {failure.about for failure in _afresh(ground, name, right, table, asked)}
        left = [failure for failure in left if failure.kind != "answers" or failure.about not in again]
    return left


def _afresh(ground: Ground, name: str, right: str, table: Table, asked: Sequence[str]) -> list[Failure]:
    """Statistics of a part are those of its deleted rows, too, which the table that was created directly never had."""
    copy = f"{right.partition('.')[0]}.filled_afresh"
    stored = ", ".join(quoted(column.name) for column in table.columns if column.stored)
    try:
        ground.run(f"CREATE TABLE {copy} AS {name}")
        ground.run(f"INSERT INTO {copy} ({stored}) SELECT {stored} FROM {name} SETTINGS apply_deleted_mask = 0")
        return pruned(ground, copy, table, asked)
    except Refused:
        return []
    finally:
        ground.run(f"DROP TABLE IF EXISTS {copy} SYNC")


def pruned(ground: Ground, name: str, table: Table, asked: Sequence[str] | None = None) -> list[Failure]:
    """Conditions that are counted with everything that prunes, and without a WHERE that could be pruned by."""
    asked = predicates(ground, name, table) if asked is None else asked
    if not asked:
        return []
    try:
        plain = ground.rows(
            f"SELECT {', '.join(f'countIf({condition})' for condition in asked)} FROM {name} SETTINGS {_off(ground)}"
        )[0]
    except Refused:
        return []  # a comparison that the engine does not make
    counts = _by_index(ground, name, asked)
    return [
        Failure("answers", f"{condition} on {name}: {got} rows by index, {right} without", condition)
        for condition, got, right in zip(asked, counts, plain, strict=True)
        if got != right
    ]


def _by_index(ground: Ground, name: str, asked: Sequence[str]) -> list[str]:
    """The counts. A release may refuse to look into a key that it computes from a LowCardinality(Nullable): then each
    condition by itself, so that it can be seen whether the table that was created directly is refused, too."""
    counted = [f"(SELECT count() FROM {name} WHERE {condition})" for condition in asked]
    try:
        return list(ground.rows(f"SELECT {', '.join(counted)}")[0])
    except Refused as error:
        return [str(error)] if len(asked) == 1 else [got for each in asked for got in _by_index(ground, name, [each])]


def projected(ground: Ground, name: str, table: Table) -> list[Failure]:
    """What a projection groups: read from it, and from the rows."""
    found: list[Failure] = []
    for item in table.projections:
        head, by, key = item.query.partition(" GROUP BY ")
        if not by:
            continue
        try:
            got = sorted(
                ground.rows(
                    f"{head} FROM {name} GROUP BY {key} SETTINGS optimize_use_projections = 1, "
                    "force_optimize_projection = 1"
                )
            )
        except Refused:
            continue  # it is not read, for parts that lack it or rows that are deleted
        right = sorted(ground.rows(f"{head} FROM {name} GROUP BY {key} SETTINGS {_off(ground)}"))
        if got != right:
            found.append(Failure("projection", f"{item.query} of {name} gives {got[:4]}, the rows {right[:4]}"))
    return found


def keyed(ground: Ground, name: str, table: Table) -> list[Failure]:
    """Partition values, and the order within parts, against what the rows say."""
    found: list[Failure] = []
    if table.partition_by and not table.partition_by.startswith("("):
        other = f"toString(_partition_value.1) != toString({table.partition_by})"
        wrong = ground.rows(f"SELECT countIf({other}) FROM {name} SETTINGS {_off(ground)}")[0][0]
        if wrong != "0":
            found.append(
                Failure(
                    "partition", f"{wrong} rows of {name} are in a partition that {table.partition_by} does not give"
                )
            )
    found += indexed(ground, name, table)
    if table.order_by:
        keys = [part.removesuffix(" DESC") for part in table.order_by]
        shown_keys = f"toString(tuple({', '.join(keys)}))"
        stored = ground.rows(
            f"SELECT {shown_keys} FROM {name} ORDER BY _part, _part_offset SETTINGS optimize_read_in_order = 0"
        )
        right = ground.rows(
            f"SELECT {shown_keys} FROM {name} ORDER BY _part, {', '.join(table.order_by)} SETTINGS "
            "optimize_read_in_order = 0"
        )
        if stored != right:
            found.append(
                Failure(
                    "sorted",
                    f"the rows of {name} do not lie by {', '.join(table.order_by)}: {stored[:6]}, should be "
                    f"{right[:6]}",
                )
            )
    return found


def through(ground: Ground, name: str, final: bool, undeclared: bool = False, where: str = "") -> str:
    """What a view or dictionary shows, with the types that it keeps; '' where both show the same. ``undeclared``: columns
    that are no longer declared are there, and a view of everything may show them. ``where``: of which rows."""
    shown_by: list[list[tuple[str, ...]]] = []
    wanted: set[str] = set()
    for database in (ground.want, ground.live):
        types = ground.rows(
            f"SELECT name, type FROM system.columns WHERE database = {text(database)} AND table = {text(name)} ORDER "
            "BY position"
        )
        wanted = wanted or {column for column, _ in types}
        types = [(column, kind) for column, kind in types if column in wanted or not undeclared]
        names = ", ".join(quoted(_unescaped(column)) for column, _ in types)
        rows = ground.rows(
            f"SELECT formatRow('TSV', {names}) FROM {database}.{quoted(name)}{' FINAL' if final else ''}{where}"
        )
        shown_by.append([*types, *sorted(rows)])
    return differ(shown_by[1], shown_by[0])


def _unescaped(field: str) -> str:
    return field.replace("\\'", "'").replace("\\n", "\n").replace("\\\\", "\\")


def indexed(ground: Ground, name: str, table: Table) -> list[Failure]:
    """The primary index against the rows at which its marks stand."""
    keys = [part.removesuffix(" DESC") for part in table.primary_key or table.order_by]
    if not keys:
        return []
    database, _, bare = name.partition(".")
    wanted = "* EXCEPT (part_name, mark_number, rows_in_granule), part_name, rows_in_granule"
    try:
        marks = ground.rows(f"SELECT {wanted} FROM mergeTreeIndex({database}, {bare}) ORDER BY part_name, mark_number")
    except Refused:
        return []  # two elements of the key are called the same
    picked = ", ".join(keys)
    # At a row that a lightweight delete has hidden the mark may say what its key was: nothing is found by it.
    rows = {
        (part, int(offset)): values
        for part, offset, shown, *values in ground.rows(
            f"SELECT _part, _part_offset, _row_exists, {picked} FROM {name} SETTINGS {_off(ground)}, "
            "apply_deleted_mask = 0"
        )
        if shown == "1"
    }
    at: dict[str, int] = {}
    for *values, part, count in marks:
        offset = at.get(part, 0)
        at[part] = offset + int(count)
        there = rows.get((part, offset))
        if there is not None and int(count) and values[: len(there)] != there[: len(values)]:
            return [
                Failure("primary index", f"{name}: the mark at row {offset} of {part} says {values}, the row {there}")
            ]
    return []
