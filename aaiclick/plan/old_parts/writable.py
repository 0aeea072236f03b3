"""Whether the values that rows of old parts read may be written into these parts."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.clickhouse.messages import first_line
from aaiclick.clickhouse.shared.ask_shards import ask_shards
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.error_codes import is_transient
from aaiclick.errors import StatementError
from aaiclick.plan.old_parts.columns import PartColumns, lacking
from aaiclick.plan.old_parts.readings import computed, read_differently, unsaid
from aaiclick.routine import Routine, number
from aaiclick.sql.quoting import quote_name

READ: dict[str, str | int] = {"prefer_column_name_to_alias": 1, "final": 0, "max_execution_time": 0}


@dataclass(frozen=True, slots=True)
class OldParts:
    """A table and the columns that its parts hold."""

    database: str
    """Its database."""
    form: TableForm
    """Its form."""
    held: PartColumns
    """What its parts hold."""
    source: str
    """The quoted name under which its rows are now."""
    reads_no_rows: bool = False
    """True where no row may be read."""
    shards: Topology = SINGLE
    """The hosts whose rows are looked at, shard by shard."""


def unfit(parts: OldParts, old: ColumnForm) -> Routine[str]:
    """Why the present values of a column cannot be written into the parts that lack it; '' where they can."""
    name = quote_name(old.name)
    if parts.reads_no_rows:
        return f"stored values of {old.name} were not looked at" if old.kind == "MATERIALIZED" else ""
    without = lacking(parts.database, parts.held.table, old.name)
    if old.kind == "MATERIALIZED":
        # MATERIALIZE COLUMN computes every part anew, so what is stored has to be what the expression gives.
        wrong, where = read_differently(name, computed(old, parts.form)), f"NOT ({without})"
        why = (
            f"rows of old parts would read another {old.name}, and to write it down would compute stored values anew "
            f"that {old.expression} does not give"
        )
    # MATERIALIZE COLUMN of a DEFAULT writes into parts that lack it, and leaves explicit values as they are.
    elif old.kind:
        wrong, where, why = "0", without, ""
    else:
        wrong, where = read_differently(name, computed(old, parts.form)), without
        why = f"rows of parts without {old.name} do not read {unsaid(old, parts.form)}"
    counted = yield from count_or_message(parts.shards, f"countIf({wrong})", f"FROM {parts.source} WHERE {where}")
    if not isinstance(counted, int):
        return f"what rows read of {old.name} cannot be shown (the engine: {counted})"
    if counted:
        return why
    # Reads each value once: a default that fails on a row would stop the mutation half way.
    value = f"sum(length(toString(tuple({name}))))"
    read = yield from count_or_message(parts.shards, value, f"FROM {parts.source} WHERE {without}")
    return "" if isinstance(read, int) else f"rows of parts without {old.name} cannot be read (the engine: {read})"


def count_or_message(hosts: Topology, count: str, rest: str, given: str = "") -> Routine[int | str]:
    """A count over all shards, or the engine's message where it refuses to count. ``given``: a WITH in front."""
    try:
        rows = yield from ask_shards(hosts, [count], rest, READ, given=given, long=True)
    except StatementError as error:
        if is_transient(error.code):
            raise
        return first_line(str(error))
    return sum(number(row[0]) for row in rows)
