"""The mark of a rebuild: an empty table whose comment says what belongs to whom.

It is made before anything else is touched and dropped last, so whoever finds scratch objects of a dead run knows which
storage holds the user's rows, up to which block number they are in the new table, and how to go on. It carries the work
itself: the next run can finish the swap without a plan. A comment is replaced as a whole, so the states never mix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.features import FENCE
from aaiclick.clickhouse.merges import saved_settings
from aaiclick.clickhouse.names import PREFIX, mark_table, shadow_table
from aaiclick.clickhouse.refreshable_views import running_refreshes, stop_refreshes
from aaiclick.clickhouse.statements import ask
from aaiclick.clickhouse.tables import Physical, physical, require_table
from aaiclick.plan.operations import AttachWork, RebuildWork
from aaiclick.routine import Routine, number
from aaiclick.state.comments import CommentFormat, create_commented, drop_commented, replace_comment
from aaiclick.state.definitions import definition_of

MARK_PREFIX = f"{PREFIX}mark_"
FORMAT = 1
CLOSING_FORMAT = 2
"""Of marks whose new table refuses writers across the exchange."""
CONSTRAINT_FORMAT = 3
"""Of marks whose fence is a constraint."""


# Any release may find the mark of any other. A field that is added needs a default. Where an older release would do
# harm without knowing it, the format goes up, and such a release leaves the mark alone.
@dataclass(frozen=True, slots=True)
class Mark:
    """What the next run has to know of a rebuild or an attach to undo it, or to bring it to its end."""

    name: str
    """That of the mark itself: it may have been renamed since."""
    nonce: str
    """Of the run that made it."""
    table: str
    """The user's name of the table."""
    source: str
    """UUID of the storage with the user's rows."""
    work: RebuildWork | AttachWork
    """All that is needed to go on without a plan."""
    saved: Settings
    """The settings of the source before its merges were stopped."""
    shadow_name: str
    """Where the new table is until the exchange, and the old one after it."""
    keep_old_seconds: int = 0
    """How long the old table is kept for a rollback; 0: it is dropped."""
    phase: Literal["copy", "swap"] = "copy"
    """'copy' until the exchange may have happened, then 'swap'."""
    shadow: str = ""
    """UUID of the new storage; '' before it is made."""
    high: int = -1
    """Everything up to this block number of the source is in the new table."""
    rows: int = 0
    """So many rows of parts of the source are in it."""
    filled: str = ""
    """A staging table with late rows, verified: it is moved, never filled again. '' where there is none."""
    filled_high: int = -1
    """The highest block number of the source in it."""
    filled_rows: int = 0
    """So many rows of parts of the source are in it."""
    known: tuple[str, ...] = ()
    """The mutations and patch parts that the source had when it was copied."""
    counts: bool = False
    """The new table keeps block numbers."""
    numbered: bool = False
    """It keeps them because of a setting of ours."""
    copied: int = -1
    """The block of the old table that the copy had reached at the exchange."""
    base: int | None = None
    """The highest block of the new table at that moment; None: not known."""
    back: bool = False
    """The new table is an old one that is put back."""
    back_to: int | None = None
    """The version that it is put back for."""
    top: int = -1
    """The highest block number of the new table when the exchange was about to happen."""
    since: int = 0
    """Server time when the mark was made, Unix seconds."""
    stopped: tuple[str, ...] = ()
    """Refreshable views that are stopped as long as the mark is there."""
    closing: bool = False
    """Materialized views read the table, so the new one refuses writers across the exchange."""
    defined: str = ""
    """What the definition of the source was when the copy began (``definition_of``); '' where nobody looked."""
    detached: tuple[str, ...] = ()
    """Detached parts of the source that go with it: that was allowed by name."""
    own: str = ""
    """UUID of the mark itself: a mark that has another one came with a backup. '' where it has none, or from a run that
    did not come so far."""
    format: int = FORMAT
    """An earlier release, which would not let writers in again, cannot read a mark that closes, or whose fence is a
    constraint."""


# Whoever finds a mark goes on from an exchange that may have happened, or plans anew: nothing is counted once more.
COMMENT = CommentFormat(Mark, frozenset({"own", "defined", "detached"}), frozenset({"looks"}))


def new_mark(
    work: RebuildWork | AttachWork,
    source: Physical,
    nonce: str,
    keep_old_seconds: int,
    detached: tuple[str, ...] = (),
) -> Mark:
    """The mark of work that is about to begin; nothing is sent. ``detached``: parts of the source that may go with
    it."""
    # All names carry the nonce of this run: no run takes what another one has made for its own.
    name = mark_table(nonce, work.table)
    shadow = shadow_table(nonce, work.table)
    saved, defined = saved_settings(source), _defined(source)
    return Mark(
        name, nonce, work.table, source.uuid, work, saved, shadow, keep_old_seconds, defined=defined, detached=detached
    )


def write_mark(database: str, mark: Mark) -> Routine[Mark]:
    """Make the mark. Raises StatementError 57 where it is there already."""
    # Both are read before anything is stopped. By the time, tables are found that somebody made AS this one while its
    # merges were stopped; the views are those that were running, and are started again by whoever ends this.
    rows = yield from ask(
        "SELECT toUnixTimestamp(now()), count() FROM system.merge_tree_settings WHERE name = {name:String}",
        {"name": FENCE},
    )
    now, constrains = number(rows[0][0]), number(rows[0][1]) == 0
    running = yield from running_refreshes(database, mark.table)
    mark = replace(mark, format=CONSTRAINT_FORMAT if constrains else FORMAT)
    mark = replace(mark, since=now, stopped=tuple(dict.fromkeys((*mark.stopped, *running))))
    # The mark goes in before merges or refreshes are stopped: whoever finds one of these stopped finds the mark that
    # says to start it again.
    yield from create_commented(database, mark.name, COMMENT.dump(mark))
    return mark


def update_mark(database: str, mark: Mark) -> Routine[Mark]:
    """Replace what the mark says; on disk when this returns."""
    # Known only once the mark is there: the server gives it its UUID.
    if not mark.own:
        itself = yield from physical(database, mark.name)
        mark = replace(mark, own=itself.uuid if itself is not None else "")
    yield from replace_comment(database, mark.name, COMMENT.dump(mark))
    return mark


def at_rest(database: str, mark: Mark, source: Physical) -> Routine[tuple[Mark, Physical]]:
    """Stop the refreshes that the mark names. One that was under way may have exchanged the table just before: the mark
    is then of the storage that is there now."""
    # Behind the mark, which names the views: whoever finds it after a kill starts them again.
    yield from stop_refreshes(mark.stopped)
    if not mark.stopped:
        return mark, source
    there = yield from require_table(database, mark.table)
    if there.uuid == source.uuid:
        return mark, source
    mark = replace(mark, source=there.uuid, saved=saved_settings(there), defined=_defined(there))
    return (yield from update_mark(database, mark)), there


def _defined(table: Physical) -> str:
    return definition_of(table.created, table.database)


def drop_mark(database: str, mark: Mark) -> Routine[None]:
    """Drop the mark: the last thing that a rebuild does."""
    yield from drop_commented(database, mark.name)


def parse_mark(name: str, comment: str) -> Mark | str:
    """What the comment of a mark says; its name alone where it cannot be read (a newer version of this library wrote
    it)."""
    mark = COMMENT.load(comment)
    return replace(mark, name=name) if mark is not None and FORMAT <= mark.format <= CONSTRAINT_FORMAT else name
