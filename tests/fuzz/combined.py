"""What FINAL and a merge of everything make of the rows: before the change against after it, in copies of both tables
beside them."""

from __future__ import annotations

from dataclasses import replace

from tests.fuzz.compare import differ
from tests.fuzz.ground import Ground, Refused
from tests.fuzz.reference import convert, copied, copy_part, finished, parts_of
from tests.fuzz.schema import Column, Table
from tests.fuzz.types import INTEGERS, quoted

COMBINING = frozenset(
    f"{name}MergeTree"
    for name in ("Replacing", "Summing", "Aggregating", "Collapsing", "VersionedCollapsing", "Coalescing")
)
WAS, THEN = "combined_was", "combined_then"


def otherwise(ground: Ground, old: Table, new: Table, other: set[str]) -> str:
    """What is combined otherwise than before, over the columns that are copied value by value; '' for nothing.
    ``other`` do not come back as they were."""
    if not {old.engine.name, new.engine.name} <= COMBINING:
        return ""
    pairs = [
        (was, column)
        for was, column in copied(old, new)
        if was.stored and column.name not in other and not _sums_wider(new, was, column)
    ]
    was, then = replace(old, name=WAS, source=""), replace(new, name=THEN, source="")
    try:
        for table in (was, then):
            ground.run(table.create(ground.want))
            for part in parts_of(ground, old):
                copy_part(ground, old, table, ground.live, ground.want, part)
        return _differs(ground, pairs, " FINAL", "FINAL") or _merged(ground, pairs)
    except Refused:
        return ""  # a value that the merge made does not convert, or the old table cannot be made a second time
    finally:
        for name in (WAS, THEN):
            ground.run(f"DROP TABLE IF EXISTS {ground.want}.{name} SYNC")


def _merged(ground: Ground, pairs: list[tuple[Column, Column]]) -> str:
    for name in (WAS, THEN):
        ground.run(f"OPTIMIZE TABLE {ground.want}.{name} FINAL")
    return _differs(ground, pairs, "", "a merge")


def _differs(ground: Ground, pairs: list[tuple[Column, Column]], clause: str, words: str) -> str:
    before = (
        ", ".join(
            f"formatRow('TSV', {finished(convert(quoted(was.name), was.type, column.type), column.type)})"
            for was, column in pairs
        )
        or "1"
    )
    after = ", ".join(f"formatRow('TSV', {finished(quoted(column.name), column.type)})" for _, column in pairs) or "1"
    was, then = (
        sorted(ground.rows(f"SELECT {shown} FROM {ground.want}.{name}{clause}"))
        for shown, name in ((before, WAS), (after, THEN))
    )
    difference = differ(then, was)
    return f"{words} shows other rows than before the change: {difference}" if difference else ""


def _sums_wider(table: Table, was: Column, column: Column) -> bool:
    """A sum that ran over in the narrow type does not in the wide one: that is what the type was changed for."""
    return (
        table.engine.name == "SummingMergeTree"
        and was.type != column.type
        and {was.type.bare.name, column.type.bare.name} <= {*INTEGERS}
    )
