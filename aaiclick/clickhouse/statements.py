"""Sends statements with explicit settings, and retries those that the server refuses only for a moment.

Defaults differ between versions and profiles (``mutations_sync`` and ``async_insert`` were turned on by newer servers),
so nothing that matters is left to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from aaiclick.catalog.permissive import curable, names_permissive, permissive
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.error_codes import (
    ACCESS_DENIED,
    CANNOT_ASSIGN_ALTER,
    DEADLOCK_AVOIDED,
    TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT,
    TOO_MANY_PARTS,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    UNKNOWN_TABLE,
)
from aaiclick.errors import OutcomeUnknownError, StatementError
from aaiclick.routine import Command, Query, Routine, Rows
from aaiclick.sql.ddl import drop, is_alter, system
from aaiclick.sql.quoting import qualified

Sent: TypeAlias = dict[str, str | int]

PATIENCE = frozenset({TOO_MANY_SIMULTANEOUS_QUERIES, TOO_MANY_PARTS, DEADLOCK_AVOIDED, CANNOT_ASSIGN_ALTER})
"""Refusals that happen before anything was done and pass by themselves. (TOO_MANY_PARTS is met by an INSERT after its
first blocks, too: statements that insert rows are sent with ``ONCE``.)"""

ONCE = PATIENCE - {TOO_MANY_PARTS}
"""The same for statements that must not be carried out twice."""

ATTEMPTS = 10
"""How often a statement is sent that the server refuses only for a moment."""
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0
"""Pauses between these grow from ``_FIRST_WAIT`` up to this, in seconds."""

DDL: Mapping[str, str | int] = {
    "alter_sync": 1,
    "mutations_sync": 0,
    "materialize_ttl_after_modify": 0,
    "lock_acquire_timeout": 120,
    "max_execution_time": 0,
    "flatten_nested": 0,
}
"""For statements that change metadata. A mutation never blocks the statement that starts it: it is watched instead.

At every ALTER of a table 25.8 takes the session's ``flatten_nested`` for the table's own: with 1 a constraint over a
Nested in one column, a guard too, reads a column that is not there, and even another comment is refused."""

MUTATION: Mapping[str, str | int] = {**DDL, "alter_sync": 0}
"""For an ALTER that starts a mutation: with ``alter_sync = 1`` some wait for it, whatever ``mutations_sync`` says."""

CREATE: Mapping[str, str | int] = {**DDL, "data_type_default_nullable": 0}
"""Engine text is sent back to the engine: nothing in it may be read differently because of a profile."""

READ: Mapping[str, str | int] = {"max_execution_time": 0, "final": 0}
"""For questions to rows: every row as it is stored (``final`` would combine some), for as long as that takes."""

COPY: Mapping[str, str | int] = {
    **READ,
    "async_insert": 0,
    "insert_deduplicate": 0,
    "optimize_on_insert": 0,
    "insert_null_as_default": 0,
    "max_partitions_per_insert_block": 0,
    "lock_acquire_timeout": 120,
}
"""For INSERT SELECT: equal blocks are not dropped, rows are not merged on the way in, a NULL is not turned into a
default.

