"""What FINAL and a merge of everything make of the rows: before the change against after it, in copies of both tables
beside them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.fuzz.compare import differ
from tests.fuzz.ground import Ground, Refused
from tests.fuzz.near import with_readers
from tests.fuzz.reference import bytes_of, convert, copied, copy_part, parts_of
from tests.fuzz.schema import Column, Table
from tests.fuzz.types import INTEGERS, quoted

COMBINING = frozenset(
    f"{name}MergeTree"
    for name in ("Replacing", "Summing", "Aggregating", "Collapsing", "VersionedCollapsing", "Coalescing")
)
WAS, THEN = "combined_was", "combined_then"


def otherwise(
    ground: Ground, old: Table, new: Table, other: set[str], rebuilt: tuple[tuple[str, str], ...] = ()
) -> str:
    """What is combined otherwise than before, over the columns that are copied value by value; '' for nothing.
    ``other`` do not come back as they were. ``rebuilt`` are those of a migration: where one decides what is combined,
    nothing is compared."""
    if old.engine.name in COMBINING and new.engine.name == "MergeTree":
        return _left_out(ground, old)
    if not {old.engine.name, new.engine.name} <= COMBINING or _decide(new, {name for name, _ in rebuilt}):
        return ""
    wider = {column.name for was, column in copied(old, new) if _sums_wider(new, was, column)}
    pairs = [
        (was, column)
        for was, column in copied(old, new)
        if was.stored and column.name not in other and column.name not in wider
    ]
    was, then = replace(old, name=WAS, source=""), replace(new, name=THEN, source="")
    try:
        for table, given in ((was, ()), (then, rebuilt)):
            ground.run(table.create(ground.want))
            for part in parts_of(ground, old):
                copy_part(ground, old, table, ground.live, ground.want, part, given)
        return _differs(ground, pairs, " FINAL", "FINAL", bool(wider)) or _merged(ground, pairs, bool(wider))
    except Refused:
        return ""  # a value that the merge made does not convert, or the old table cannot be made a second time
    finally:
        for name in (WAS, THEN):
            ground.run(f"DROP TABLE IF EXISTS {ground.want}.{name} SYNC")


def merge(ground: Ground, table: Table) -> None:
    """One part of each partition of the live table."""
    live = f"{ground.live}.{quoted(table.name)}"
    if table.projections:
        ground.run(f"ALTER TABLE {live} APPLY DELETED MASK")
    for each in table.projections:
        # Parts without a new projection are never merged with parts that have it.
        ground.run(f"ALTER TABLE {live} MATERIALIZE PROJECTION {quoted(each.name)}")
    ground.run(f"OPTIMIZE TABLE {live} FINAL")


def _left_out(ground: Ground, old: Table) -> str:
    """Rows that FINAL leaves out stay where nothing combines them any more."""
    name = f"{ground.live}.{quoted(old.name)}"
    plain, final = (ground.rows(f"SELECT count() FROM {name}{clause}")[0][0] for clause in ("", " FINAL"))
    return f"FINAL left out rows: it showed {final} of {plain}" if plain != final else ""


def _decide(table: Table, names: set[str]) -> bool:
    """Whether a key or the engine reads one of the columns, also through others."""
    reached = with_readers(table.columns, names)
    keys = " ".join((*table.order_by, table.partition_by))
    return any(quoted(name) in keys or name in table.engine.columns for name in reached)


def _merged(ground: Ground, pairs: list[tuple[Column, Column]], wider: bool) -> str:
    for name in (WAS, THEN):
        ground.run(f"OPTIMIZE TABLE {ground.want}.{name} FINAL")
    return _differs(ground, pairs, "", "a merge", wider)


def _differs(ground: Ground, pairs: list[tuple[Column, Column]], clause: str, words: str, wider: bool) -> str:
    """``wider``: a row may stay whose narrow sums ran over to 0, for which the engine removed it."""
    # By their bytes: a time of a column with a zone reads in that zone also behind CAST(... AS DateTime).
    before = ", ".join(bytes_of(convert(quoted(was.name), was.type, column.type), column.type) for was, column in pairs)
    after = ", ".join(bytes_of(quoted(column.name), column.type) for _, column in pairs)
    was, then = (
        sorted(ground.rows(f"SELECT {shown} FROM {ground.want}.{name}{clause}"))
        for shown, name in ((before or "1", WAS), (after or "1", THEN))
    )
    difference = "" if wider and not Counter(was) - Counter(then) else differ(then, was)
    return f"{words} shows other rows than before the change: {difference}" if difference else ""


def _sums_wider(table: Table, was: Column, column: Column) -> bool:
    """A sum that ran over in the narrow type does not in the wide one: that is what the type was changed for."""
    return (
        table.engine.name == "SummingMergeTree"
        and was.type != column.type
        and {was.type.bare.name, column.type.bare.name} <= {*INTEGERS}
    )
