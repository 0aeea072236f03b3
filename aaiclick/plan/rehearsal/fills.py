"""Fills of indexes, projections and statistics that no mutation can carry out: a table with an ALIAS of a type that may
not be created by default. The server analyses every column for each mutation, in the background and under its own
settings, so that none of this session's lets it through, and a mutation that fails stays and is tried for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.clickhouse.messages import first_line
from aaiclick.error_codes import SUSPICIOUS_TYPE_FOR_LOW_CARDINALITY, UNFINISHED
from aaiclick.errors import StatementError
from aaiclick.plan.model import Step
from aaiclick.plan.rehearsal.empty_clone import REHEARSE
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Command, Routine
from aaiclick.sql.clauses import delete_where
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import quote_name, quote_string

_SUSPICIOUS = ("LowCardinality(", "Variant(")
_FAILED = frozenset({UNFINISHED, SUSPICIOUS_TYPE_FOR_LOW_CARDINALITY})


def fills_that_run(diff: TableDiff, steps: Sequence[Step]) -> Routine[tuple[Step, ...]]:
    """The steps, blocked with the server's reason where a mutation fails on such a table."""
    aliases = [column.type for column in diff.form.columns if column.kind == "ALIAS"]
    suspects = [kind for kind in aliases if any(word in kind for word in _SUSPICIOUS)]
    stored = next((column for column in diff.form.columns if column.kind in ("", "DEFAULT")), None)
    if not steps or not suspects or stored is None:
        return tuple(steps)
    # It is the table that matters and not its rows: one of defaults is enough, which no constraint may refuse.
    form = replace(diff.as_spelled, name=diff.form.name, constraints=())
    clone = yield from diff.make_clone(form, "filled")
    name, settings = quote_name(stored.name), {**REHEARSE, **dict(clone.settings), "mutations_sync": 1}
    row = f"INSERT INTO {clone.name} ({name}) SELECT defaultValueOfTypeName({quote_string(stored.type)})"
    try:
        # Written at once: the mutation behind it has to meet a row.
        yield Command(row, settings={**settings, "async_insert": 0})
        # ignore() is 0 for every row: nothing is deleted, but the mutation has to read the column.
        yield Command(alter_table(clone.name, delete_where(f"ignore({name})")), settings=settings)
    except StatementError as error:
        if error.code == 0:
            raise
        # Another failure is about this clone, and tells nothing of the table's types.
        if error.code not in _FAILED:
            return tuple(steps)
        why = f"no mutation runs on {diff.live.name}: {first_line(str(error))}"
        return tuple(replace(step, blocked=why) for step in steps)
    return tuple(steps)
