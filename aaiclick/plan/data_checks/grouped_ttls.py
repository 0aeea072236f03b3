"""Checks that what a TTL computes of groups of rows (``GROUP BY ... SET``) can be computed for the rows that are there.

A merge groups the rows of the parts that it merges, and of these the ones that are past the TTL: so an aggregate may
get fewer rows than the whole table has of a key. The rows of each part and those of each partition are looked at, past
the TTL and not yet apart from each other. The engine also refuses aggregates that its analysis takes, such as
``max(toUInt32(s))``: a merge of some rows in scratch shows that.
"""

from __future__ import annotations

from collections.abc import Collection

from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.parse.ttl import TtlElement, ttl_elements
from aaiclick.diff.changes.ttl import ChangeTtl
from aaiclick.plan.data_checks.unmergeable import changed_ttls, failure_of_rows, unmergeable
from aaiclick.plan.proof.cost import Cost, cost_of
from aaiclick.plan.proof.rows import future_rows
from aaiclick.plan.rehearsal.on_parts import expired_refused
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.sql.tokens import Tokens, unquote

_ONE_OF = frozenset({"any", "anylast", "min", "max"})
"""Aggregates that give one of the values that they get."""
_NUMBERS = ("Int", "UInt", "Float")
_PART, _PARTITION, _SET = "_aaiclick_part", "_aaiclick_partition", "_aaiclick_set"


def failing_groups(diff: TableDiff, data_name: str, retyped: Collection[str]) -> Routine[tuple[str, Cost]]:
    """A sentence for each TTL whose SET fails on rows ('' for none), and what it cost to find out. ``retyped``: columns
    that get another type."""
    problems: list[str] = []
    cost = Cost()
    for element in _looked_at(diff, retyped):
        problem, read = yield from _failing(diff, data_name, element)
        problems, cost = [*problems, problem], cost.plus(read)
    return "; ".join(problem for problem in problems if problem), cost


def _looked_at(diff: TableDiff, retyped: Collection[str]) -> list[TtlElement]:
    if "GROUP" not in diff.target.form.ttl.upper():
        return []
    new = any(isinstance(change, ChangeTtl) for change in changed_ttls(diff))
    return [
        each
        for each in ttl_elements(diff.target.form.ttl)
        if (new or _reads(each, retyped))
        and not all(_gives(name, value, diff.target.form) for name, value in each.sets)
    ]


def _gives(name: str, value: str, form: TableForm) -> bool:
    """True where no rows can make it fail: a value of a column of the same type, or a sum of numbers as a number."""
    tokens = Tokens(value)
    if len(tokens) != 4 or not tokens.is_op(1, "(") or not tokens.is_kind(2, "word", "name"):
        return False
    called, given, read = tokens.items[0].text.lower(), form.column(name), form.column(unquote(tokens.items[2].text))
    if given is None or read is None:
        return False
    numbers = given.type.startswith(_NUMBERS) and read.type.startswith(_NUMBERS)
    return (called in _ONE_OF and given.type == read.type) or (called == "sum" and numbers)


def _reads(element: TtlElement, columns: Collection[str]) -> bool:
    return any(name in columns or mentioned(value, columns) for name, value in element.sets)


def _failing(diff: TableDiff, data_name: str, element: TtlElement) -> Routine[tuple[str, Cost]]:
    live = diff.form.merge_tree
    carried = {_PART: "_part" if live else "''", _PARTITION: "_partition_id" if live else "''"}
    named = [element.time, element.where, *element.keys, *(value for _, value in element.sets)]
    rows = future_rows(diff, data_name, named, carried)
    cost = yield from cost_of(diff, data_name, rows.read, ("what the TTL sets",))
    if cost.open:
        return "", cost
    of_types = {column.name: column.type for column in diff.target.form.columns}
    values = [f"CAST({value}, {quote_string(of_types[name])})" for name, value in element.sets if name in of_types]
    past = f"toInt64(toDateTime64({element.time}, 0)) <= toInt64(now())"
    sets = ", ".join(f"({', '.join((group, past, *element.keys))})" for group in (_PART, _PARTITION))
    conditions = [f"({element.where})"] if element.where else []

    def grouped(*more: str) -> str:
        where = f" WHERE {' AND '.join((*conditions, *more))}" if conditions or more else ""
        groups = (
            f"SELECT tuple({', '.join(values)}) AS {_SET} FROM {rows.source}{where} GROUP BY GROUPING SETS ({sets})"
        )
        return f"FROM ({groups})"

    said = yield from failure_of_rows(diff.shards, [f"sum(cityHash64({_SET}))"], grouped(), grouped("0"))
    # Past for every row, so that the merge groups them; it has to read a column.
    past_time = f"least(toDateTime({element.time}), toDateTime(86400))"
    by = f"GROUP BY {', '.join(element.keys)} SET"
    ttl = ", ".join(f"{quote_name(name)} = {value}" for name, value in element.sets)
    said = said or (yield from expired_refused(diff, data_name, f"{past_time} {by} {ttl}"))
    if not said:
        return "", cost
    words = ", ".join(f"{name} = {value}" for name, value in element.sets)
    return unmergeable(f"what a TTL sets ({by} {words})", said), cost
