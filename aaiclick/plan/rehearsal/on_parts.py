"""Tries what an empty clone accepted on a clone with parts: a refusal leads to the next strategy, before anything is
changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import IndexForm, ProjectionForm, TableForm
from aaiclick.clickhouse.messages import first_line
from aaiclick.clickhouse.shared.ask_shards import ask_shards, of_shards, unpinned
from aaiclick.error_codes import ACCESS_DENIED, LIMITS, READONLY
from aaiclick.errors import StatementError
from aaiclick.plan.operations import AttachWork, CopyColumn, RebuildWork
from aaiclick.plan.rehearsal.cache import AcceptedBatch, key_without_names
from aaiclick.plan.rehearsal.empty_clone import REHEARSE, Clone
from aaiclick.plan.rehearsal.parts_clone import (
    PATCHED,
    NoPartsClone,
    PartsClone,
    attach_parts,
    make_parts_clone,
    replay_alters,
)
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.plan.strategies.rebuild import copy_columns
from aaiclick.routine import Command, Routine, number
from aaiclick.sql.ddl import optimize_table
from aaiclick.sql.quoting import quote_name

_MOST_ALIKE = 3
"""Tables of one form whose parts are looked at: of a family of thousands the rest is taken to be like these."""
_ROWS = 1000
_SECONDS = 30
_UNDECIDED = LIMITS | {READONLY, ACCESS_DENIED}
"""A limit or missing rights: that says nothing about the rows."""


def alter_refused(diff: TableDiff, source: str, sent: Sequence[AcceptedBatch]) -> Routine[str]:
    """Why ALTERs fail on parts of the table (now called ``source``); '' where they do not, or it was not tried."""
    if not _is_tried(diff, "alter"):
        return ""
    loaded = yield from make_parts_clone(diff, source, "alter-parts")
    if isinstance(loaded, NoPartsClone):
        return ""
    outcome = yield from replay_alters(diff, loaded, sent)
    return "" if outcome.accepted else first_line(outcome.message)


def attach_refused(diff: TableDiff, source: str, work: AttachWork, sent: Sequence[AcceptedBatch]) -> Routine[str]:
    """Why a table of the new form cannot take over parts of the live one; '' where it can, or it was not tried."""
    if not _is_tried(diff, "attach"):
        return ""
    # A clone is made of parts of this host. Of those of other shards this can be told.
    if diff.shards.shards > 1 and (yield from _patched(diff, source)):
        return PATCHED
    loaded = yield from make_parts_clone(diff, source, "attach-parts")
    if isinstance(loaded, NoPartsClone):
        # Parts that fit into no other table are no reason against an ALTER, but they are one against this.
        return loaded.refusal
    return (yield from _attached(diff, loaded, work, sent))


def _patched(diff: TableDiff, source: str) -> Routine[bool]:
    """Whether a shard has updates that are not applied yet."""
    rows = yield from ask_shards(
        diff.shards,
        ["toUInt64(count())"],
        "FROM system.parts WHERE active AND startsWith(name, 'patch-') AND database = {database:String} AND table = "
        "{table:String}",
        parameters={"database": diff.database, "table": source},
    )
    return any(number(row[0]) for row in rows)


def _attached(diff: TableDiff, loaded: PartsClone, work: AttachWork, sent: Sequence[AcceptedBatch]) -> Routine[str]:
    outcome = yield from replay_alters(diff, loaded, sent)
    # Mutations do not run on such a clone, so its parts are not those that the live table would attach from.
    if outcome.accepted and not (loaded.pending and any(each.mutates for each in sent)):
        target = yield from diff.make_clone(work.form, "attached-parts")
        outcome = yield from attach_parts(loaded, target)
    return "" if outcome.accepted else first_line(outcome.message)


def copy_refused(diff: TableDiff, source: str, work: RebuildWork) -> Routine[str]:
    """Why some rows cannot be copied; '' where they can, or it was not tried. An empty clone shows only that the types
    convert."""
    if not _is_tried(diff, "rebuild"):
        return ""
    target = yield from diff.make_clone(work.form, "copied-rows")
    return (yield from _insert_refused(diff, source, target, work.columns, work.where, dict(work.settings)))


def written_refused(
    diff: TableDiff, source: str, label: str, projections: Sequence[ProjectionForm], indexes: Sequence[IndexForm]
) -> Routine[str]:
    """Why rows of a shard cannot be written with these projections and indexes; '' where they can, or it was not
    tried."""
    if not diff.try_on_parts:
        return ""
    form = replace(_bare(diff.target.form), projections=tuple(projections), indexes=tuple(indexes))
    target = yield from diff.make_clone(form, f"written-{label}")
    if said := (yield from _insert_refused(diff, source, target, copy_columns(diff), diff.where, {})):
        plain = yield from diff.make_clone(_bare(form), f"written-without-{label}")
        if (yield from _insert_refused(diff, source, plain, copy_columns(diff), diff.where, {})):
            return ""
    return said


def expired_refused(diff: TableDiff, source: str, ttl: str) -> Routine[str]:
    """Why rows of a shard cannot be merged with this TTL; '' where they can, or it was not tried."""
    if not diff.try_on_parts:
        return ""
    target = yield from diff.make_clone(replace(_bare(diff.target.form), ttl=ttl), "expired")
    if (yield from _insert_refused(diff, source, target, copy_columns(diff), diff.where, {})):
        return ""
    try:
        yield Command(f"{optimize_table(target.name)} FINAL", settings={**REHEARSE, "optimize_throw_if_noop": 0})
    except StatementError as error:
        if error.code == 0:
            raise
        return "" if error.code in _UNDECIDED else first_line(str(error))
    return ""


def _bare(form: TableForm) -> TableForm:
    """Without all that is checked by itself, so that a refusal is one of what is added to it."""
    form = replace(form, projections=(), indexes=(), constraints=(), ttl="")
    return replace(form, columns=tuple(replace(column, ttl="") for column in form.columns))


def _insert_refused(
    diff: TableDiff,
    source: str,
    target: Clone,
    columns: Sequence[CopyColumn],
    condition: str,
    more: Mapping[str, str | int],
) -> Routine[str]:
    names = ", ".join(quote_name(column.target) for column in columns)
    where = f" WHERE {condition}" if condition else ""
    unknown: set[str] = set()
    while True:
        rows, asking = of_shards(
            diff.shards,
            [column.expression for column in columns],
            f"FROM {diff.name_of(source)}{where} LIMIT {_ROWS}",
            unknown=unknown,
        )
        settings = {**asking, **REHEARSE, **_COPY, **more}
        try:
            yield Command(f"INSERT INTO {target.name} ({names}) {rows}", settings=settings)
        except StatementError as error:
            if error.code == 0:
                raise
            if (name := unpinned(error, unknown)) is not None:
                unknown.add(name)
                continue
            return "" if error.code in _UNDECIDED else first_line(str(error))
        return ""


_COPY: dict[str, str | int] = {
    "max_execution_time": _SECONDS,
    "insert_allow_materialized_columns": 1,  # they are copied by name, which is error 44 otherwise
    "insert_null_as_default": 0,  # a NULL that the column cannot hold is an error, not the default
    "optimize_on_insert": 0,  # else a collapsing engine combines rows of the block while it is written
    "max_partitions_per_insert_block": 0,  # a sample without an order may touch every partition
    "async_insert": 0,  # the answer has to be about these rows, so they are written before it comes
}


def _is_tried(diff: TableDiff, strategy: str) -> bool:
    if diff.reads_no_rows or not diff.try_on_parts or not diff.live.rows or diff.live.predicted:
        return False
    key = (strategy, key_without_names(diff.form, diff.target))
    seen = diff.cache.tried_on_parts.get(key, 0)
    diff.cache.tried_on_parts[key] = seen + 1
    return seen < _MOST_ALIKE
