"""The mark of a materialized view that is being put in place: an empty table whose comment says how far that is.

It is made before writers are refused and dropped last, so whoever finds it knows whom to let in again, whether the view is there, and
which rows of its source still have to be brought into its target. Staging tables have names of their own kind: what clears up after a
rebuild leaves them alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from aaiclick.catalog.forms import Settings
from aaiclick.plan.operations import BackfillWork
from aaiclick.routine import Routine
from aaiclick.server.names import PREFIX, label
from aaiclick.server.statements import drop_table
from aaiclick.state.comments import CommentFormat, create_commented, replace_comment

MARK_PREFIX = f"{PREFIX}feed_"
STAGE_PREFIX = f"{PREFIX}fed_"
FORMAT = 2
_FORMATS = (1, FORMAT)
"""Of the second only those make use that fill by a view's whole query: an older version, which knows no such fill, leaves them alone."""


@dataclass(frozen=True, slots=True)
class FeedMark:
    """``sources`` are the UUIDs of the tables whose writers are refused, in the order of the work's. ``phase``: 'closing' until all of them
    are, then 'opening' while the first ``sent`` statements of the work are through, then 'open': writers go on and the fill
    is made. 'filled': it is complete, and merges may go on, after which nobody could tell which rows it has brought.

    ``fenced``: writers are refused, nobody had to vouch that there are none. ``saved``: settings of the fill's source before its merges were
    held. ``high``: the highest block number of that source before the view was there. Everything up to block ``done`` is in the target;
    ``filled`` is a staging table with what comes up to block ``filled_high``, which is moved and never filled again.
    """

    name: str
    nonce: str
    work: BackfillWork
    sources: tuple[str, ...]
    fenced: bool
    saved: Settings = ()
    phase: Literal["closing", "opening", "open", "filled"] = "closing"
    sent: int = 0
    high: int = -1
    done: int = -1
    filled: str = ""
    filled_high: int = -1
    format: int = 1


COMMENT = CommentFormat(FeedMark)


def feed_name(nonce: str, view: str) -> str:
    """The name of the mark for a view."""
    return f"{MARK_PREFIX}{nonce}_{label(view)}"


def format_of(work: BackfillWork) -> int:
    """The format of the mark for it."""
    return FORMAT if work.fill is not None and work.fill.before else 1


def stage_name(nonce: str, number: int, view: str) -> str:
    """Where one chunk of a fill is made."""
    return f"{STAGE_PREFIX}{nonce}_{number}_{label(view)}"


def is_stage_of(name: str, view: str) -> bool:
    """Whether it is the name of a staging table of a view's fill, of any run."""
    return re.match(rf"{STAGE_PREFIX}[0-9a-z]+_[0-9]+_{re.escape(label(view))}\Z", name) is not None


def write_feed(database: str, mark: FeedMark) -> Routine[FeedMark]:
    """Make the mark. Raises StatementError 57 where it is there already."""
    yield from create_commented(database, mark.name, COMMENT.dump(mark))
    return mark


def update_feed(database: str, mark: FeedMark) -> Routine[FeedMark]:
    """Replace what the mark says; on disk when this returns."""
    yield from replace_comment(database, mark.name, COMMENT.dump(mark))
    return mark


def drop_feed(database: str, mark: FeedMark) -> Routine[None]:
    """The last thing that is done."""
    yield from drop_table(database, mark.name)


def parse_feed(name: str, comment: str) -> FeedMark | str:
    """What the comment of a mark says; its name alone where a newer version of this library wrote it."""
    mark = COMMENT.load(comment)
    return replace(mark, name=name) if mark is not None and mark.format in _FORMATS else name
