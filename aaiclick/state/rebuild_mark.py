"""The mark of a rebuild: an empty table whose comment says what belongs to whom.

It is made before anything else is touched and dropped last, so whoever finds scratch objects of a dead run knows which storage holds
the user's rows, up to which block number they are in the new table, and how to go on. It carries the work itself: the next run can
finish the swap without a plan. A comment is replaced as a whole, so the states never mix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from aaiclick.catalog.forms import Settings
from aaiclick.plan.operations import AttachWork, RebuildWork
from aaiclick.routine import Routine, number
from aaiclick.server.merges import originals
from aaiclick.server.names import PREFIX, mark_table, shadow_table
from aaiclick.server.refreshable_views import running_refreshes, stop_refreshes
from aaiclick.server.statements import ask, drop_table
from aaiclick.server.tables import Physical, need
from aaiclick.state.comments import CommentFormat, create_commented, replace_comment

MARK_PREFIX = f"{PREFIX}mark_"
FORMAT = 1
CLOSING_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """``source`` is the UUID of the storage with the user's rows, ``shadow`` that of the new one ('' before it is made).

    ``phase``: 'copy' until the exchange may have happened, then 'swap'. ``high``: everything up to this block number of the source is in
    the new table, which is ``rows`` rows of its parts. ``filled``: a staging table with the rows of ``filled_rows`` rows of parts up to
    ``filled_high``, verified; it is moved, never filled again. ``saved``: the settings of the source before it was held. ``known``: the
    mutations and patch parts it had when it was copied. ``counts``: the new table keeps block numbers, ``numbered``: because of a setting of
    ours; at the exchange the copy had reached block ``copied`` of the old table and block ``base`` of the new one (None: not known).
    ``back``: the new table is an old one that is put back, on the way to version ``back_to``. ``top``: the highest block number of the new table
    when the exchange was about to happen. ``since``: server time when the mark was made, Unix seconds. ``stopped``: refreshable views that are
    stopped as long as the mark is there. ``closing``: materialized views read the table, so the new one refuses writers across the exchange; an
    earlier release, which would not let them in again, cannot read such a mark (``format``).
    """

    name: str
    nonce: str
    table: str
    source: str
    work: RebuildWork | AttachWork
    saved: Settings
    shadow_name: str
    keep_old_seconds: int = 0
    phase: Literal["copy", "swap"] = "copy"
    shadow: str = ""
    high: int = -1
    rows: int = 0
    filled: str = ""
    filled_high: int = -1
    filled_rows: int = 0
    known: tuple[str, ...] = ()
    counts: bool = False
    numbered: bool = False
    copied: int = -1
    base: int | None = None
    back: bool = False
    back_to: int | None = None
    top: int = -1
    since: int = 0
    stopped: tuple[str, ...] = ()
    closing: bool = False
    format: int = FORMAT


COMMENT = CommentFormat(Mark)


def new_mark(work: RebuildWork | AttachWork, source: Physical, nonce: str, keep_old_seconds: int) -> Mark:
    """The mark of work that is about to begin; nothing is sent."""
    name = mark_table(nonce, work.table)
    shadow = shadow_table(nonce, work.table)
    return Mark(name, nonce, work.table, source.uuid, work, originals(source), shadow, keep_old_seconds)


def write_mark(database: str, mark: Mark) -> Routine[Mark]:
    """Make the mark. Raises StatementError 57 where it is there already."""
    rows = yield from ask("SELECT toUnixTimestamp(now())")
    running = yield from running_refreshes(database, mark.table)
    mark = replace(mark, since=number(rows[0][0]), stopped=tuple(dict.fromkeys((*mark.stopped, *running))))
    yield from create_commented(database, mark.name, COMMENT.dump(mark))
    return mark


def update_mark(database: str, mark: Mark) -> Routine[Mark]:
    """Replace what the mark says; on disk when this returns."""
    yield from replace_comment(database, mark.name, COMMENT.dump(mark))
    return mark


def at_rest(database: str, mark: Mark, source: Physical) -> Routine[tuple[Mark, Physical]]:
    """Stop the refreshes that the mark names. One that was under way may have exchanged the table just before: the mark is then of the storage
    that is there now."""
    yield from stop_refreshes(mark.stopped)
    if not mark.stopped:
        return mark, source
    there = yield from need(database, mark.table)
    if there.uuid == source.uuid:
        return mark, source
    return (yield from update_mark(database, replace(mark, source=there.uuid, saved=originals(there)))), there


def drop_mark(database: str, mark: Mark) -> Routine[None]:
    """The last thing a rebuild does."""
    yield from drop_table(database, mark.name)


def parse_mark(name: str, comment: str) -> Mark | str:
    """What the comment of a mark says; its name alone where it cannot be read (a newer version of this library wrote it)."""
    mark = COMMENT.load(comment)
    return replace(mark, name=name) if mark is not None and mark.format in (FORMAT, CLOSING_FORMAT) else name
