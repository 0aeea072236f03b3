"""Staging tables: one for each chunk of a copy, filled and compared. When the copy is complete, the new table takes
over their parts by hard links.

They are kept until the exchange is over, so that a chunk can be filled anew, and the new table put together again, up
to the last moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Settings, TableForm
from aaiclick.catalog.render import form_sql
from aaiclick.clickhouse.merges import NO_MERGES, ROOMY
from aaiclick.clickhouse.parts import parts
from aaiclick.clickhouse.statements import CREATE, ask, ddl, drop_table, merged, send_permissively
from aaiclick.clickhouse.tables import Physical, physical, require_table
from aaiclick.errors import ApplyError
from aaiclick.printable import count_that
from aaiclick.routine import Command, Routine, text
from aaiclick.sql.clauses import attach_partition_from, move_partition
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.state.staged_chunks import BEGUN, StagedCopy

# Settings of the new table that a staging table does without, or has otherwise. With a deduplication window the server
# would drop a block that equals an earlier one; behind a fence nothing could be written.
_OWN: frozenset[str] = frozenset(
    {
        "non_replicated_deduplication_window",
        "table_readonly",
        # Block numbers of a staging table must not reach the new one: there they tell old rows from new ones.
        "enable_block_number_column",
        "enable_block_offset_column",
        *(name for name, _ in NO_MERGES),
        *(name for name, _ in ROOMY),
    }
)


def staging_form(form: TableForm, source: str) -> TableForm:
    """The structure of the new table, with no merges and no deduplication of blocks, also after a restart.

    ``source``: UUID of the storage that it is filled from, which its comment says.
    """
    # The settings come with the CREATE: an ALTER behind it would leave a moment in which a merge could begin.
    settings: Settings = (*(pair for pair in form.settings if pair[0] not in _OWN), *NO_MERGES, *ROOMY)
    return replace(form, settings=settings, comment=BEGUN.dump(StagedCopy(source)))


def may_merge(form: TableForm) -> bool:
    """Whether a merge leaves every row as it is: then a filled staging table may merge, as the new table would."""
    return form.engine == "MergeTree" and not form.ttl and not any(column.ttl for column in form.columns)


def create_from(form: TableForm, database: str, name: str, settings: Settings) -> Routine[None]:
    """Make a table of that form; one of that name is dropped first (its run is over, or it is this run's own)."""
    # A table that is there already may hold rows of a fill that was cut off, and a second fill would double them.
    yield from drop_table(database, name)
    yield from send_permissively(
        Command(form_sql(form, database, name), settings=merged(CREATE, dict(settings)), database=database)
    )


def move_all(
    database: str, staging: str, target: str, settings: Mapping[str, str | int] | None = None
) -> Routine[None]:
    """Move every partition of a staging table. Can be repeated after a crash at any point: MOVE PARTITION takes the
    rows out of staging, so what is moved is never moved twice."""
    yield from _move_all(database, staging, qualified(database, target), settings, None)


def move_into(database: str, staging: str, target: Physical) -> Routine[None]:
    """The same, into this storage and no other: MOVE PARTITION knows a name only. Raises ApplyError where somebody else
    has put another table under it."""
    yield from _move_all(database, staging, qualified(target.database, target.name), None, target)


def _move_all(
    database: str, staging: str, target: str, settings: Mapping[str, str | int] | None, only: Physical | None
) -> Routine[None]:
    table = yield from require_table(database, staging)
    listed = sorted({part.partition for part in (yield from parts(table))})
    for partition in listed:
        if only is not None:
            # MOVE PARTITION takes a name, so which storage has it is asked before and after each partition.
            yield from require_table(only.database, only.name, only.uuid)
        yield from ddl(alter_table(qualified(database, staging), move_partition(partition, target)), settings)
        there = (yield from physical(only.database, only.name)) if only is not None else None
        if only is not None and there is not None and there.uuid != only.uuid:
            raise ApplyError(
                f"{target} was replaced by somebody else while rows were moved into it: the rows of partition "
                f"{partition} that came last went into storage {only.uuid} or {there.uuid}. Compare them"
            )
    left = yield from parts(table)
    if left:
        raise ApplyError(f"{target}: {count_that(len(left), 'part', 'stay')} in {staging} behind the move. Run again")


def attach_all(
    database: str, names: Sequence[str], target: str, settings: Mapping[str, str | int] | None = None
) -> Routine[None]:
    """Add the parts of staging tables to a table of ours by hard links, in the order of the names. Not to be
    repeated."""
    if not names:
        return
    rows = yield from ask(
        "SELECT DISTINCT table, partition_id FROM system.parts WHERE active AND rows > 0 AND database = "
        "unhex({db:String})"
        " AND startsWith(table, '_aaiclick_stage_') ORDER BY table, partition_id",
        {"db": hexed(database)},
    )
    # Asked once for all: a question for each chunk would take longer than its hard links.
    partitions: dict[str, list[str]] = {}
    for name, partition in rows:
        partitions.setdefault(text(name), []).append(text(partition))
    for name in names:
        for partition in partitions.get(name, ()):
            # One partition at a time: 24.8 does not know ATTACH PARTITION ALL FROM.
            attached = attach_partition_from(partition, qualified(database, name))
            yield from ddl(alter_table(qualified(database, target), attached), settings)
