"""Room on the server's disk for the text of a definition."""

from __future__ import annotations

from aaiclick.error_codes import NOT_ENOUGH_SPACE
from aaiclick.errors import StatementError
from aaiclick.routine import Query, Routine, number

ROOM = 1 << 20
"""Bytes that have to be free before a definition is written anew."""
FREE = "SELECT toUInt64(least(free_space, 1000000000000)) FROM system.disks WHERE name = 'default'"
"""Asks for the free bytes of the disk that holds the definitions."""


def no_room(asked: Query) -> Routine[StatementError | None]:
    """The error for a disk that is full; None where there is room, or where the user may not ask. ``asked``: ``FREE``,
    as it is to be sent."""
    try:
        rows = yield asked
    except StatementError:
        return None
    free = number(rows[0][0]) if rows else ROOM
    if free >= ROOM:
        return None
    message = (
        f"disk default has {free:,} bytes left, and a definition is only written if {ROOM:,} are "
        "free: make room and run again"
    )
    return StatementError(message, NOT_ENOUGH_SPACE, "NOT_ENOUGH_SPACE")


def require_room_for_definitions() -> Routine[None]:
    """Raise ``StatementError`` where the disk with the definitions is full. Who may not ask goes on."""
    error = yield from no_room(Query(FREE))
    if error is not None:
        raise error
