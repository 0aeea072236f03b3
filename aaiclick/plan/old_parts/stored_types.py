"""Parts that hold a column under another type than the table's: from before an ALTER that changed metadata alone.

UInt8 -> Bool starts no mutation: the parts keep UInt8, and a read converts from there. A later ALTER to String converts
from the type that the part has, too, so that the rows become `1` where they read `true`. So do the time zones of
moments, and an Enum whose labels were a number in between: there the mutation may also fail, for good. A copy converts
what is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.clickhouse.shared.host_answers import ask_hosts
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.target import live_column
from aaiclick.errors import SpecError
from aaiclick.plan.proof.bytes_on_disk import extends, keeps_bytes, same_order
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Query, Routine, Rows, text
from aaiclick.sql.types import parse_type


@dataclass(frozen=True, slots=True)
class _Retyped:
    live: str
    """The type of the table."""
    new: str
    """The type that the column gets."""


def stored_otherwise(diff: TableDiff, data_name: str, changes: Sequence[Change]) -> Routine[str]:
    """Why the server would convert stored values otherwise than a copy; '' where it does not."""
    retyped = {old: each for old, each in _retyped(diff, changes) if not keeps_bytes(each.live, each.new)}
    if not retyped or not diff.live.rows or diff.live.predicted:
        return ""
    found = [
        f"some parts of {diff.form.name} hold {name} as {held}, from before it was {retyped[name].live}, and in place "
        f"{held} would be converted into {retyped[name].new}"
        for name, held in ((text(row[0]), text(row[1])) for row in (yield from _others(diff, data_name, retyped)))
        if not _same_result(held, retyped[name])
    ]
    return "; ".join(found)


def _retyped(diff: TableDiff, changes: Sequence[Change]) -> list[tuple[str, _Retyped]]:
    """The stored columns that get another type, by the names that they have now."""
    found: list[tuple[str, _Retyped]] = []
    for change in changes:
        if isinstance(change, RetypeColumn) and change.old.stored and change.new.stored:
            old = live_column(diff.form, diff.target.renames, change.new.name) or change.old
            found.append((old.name, _Retyped(old.type, change.new.type)))
    return found


def _others(diff: TableDiff, data_name: str, retyped: dict[str, _Retyped]) -> Routine[Rows]:
    """Columns and the types under which parts hold them, where these are not the table's on that host. Patch parts,
    which hold what lightweight updates wrote, are among them."""
    hosts = diff.hosts
    bound = {"database": diff.database, "table": data_name}
    names = {f"column{place}": name for place, name in enumerate(retyped)}
    listed = ", ".join(f"{{{key}:String}}" for key in names)
    source = hosts.everywhere("system.parts_columns") if hosts.reached else "system.parts_columns"
    # Both texts are the server's own: it writes one type in one way.
    sql = (
        f"SELECT DISTINCT column, type FROM {source} "
        f"WHERE active AND database = {{database:String}} AND table = {{table:String}} AND column IN ({listed}) AND "
        "(column, type) NOT IN (SELECT name, type FROM system.columns WHERE database = {database:String} AND table = "
        "{table:String}) ORDER BY column, type"
    )
    if hosts.reached:
        return (yield from ask_hosts(hosts, sql, {**bound, **names})).rows
    return (yield Query(sql, {**bound, **names}))


def _same_result(held: str, each: _Retyped) -> bool:
    """True where the stored value converts into what the value that is read converts into."""
    # Labels that an Enum got later: a value keeps its label and its number.
    if extends(held, each.live):
        return True
    # All three are the same number: a moment that gets another time zone and may be NULL from now on.
    live, new = _inside(each.live), _inside(each.new)
    return keeps_bytes(held, each.live) and same_order(live, new) and keeps_bytes(_inside(held), new)


def _inside(kind: str) -> str:
    """The type without the Nullable and LowCardinality around it, which change no value."""
    try:
        found = parse_type(kind)
    except SpecError:
        return kind
    return _inside(found.arguments[0]) if found.name in ("Nullable", "LowCardinality") else kind
