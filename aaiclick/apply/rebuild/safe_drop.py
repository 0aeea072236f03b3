"""Tables of a rebuild are dropped under a name that no other run knows.

A run that was paused for longer than its lease may still send the statement that it was about to send: an EXCHANGE,
which puts the user's rows under the name of the new table, or a RENAME. It may come after any look at that name, and a
DROP by that name would then drop the rows. So the table gets a new name first; a belated EXCHANGE or RENAME then fails
on a missing table. Under the new name nobody else can change it: there its UUID and its parts are looked at, and only
then is it dropped.

    RENAME new -> taken, look at the UUID (and the parts), DROP taken
           |                 |
           |                 a kill here: the next run finds both storages of the mark by UUID (``take_over_mark``)
           a belated EXCHANGE before it: the user's rows are in "taken", and stay there until the mark names it;
           after it: refused

The user's rows are not given their old name back: that could be in use by then, and the mark is written anew in one
step.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from aaiclick.clickhouse.names import mark_table, parse_name, taken_table
from aaiclick.clickhouse.statements import ddl, drop_table
from aaiclick.clickhouse.storages import storage
from aaiclick.clickhouse.tables import Physical, physical
from aaiclick.error_codes import UNKNOWN_TABLE
from aaiclick.errors import ApplyError, StatementError
from aaiclick.routine import Nonce, Routine, text
from aaiclick.sql.ddl import rename_table
from aaiclick.sql.quoting import qualified
from aaiclick.state.owned import read_owned
from aaiclick.state.rebuild_mark import Mark, update_mark

_TRIES = 5
"""How often a table is followed that somebody else renames at the same time."""


class BelatedError(ApplyError):
    """An EXCHANGE or RENAME of a run that had lost its lease came while its mark was settled. Nothing is lost, but the
    tables have to be looked at anew."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"{table}: a statement of a run that had lost its lease came in between. Nothing is lost. Run again: "
            "that puts it right"
        )


def is_taken(table: Physical | None, database: str) -> bool:
    """Whether a run renamed this storage to drop it, and was ended before the DROP."""
    ours = parse_name(table.name) if table is not None and table.database == database else None
    return ours is not None and ours.kind == "taken"


def rename_away(database: str, mark: Mark, name: str, uuid: str) -> Routine[Physical | None]:
    """Rename a table of the mark to a name that nobody else knows; the table, or None where nothing had the name.

    ``uuid``: finds the storage where another run, paused in this very function, renames it only now. Raises ApplyError
    where somebody else renames it again and again.
    """
    for _ in range(_TRIES):
        # Drawn for each try: a name that was used once may be known to another run by then.
        away = taken_table(text((yield Nonce(signed=True))[0][0]), mark.table)
        try:
            yield from ddl(rename_table(qualified(database, name), qualified(database, away)))
        except StatementError as error:
            if error.code != UNKNOWN_TABLE:
                raise
            # Nothing has the name. It was dropped, or a run that was paused in this function has just renamed it: the
            # UUID tells.
            there = yield from storage(database, uuid)
            if there is None or not is_taken(there, database):
                return None
            name = there.name
        else:
            return (yield from physical(database, away))
    raise ApplyError(f"{mark.table}: {name} is renamed all the time by somebody else. Run again")


def find_shadow(database: str, mark: Mark) -> Routine[Physical | None]:
    """The table under the new table's name; where there is none, the new table that a run has renamed to drop it."""
    there = yield from physical(database, mark.shadow_name)
    if there is not None:
        return there
    taken = yield from storage(database, mark.shadow)
    return taken if is_taken(taken, database) else None


def is_shadow(mark: Mark, table: Physical) -> bool:
    """Whether this is the new table, which may be dropped. During the copy the mark may not have its UUID yet."""
    return table.uuid == mark.shadow or (mark.phase == "copy" and table.uuid != mark.source)


