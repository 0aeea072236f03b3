"""How fast a table is copied here: a sample of its rows is copied into scratch and compared, as a rebuild does it."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.apply.rebuild.checksum import sums
from aaiclick.catalog.declared_tables import create_or_load_clone
from aaiclick.catalog.forms import LiveObject, TableForm
from aaiclick.catalog.render import local_family
from aaiclick.catalog.scratch import Scratch
from aaiclick.clickhouse.statements import COPY, ask_permissively, merged
from aaiclick.clock import clock
from aaiclick.commands.costs.rates import Rate, measured
from aaiclick.errors import StatementError, UnsupportedObjectError
from aaiclick.plan.operations import CopyColumn, RebuildWork
from aaiclick.routine import Command, Query, Routine, number
from aaiclick.sql.quoting import qualified, quote_name

SAMPLE_ROWS = 400_000
SAMPLE_BYTES = 24 << 20
SECONDS = 10
"""Limit for each statement about a sample."""


def measure(scratch: Scratch, database: str, live: LiveObject, work: RebuildWork | None) -> Routine[Rate | None]:
    """The rate of a copy of this table: by ``work``, None for its rows as they are. None where it cannot be sampled."""
    form = work.form if work is not None else live.form
    if not isinstance(form, TableForm) or not live.rows or not live.bytes:
        return None
    columns = work.columns if work is not None else _as_they_are(form)
    # Whatever a row takes on disk, the sample stays small.
    rows = min(live.rows, SAMPLE_ROWS, max(1, live.rows * SAMPLE_BYTES // live.bytes))
    names = ", ".join(quote_name(column.target) for column in columns)
    expressions = ", ".join(column.expression for column in columns)
    settings = dict(work.settings) if work is not None else {}
    limits: dict[str, str | int] = {"max_execution_time": SECONDS, "insert_allow_materialized_columns": 1}
    checked = [column for column in columns if column.verify]
    try:
        name, _ = yield from create_or_load_clone(scratch, _that_keeps_rows(form), f"{live.name}~rate")
        target = qualified(scratch.database, name)
        begun = yield from clock()
        sample = f"SELECT {expressions} FROM {qualified(database, live.name)} LIMIT {rows}"
        yield Command(f"INSERT INTO {target} ({names}) {sample}", settings=merged(COPY, settings, limits), long=True)
        if work is not None:
            # Both sides are read once more, and compared.
            plain = [quote_name(column.target) for column in checked]
            yield from sums(target, "", plain, {**settings, "max_execution_time": SECONDS})
            yield from sums(target, "", plain, {**settings, "max_execution_time": SECONDS})
        seconds = (yield from clock()) - begun
        copied = number((yield from ask_permissively(Query(f"SELECT count() FROM {target}")))[0][0])
    except UnsupportedObjectError:
        return None
    except StatementError as error:
        if error.code == 0:
            raise
        return None
    return measured(live.bytes * copied / live.rows, seconds) if copied else None


def _that_keeps_rows(form: TableForm) -> TableForm:
    """The table without what lets a merge take rows away: a TTL that all of the sample is past would leave none of it,
    and an engine that combines rows some."""
    columns = tuple(replace(column, ttl="") for column in form.columns)
    engine = replace(form, engine="MergeTree", arguments="") if form.merge_tree else form
    return local_family(replace(engine, columns=columns, ttl=""))


def _as_they_are(form: TableForm) -> tuple[CopyColumn, ...]:
    return tuple(CopyColumn(column.name, quote_name(column.name)) for column in form.columns if column.stored)
