"""What an interrupted run still does: let writers in again and give the lease back. The rest is for the next run."""

from __future__ import annotations

from aaiclick.apply.feed import let_in
from aaiclick.apply.fence import lift_fence
from aaiclick.apply.hold import FENCE
from aaiclick.apply.holding import Lease, check, release
from aaiclick.apply.mark import Mark, find_marks
from aaiclick.apply.storages import storage
from aaiclick.errors import AaiclickError
from aaiclick.events import Note
from aaiclick.routine import Emit, Routine

SENTENCE = "interrupted: nothing is lost, the next run goes on from here"


def let_go(lease: Lease) -> Routine[None]:
    """Lift the fences that this run may have put up, and release its lease; best effort, under a driver that allows a few seconds.

    A statement that still runs on a server is ended by the next holder of the lease before that does anything else. The fence may be
    lifted at any point: before the exchange the rows of writers are in the table that stays, after it they are brought across by block
    number.
    """
    try:
        yield from check(lease)
        for mark in (yield from find_marks(lease.database)):
            if isinstance(mark, Mark):
                yield from _lift(lease.database, mark)
        yield from let_in(lease.database)
        yield from release(lease)
    except AaiclickError as error:
        yield Emit(Note(f"{SENTENCE} ({error})", "warning"))
    else:
        yield Emit(Note(SENTENCE, "warning"))


def _lift(database: str, mark: Mark) -> Routine[None]:
    table = yield from storage(database, mark.source)
    if table is not None and table.name in (mark.table, mark.shadow_name) and f"{FENCE} = " in table.definition:
        yield from lift_fence(table)