def drop_shadow(database: str, mark: Mark, *, sync: bool = False) -> Routine[None]:
    """Drop the new table, whose run may send its EXCHANGE at any moment. Raises BelatedError where that came first."""
    # Not by DROP of the shadow's name: a late EXCHANGE may have put the user's rows under it. A RENAME can be looked at
    # before anything is lost.
    taken = yield from _shadow_away(database, mark)
    if taken is not None:
        yield from drop_table(database, taken.name, sync=sync)


def put_shadow_away(database: str, mark: Mark) -> Routine[None]:
    """Before writers are let in and merges go on: a paused run's EXCHANGE would put a new table in place that lacks
    what they write, and parts that were merged meanwhile cannot be told apart. It fails on a missing table then.

    Where the new table cannot be renamed it stays: to let writers in is more urgent. Raises BelatedError as
    ``drop_shadow``.
    """
    there = yield from find_shadow(database, mark)
    # In phase ``copy`` no EXCHANGE was sent yet: the mark says ``swap`` before that.
    if mark.phase == "swap" and there is not None and not is_taken(there, database):
        with suppress(StatementError):
            yield from _shadow_away(database, mark)


def _shadow_away(database: str, mark: Mark) -> Routine[Physical | None]:
    """The new table under a name that nobody else knows; None where it is gone. Raises BelatedError where another one
    had its name."""
    taken = yield from rename_away(database, mark, mark.shadow_name, mark.shadow)
    if taken is None or is_shadow(mark, taken):
        return taken
    if taken.uuid != mark.source:
        # Somebody else's table, which the exchange put here: it gets the name back by which the mark finds it.
        yield from ddl(rename_table(qualified(database, taken.name), qualified(database, mark.shadow_name)))
    raise BelatedError(mark.table)


def rename_old_away(database: str, mark: Mark, old: Physical) -> Routine[Physical]:
    """The storage that was replaced, under a name that nobody else knows. Raises ApplyError where it is not there any
    more."""
    taken = yield from rename_away(database, mark, old.name, old.uuid)
    if taken is None or taken.uuid != old.uuid:
        raise ApplyError(
            f"{mark.table}: its old table {old.name} was renamed or dropped by somebody else meanwhile. Run again: "
            "that goes on from where it is"
        )
    return taken


def take_over_mark(database: str, mark: Mark) -> Routine[Mark | None]:
    """Rename the mark of a run that is over, so that only this run can write it; None where that run has finished.

    Whatever the other run still writes into the mark fails on a missing table then. Otherwise late rows that were moved
    already could be moved a second time. The mark is read after the rename, and gets the present name of a storage that
    a run has renamed to drop it. Raises ApplyError where somebody else renames the mark again and again.
    """
    for _ in range(_TRIES):
        ours = mark_table(text((yield Nonce(signed=True))[0][0]), mark.table)
        try:
            yield from ddl(rename_table(qualified(database, mark.name), qualified(database, ours)))
        except StatementError as error:
            if error.code != UNKNOWN_TABLE:
                raise
            # Its run has dropped it meanwhile, or another run that was paused here has renamed it.
            same = [
                found
                for found in (yield from read_owned(database)).marks()
                if isinstance(found, Mark) and found.nonce == mark.nonce and found.table == mark.table
            ]
            if not same:
                return None
            mark = same[0]
        else:
            return (yield from _readdressed(database, ours))
    raise ApplyError(f"{mark.table}: its mark {mark.name} is renamed all the time by somebody else. Run again")


def _readdressed(database: str, name: str) -> Routine[Mark | None]:
    mark = next(
        (
            found
            for found in (yield from read_owned(database)).marks()
            if isinstance(found, Mark) and found.name == name
        ),
        None,
    )
    if mark is None:
        return None
    # The run before may have renamed one of them to drop it, and not have come to the DROP.
    for uuid in (mark.source, mark.shadow):
        there = yield from storage(database, uuid)
        if there is not None and is_taken(there, database):
            return (yield from update_mark(database, replace(mark, shadow_name=there.name)))
    return mark
