"""The mark of a materialized view that is being put in place: an empty table whose comment says how far that is.

It is made before writers are refused and dropped last, so whoever finds it knows whom to let in again, whether the view
is there, and which rows of its source still have to be brought into its target. Staging tables have names of their own
kind: what clears up after a rebuild leaves them alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.features import has_readonly_setting
from aaiclick.clickhouse.names import PREFIX, label
from aaiclick.clickhouse.tables import physical
from aaiclick.plan.operations import BackfillWork
from aaiclick.routine import Routine
from aaiclick.sql.cluster import head_of
from aaiclick.state.comments import CommentFormat, create_commented, drop_commented, replace_comment

# These names stand in databases, so they stay as they are.
MARK_PREFIX = f"{PREFIX}feed_"
STAGE_PREFIX = f"{PREFIX}fed_"
FORMAT = 2
"""Of those that fill by a view's whole query: an older version, which knows no such fill, leaves them alone."""
CONSTRAINT_FORMAT = 3
"""Of those whose fence is a constraint: an older version, which would not lift it, leaves them alone."""


@dataclass(frozen=True, slots=True)
class BackfillMark:
    """How far a view is put in place."""

    name: str
    """That of the mark itself."""
    nonce: str
    """Of the run that made it."""
    work: BackfillWork
    """All that is needed to go on without a plan."""
    sources: tuple[str, ...]
    """UUIDs of the tables whose writers are refused, in the order of the work's."""
    fenced: bool
    """Writers are refused; else somebody vouched that there are none."""
    saved: Settings = ()
    """The settings of the fill's source before its merges were stopped."""
    phase: Literal["closing", "opening", "open", "filled"] = "closing"
    """'closing' until writers of all sources are refused, 'opening' while statements of the work are sent, 'open':
    writers go on and the fill is made. 'filled': it is complete, and merges may go on, after which nobody could tell
    which rows it has brought."""
    sent: int = 0
    """So many statements of the work are through."""
    high: int = -1
    """The highest block number of the fill's source before the view was there."""
    done: int = -1
    """Everything up to this block is in the target."""
    filled: str = ""
    """A staging table with what comes behind that, which is moved and never filled again; '' where there is none."""
    filled_high: int = -1
    """The highest block in it."""
    own: str = ""
    """UUID of the mark itself: a mark that has another one came with a backup. '' where it has none."""
    format: int = 1
    """See ``mark_format``."""


COMMENT = CommentFormat(BackfillMark, frozenset({"own"}))


def backfill_mark_name(nonce: str, view: str) -> str:
    """The name of the mark for a view."""
    return f"{MARK_PREFIX}{nonce}_{label(view)}"


def mark_format(work: BackfillWork) -> int:
    """By what an older version has to know to finish it: 1, or ``FORMAT``."""
    return FORMAT if work.fill is not None and work.fill.before else 1


def renamed_by(work: BackfillWork) -> tuple[str, str] | None:
    """Old and new name of the table that the work renames first of all; None where it renames none."""
    head = head_of(work.statements[0]) if work.statements else None
    return (head.names[0][-1], head.names[1][-1]) if head is not None and head.verb == "RENAME" else None


def stage_name(nonce: str, number: int, view: str) -> str:
    """Where one chunk of a fill is made."""
    return f"{STAGE_PREFIX}{nonce}_{number}_{label(view)}"


def is_stage_of(name: str, nonce: str, view: str) -> bool:
    """Whether it is the name of a staging table of the fill of a view that has a mark with this nonce."""
    return re.match(rf"{STAGE_PREFIX}{re.escape(nonce)}_[0-9]+_{re.escape(label(view))}\Z", name) is not None


def write_backfill_mark(database: str, mark: BackfillMark) -> Routine[BackfillMark]:
    """Make the mark. Raises StatementError 57 where it is there already."""
    if not (yield from has_readonly_setting()):
        mark = replace(mark, format=CONSTRAINT_FORMAT)
    yield from create_commented(database, mark.name, COMMENT.dump(mark))
    return (yield from update_backfill_mark(database, mark))


def update_backfill_mark(database: str, mark: BackfillMark) -> Routine[BackfillMark]:
    """Replace what the mark says; on disk when this returns."""
    # Known only once the mark is there: the server gives it its UUID.
    if not mark.own:
        itself = yield from physical(database, mark.name)
        mark = replace(mark, own=itself.uuid if itself is not None else "")
    yield from replace_comment(database, mark.name, COMMENT.dump(mark))
    return mark


def drop_backfill_mark(database: str, mark: BackfillMark) -> Routine[None]:
    """The last thing that is done."""
    yield from drop_commented(database, mark.name)


def parse_backfill_mark(name: str, comment: str) -> BackfillMark | str:
    """What the comment of a mark says; its name alone where a newer version of this library wrote it."""
    mark = COMMENT.load(comment)
    return replace(mark, name=name) if mark is not None and 1 <= mark.format <= CONSTRAINT_FORMAT else name