``max_insert_threads`` and the size of blocks are left to the server. One thread that inserts needs a third less memory
at its peak (two cores, partitions of five million rows) and the same CPU time, but 1.6 times as long where both cores
are free. Blocks of half the size cost half as much CPU time again, because filled staging tables then merge their more
numerous parts beside the copy; so did INSERTs of at most 1.25 million rows each, which leave more parts, too."""

BLOCKS: tuple[Mapping[str, str | int], ...] = (
    {},
    *(
        {
            "max_insert_threads": 1,
            "max_threads": 1,
            "max_block_size": rows,
            "preferred_block_size_bytes": size >> 5,
            "min_insert_block_size_rows": 100_000,
            "min_insert_block_size_bytes": size,
            "max_bytes_before_external_group_by": size,
            "parts_to_delay_insert": 0,
            "parts_to_throw_insert": 1_000_000,
        }
        for rows, size in ((8192, 32 << 20), (64, 8 << 20), (8, 2 << 20), (1, 1 << 20))
    ),
)
"""How an INSERT SELECT is sent again after one that met the memory limit: with one thread, and smaller and smaller
blocks. 300 rows of 640 KB need 100 MB in blocks of 8 rows (150 MB of 64, where the parts of the source are compact),
rows of ordinary size 100 MB in those of 8192."""


def merged(*settings: Mapping[str, str | int]) -> Sent:
    """All of these settings; later ones override earlier ones."""
    result: Sent = {}
    for each in settings:
        result.update(each)
    return result


def send(command: Command, codes: frozenset[int] = PATIENCE) -> Routine[None]:
    """Send a statement; again with growing pauses while the server answers with one of these codes.

    Raises the last StatementError. A statement whose outcome is unknown is never repeated.
    """
    wait = Wait(_FIRST_WAIT, _LONGEST_WAIT)
    for attempt in range(ATTEMPTS):
        try:
            yield command
        # It may have happened. Sent again, it could happen twice.
        except OutcomeUnknownError:
            raise
        except StatementError as error:
            # Codes of refusals that come before anything is done. Any other error may leave a statement half carried
            # out.
            if attempt + 1 == ATTEMPTS or error.code not in codes:
                raise
        else:
            return
        wait = yield from rest(wait)


def ddl(sql: str, settings: Mapping[str, str | int] | None = None) -> Routine[None]:
    """Send a statement that changes metadata."""
    command = Command(sql, settings=merged(DDL, settings or {}))
    yield from (send_permissively if is_alter(sql) else send)(command)


def send_permissively(command: Command) -> Routine[None]:
    """Send an ALTER or a CREATE; where it is refused for want of a permissive setting, send it once more with these
    settings.

    A declaration with a suspicious type or codec asks for that, and what is there may have been created that way: with
    every ALTER the engine checks all types and defaults of the table anew. Raises StatementError.
    """
    try:
        yield from send(command)
    except StatementError as error:
        if not (more := (yield from _curing(error, curable))):
            raise
        # Sent once more is safe: the types are checked before anything of the ALTER is done.
        yield from send(replace(command, settings=merged(more, command.settings)))


def insert_permissively(command: Command) -> Routine[None]:
    """Send an INSERT SELECT; where the server refuses it and names a permissive setting, send it once more with these.

    That refusal comes when the types of both tables are looked at, before the first row is read: so nothing is written
    twice. Other refusals may come from a row in the middle. Raises StatementError.
    """
    try:
        yield command
    except StatementError as error:
        if not (more := (yield from _curing(error, names_permissive))):
            raise
        yield replace(command, settings=merged(more, command.settings))


def ask_permissively(query: Query) -> Routine[Rows]:
    """The answer to a query about a table. Where the server refuses a column's type by default (Time on 25.8, an ALIAS
    that is a LowCardinality of a number), it is asked once more with permissive settings. Raises StatementError."""
    try:
        return (yield query)
    except StatementError as error:
        if not (more := (yield from _curing(error, curable))):
            raise
    return (yield replace(query, settings=merged(more, query.settings)))


def _curing(error: StatementError, may_cure: Callable[[StatementError], bool]) -> Routine[dict[str, str | int]]:
    """The permissive settings with which a refused statement is sent once more; none where they would not help."""
    return (yield from permissive("statement")) if may_cure(error) else {}


def ask(sql: str, parameters: Mapping[str, str | int] | None = None) -> Routine[Rows]:
    """Ask the catalogue for rows, on the caller's own session."""
    return (yield Query(sql, parameters or {}))


def drop_table(database: str, name: str, *, sync: bool = False) -> Routine[None]:
    """Drop a table of ours where it is there, whatever its size. ``sync``: its room is free when this returns, not
    minutes later."""
    sql = drop("TABLE", qualified(database, name), if_exists=True, sync=sync)
    try:
        yield from ddl(sql)
    except StatementError as error:
        if error.code != TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT:
            raise
        # The limit protects against typing mistakes; its own setting is unknown to older servers, so it is only sent
        # when met.
        yield from ddl(sql, {"max_table_size_to_drop": 0})


def system_merges(database: str, name: str, action: str) -> Routine[bool]:
    """``SYSTEM <action> db.name`` (STOP MERGES, START TTL MERGES ...); False where the user may not or the table is
    gone."""
    try:
        yield from send(Command(system(action, qualified(database, name))))
    except StatementError as error:
        # Without the right to stop merges the settings of the table alone stop them (``merges``).
        if error.code not in (ACCESS_DENIED, UNKNOWN_TABLE):
            raise
        return False
    return True
