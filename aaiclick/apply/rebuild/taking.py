"""Tables of a rebuild are dropped under a name that no other run knows.

Behind any look at a name a run that was paused for longer than its lease may still send what it was about to: an EXCHANGE, which puts the user's
rows under the name of the new table, or a RENAME. A DROP by that name would take the rows along. So the table is first given a name of its own, and
a belated EXCHANGE or RENAME fails on a missing table; what it is, and what is in it, is looked at under that name, where nobody can change it any
more; and only then is it dropped.

    RENAME new -> taken, look at the UUID (and the parts), DROP taken
           |                 |
           |                 a kill here: the next run finds both storages of the mark by UUID, and has the mark follow (``followed``)
           a belated EXCHANGE before it: the user's rows are in "taken", and stay there until the mark has followed; behind it: refused

The user's rows are not given their old name back: that could be in use by then, and the mark is written anew in one step.
"""

from __future__ import annotations

from dataclasses import replace

from aaiclick.error_codes import UNKNOWN_TABLE
from aaiclick.errors import ApplyError, StatementError
from aaiclick.routine import Nonce, Routine, text
from aaiclick.server.names import mark_table, parse_name, taken_table
from aaiclick.server.statements import ddl, drop_table
from aaiclick.server.storages import storage
from aaiclick.server.tables import Physical, physical
from aaiclick.sql.ddl import rename_table
from aaiclick.sql.quoting import qualified
from aaiclick.state.owned import read_owned
from aaiclick.state.rebuild_mark import Mark, update_mark

_TRIES = 5


class BelatedError(ApplyError):
    """What a run sent that had lost its lease, an EXCHANGE or a RENAME, came while its mark was settled: it has to be looked at anew. Nothing is lost."""

    def __init__(self, table: str) -> None:
        super().__init__(f"{table}: a statement of a run that had lost its lease came in between. Nothing is lost. Run again: that puts it right")


def is_taken(table: Physical | None, database: str) -> bool:
    """Whether a run took this storage away to drop it, and did not come to that."""
    ours = parse_name(table.name) if table is not None and table.database == database else None
    return ours is not None and ours.kind == "taken"


def take(database: str, mark: Mark, name: str, uuid: str) -> Routine[Physical | None]:
    """Give a table of the mark a name that nobody else knows; what was under the name, or None where there was nothing.

    ``uuid``: where another run was paused in here, and took the storage away only now, it is found by that.
    """
    for _ in range(_TRIES):
        away = taken_table(text((yield Nonce(signed=True))[0][0]), mark.table)
        try:
            yield from ddl(rename_table(qualified(database, name), qualified(database, away)))
        except StatementError as error:
            if error.code != UNKNOWN_TABLE:
                raise
            there = yield from storage(database, uuid)
            if there is None or not is_taken(there, database):
                return None
            name = there.name
        else:
            return (yield from physical(database, away))
    raise ApplyError(f"{mark.table}: {name} is renamed all the time by somebody else. Run again")


def find_new(database: str, mark: Mark) -> Routine[Physical | None]:
    """What the new table's name holds; where it holds nothing, the new table that somebody took away to drop it."""
    there = yield from physical(database, mark.shadow_name)
    if there is not None:
        return there
    taken = yield from storage(database, mark.shadow)
    return taken if is_taken(taken, database) else None


def is_new(mark: Mark, table: Physical) -> bool:
    """Whether this is the new table, which may be dropped. As long as it is put together it may be one that the mark does not know yet."""
    return table.uuid == mark.shadow or (mark.phase == "copy" and table.uuid != mark.source)


def discard(database: str, mark: Mark, *, sync: bool = False) -> Routine[None]:
    """Drop the new table, whose run may send its EXCHANGE at any moment. Raises BelatedError where that came first."""
    taken = yield from take(database, mark, mark.shadow_name, mark.shadow)
    if taken is None:
        return
    if is_new(mark, taken):
        yield from drop_table(database, taken.name, sync=sync)
        return
    if taken.uuid != mark.source:
        # Somebody else's table, that the exchange met: its mark knows it by the name of the new one.
        yield from ddl(rename_table(qualified(database, taken.name), qualified(database, mark.shadow_name)))
    raise BelatedError(mark.table)


def take_old(database: str, mark: Mark, old: Physical) -> Routine[Physical]:
    """The storage that was replaced, under a name that nobody else knows. Raises ApplyError where it is not there any more."""
    taken = yield from take(database, mark, old.name, old.uuid)
    if taken is None or taken.uuid != old.uuid:
        raise ApplyError(f"{mark.table}: its old table {old.name} was renamed or dropped by somebody else meanwhile. Run again: that goes on from where it is")
    return taken


def followed(database: str, mark: Mark) -> Routine[Mark | None]:
    """The mark of a run that is over, taken over by this one; None where its run came to the end of it after all.

    It gets a name of this run first: what the other one still writes into it fails on a missing table, and would else have late rows that were moved
    already moved once more. Then it is read, and follows a storage that somebody took away to drop it.
    """
    for _ in range(_TRIES):
        ours = mark_table(text((yield Nonce(signed=True))[0][0]), mark.table)
        try:
            yield from ddl(rename_table(qualified(database, mark.name), qualified(database, ours)))
        except StatementError as error:
            if error.code != UNKNOWN_TABLE:
                raise
            # Its run dropped it only now, or another one that was paused here took it over.
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
    mark = next((found for found in (yield from read_owned(database)).marks() if isinstance(found, Mark) and found.name == name), None)
    if mark is None:
        return None
    for uuid in (mark.source, mark.shadow):
        there = yield from storage(database, uuid)
        if there is not None and is_taken(there, database):
            return (yield from update_mark(database, replace(mark, shadow_name=there.name)))
    return mark
