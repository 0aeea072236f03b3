"""The mark of a materialized view that is being put in place: an empty table whose comment says how far that is.

It is made before writers are refused and dropped last, so whoever finds it knows whom to let in again, whether the view is there, and
which rows of its source still have to be brought into its target. Staging tables have names of their own kind: what clears up after a
rebuild leaves them alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from aaiclick.catalog.forms import Settings
from aaiclick.plan.operations import BackfillWork
from aaiclick.routine import Command, Routine, text
from aaiclick.server.names import PREFIX, label
from aaiclick.server.statements import CREATE, DDL, ask, drop_table, merged, send
from aaiclick.sql.hex_text import hexed, size_setting
from aaiclick.sql.quoting import qualified, quote_string

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


_MARK: TypeAdapter[FeedMark] = TypeAdapter(FeedMark)


def feed_name(nonce: str, view: str) -> str:
    """The name of the mark for a view."""
    return f"{MARK_PREFIX}{nonce}_{label(view)}"


def format_of(work: BackfillWork) -> int:
    """The format of the mark for it."""
    return FORMAT if work.fill is not None and work.fill.before else 1


def stage_name(nonce: str, number: int, view: str) -> str:
    """Where one chunk of a fill is made."""
    return f"{STAGE_PREFIX}{nonce}_{number}_{label(view)}"


def stages(database: str, view: str) -> Routine[tuple[str, ...]]:
    """The staging tables of a view's fill, of any run."""
    rows = yield from ask(
        "SELECT name FROM system.tables WHERE database = unhex({db:String}) AND startsWith(name, {prefix:String}) ORDER BY name",
        {"db": hexed(database), "prefix": STAGE_PREFIX},
    )
    own = re.compile(rf"{STAGE_PREFIX}[0-9a-z]+_[0-9]+_{re.escape(label(view))}\Z")
    return tuple(name for name in (text(row[0]) for row in rows) if own.match(name))


def write_feed(database: str, mark: FeedMark) -> Routine[FeedMark]:
    """Make the mark. Raises StatementError 57 where it is there already."""
    sql = f"CREATE TABLE {qualified(database, mark.name)} (`nothing` UInt8) ENGINE = Null COMMENT {_body(mark)}"
    yield from send(Command(sql, settings=merged(CREATE, size_setting(sql))))
    return mark


def update_feed(database: str, mark: FeedMark) -> Routine[FeedMark]:
    """Replace what the mark says; on disk when this returns."""
    sql = f"ALTER TABLE {qualified(database, mark.name)} MODIFY COMMENT {_body(mark)}"
    yield from send(Command(sql, settings=merged(DDL, size_setting(sql))))
    return mark


def drop_feed(database: str, mark: FeedMark) -> Routine[None]:
    """The last thing that is done."""
    yield from drop_table(database, mark.name)


def find_feeds(database: str) -> Routine[tuple[FeedMark | str, ...]]:
    """Every mark of the database by name; the name alone where a newer version of this library wrote it."""
    rows = yield from ask(
        "SELECT name, comment FROM system.tables WHERE database = unhex({db:String}) AND startsWith(name, {prefix:String}) ORDER BY name",
        {"db": hexed(database), "prefix": MARK_PREFIX},
    )
    return tuple(_read(text(name), text(comment)) for name, comment in rows)


def _read(name: str, comment: str) -> FeedMark | str:
    try:
        mark = _MARK.validate_json(comment)
    except ValidationError:
        return name
    return replace(mark, name=name) if mark.format in _FORMATS else name


def _body(mark: FeedMark) -> str:
    return quote_string(_MARK.dump_json(mark).decode())
