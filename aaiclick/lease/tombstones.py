"""How one incarnation of the lock ends, and what is left of it.

There is no compare-and-drop in ClickHouse: DROP and RENAME act on whatever has the name now. So an incarnation ends,
by release as well as by takeover, with a RENAME of the lock to the tombstone name of that incarnation. A contender that
is late by one incarnation finds the tombstone in its way (code 57) and cannot carry off its successor's lock. With DROP
as the release there is no such obstacle, and mutual exclusion breaks.

A tombstone therefore outlives every contender that may still believe in its incarnation: ``RETENTION`` lease times,
counted from a mark made after the RENAME. For one that comes later still, ``end_lock`` looks at what it has renamed and
puts it back; and whoever acquires a lease first ends every statement of other holders (``end_former_statements``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from aaiclick.error_codes import TABLE_ALREADY_EXISTS, UNKNOWN_TABLE
from aaiclick.errors import OutcomeUnknownError, StatementError
from aaiclick.lease.late_cache import shut_out
from aaiclick.lease.lock import Holder, newest_beats, parse_holder, tagged
from aaiclick.lease.names import LOCK, TOMBSTONE_PREFIX, nonce_of_tombstone, tombstone
from aaiclick.routine import Command, Query, Routine, Scalar, number, text
from aaiclick.sql.clauses import modify_comment
from aaiclick.sql.ddl import alter_table, drop, rename_table
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified

LeaseRow: TypeAlias = tuple[str, str, str]
"""Name, comment and UUID of a table of the lease, as the catalogue shows them: only this package reads them."""

RETENTION = 10
"""Lease times that a tombstone is kept."""


def end_lock(database: str, nonce: str, by: str) -> Routine[int | None]:
    """End the incarnation ``nonce``. The server's time after the RENAME, or None where someone else had ended it.

    ``by`` is the nonce the statement is tagged with. Raises OutcomeUnknownError where the answer was lost and the lock
    is not seen to be ended: it is never sent again, since the first one may still come.
    """
    lost: OutcomeUnknownError | None = None
    lock, ended = qualified(database, LOCK), qualified(database, tombstone(nonce))
    try:
        yield Command(tagged(by, rename_table(lock, ended)))
    except OutcomeUnknownError as error:
        # Only the answer is missing: the tombstone tells.
        lost = error
    except StatementError as error:
        if error.code not in (TABLE_ALREADY_EXISTS, UNKNOWN_TABLE):
            raise
        return None
    rows = yield _tables("name = {name:String}", database, tombstone(nonce))
    if lost is not None and not rows:
        raise lost
    if rows:
        _, comment, uuid, now = rows[0]
        if parse_holder(text(comment), text(uuid)).nonce == nonce:
            return number(now)
        # The tombstone had been collected already and this was a successor's lock. Its holder stops at its next check
        # if it looks just now; a contender may even have made a new lock, then this one is over.
        yield from _forgiving(Command(tagged(by, rename_table(ended, lock))))
    return None


def drop_tombstone(database: str, nonce: str) -> Routine[None]:
    """Drop a tombstone at once. Only for an incarnation that no contender can have seen expired."""
    yield Command(tagged(nonce, drop("TABLE", qualified(database, tombstone(nonce)), if_exists=True)))


def collect(database: str, seconds: float, by: str) -> Routine[None]:
    """Mark new tombstones, drop those marked more than ``RETENTION`` lease times ago (the longer of theirs and
    ``seconds``)."""
    rows = yield _tables("startsWith(name, {name:String})", database, TOMBSTONE_PREFIX)
    listed = [(text(name), text(comment), text(uuid)) for name, comment, uuid, _ in rows]
    if rows:
        # Before their tombstones are marked: a marked one counts as shut out.
        yield from shut_out(database, former_runs(listed), buried_runs(listed), by)
        yield from collect_listed(database, listed, number(rows[0][3]), seconds, by)


def former_runs(tombstones: Sequence[LeaseRow]) -> tuple[str, ...]:
    """The nonces of those that nobody has marked yet: what their runs send late is not kept out yet."""
    holders = (_read((name, comment, uuid, 0))[1] for name, comment, uuid in tombstones)
    return tuple(holder.nonce for holder in holders if holder is not None and holder.ended is None)


def buried_runs(tombstones: Sequence[LeaseRow]) -> frozenset[str]:
    """The nonces of all that have a tombstone, marked or not."""
    return frozenset(nonce for name, _, _ in tombstones if (nonce := nonce_of_tombstone(name)) is not None)


def collect_listed(
    database: str, tombstones: Sequence[LeaseRow], now: int, seconds: float, by: str = ""
) -> Routine[None]:
    """The same for tombstones that were read already. ``now``: when, by the server's clock; Unix milliseconds.

    ``by``: the nonce the statements are tagged with; '' under the guard of the lease, which tags them itself.
    """
    for name, comment, uuid in tombstones:
        _, holder, _ = _read((name, comment, uuid, now))
        if holder is None:
            continue
        table = qualified(database, name)
        if holder.ended is None:
            # Marked now and dropped later: until then a late contender finds this name taken, and cannot rename the
            # lock.
            ended = replace(holder, ended=now).comment()
            yield from _forgiving(_command(by, alter_table(table, modify_comment(ended))))
        elif now - holder.ended > RETENTION * 1000 * max(holder.seconds, seconds):
            yield from _forgiving(_command(by, drop("TABLE", table, if_exists=True)))


def _command(by: str, sql: str) -> Command:
    return Command(tagged(by, sql) if by else sql)


def last_collection(tombstones: Sequence[LeaseRow], now: int, seconds: float) -> int | None:
    """When ``collect`` would drop the last of these tombstones, in Unix seconds by the server's clock; None for none.

    ``now``: when they were read, in Unix milliseconds.
    """
    ends: list[int] = []
    for name, comment, uuid in tombstones:
        _, holder, _ = _read((name, comment, uuid, now))
        if holder is not None:
            ended = now if holder.ended is None else holder.ended
            ends.append(int(ended + RETENTION * 1000 * max(holder.seconds, seconds)) // 1000 + 1)
    return max(ends, default=None)


def own_collection(database: str, nonce: str) -> Routine[int | None]:
    """The same for the lock of a run that is about to release it. None where all heartbeats were in time: then no
    tombstone stays."""
    beats = yield from newest_beats(database, nonce)
    if not beats or not beats[0].late:
        return None
    return int(beats[0].at / 1000 + (RETENTION + 1) * beats[0].seconds) + 1


def _read(row: tuple[Scalar, ...]) -> tuple[str, Holder | None, int]:
    name, comment, uuid, now = text(row[0]), text(row[1]), text(row[2]), number(row[3])
    nonce = nonce_of_tombstone(name)
    if nonce is None:
        return name, None, now
    # The name decides: a comment that is no longer ours must not keep its tombstone alive for ever.
    return name, replace(parse_holder(comment, uuid), nonce=nonce), now


def _tables(condition: str, database: str, name: str) -> Query:
    return Query(
        "SELECT name, comment, toString(uuid), toUnixTimestamp64Milli(now64(3)) FROM system.tables"
        f" WHERE database = unhex({{database:String}}) AND {condition}",
        {"database": hexed(database), "name": name},
    )


def _forgiving(command: Command) -> Routine[None]:
    """Others may have collected or renamed the same table in the meantime."""
    try:
        yield command
    except StatementError as error:
        if error.code not in (TABLE_ALREADY_EXISTS, UNKNOWN_TABLE):
            raise
