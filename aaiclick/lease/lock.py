"""The lock table of a database, its holder, and the heartbeats.

The lock is a table named ``_aaiclick_lock`` (engine Null, 1 ms): ``CREATE TABLE`` without ``IF NOT EXISTS`` has exactly
one winner, every other contender gets code 57. Its comment, written by the same statement, says whose it is: the nonce
of this incarnation, the process, the length of the lease and the server's time before the CREATE.

Heartbeats are rows of an append-only table keyed by the nonce: written by name into the lock's comment, a late one
would overwrite a successor's. All times are the server's, in Unix milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from aaiclick.clickhouse.messages import in_the_way
from aaiclick.error_codes import TABLE_ALREADY_EXISTS, UNKNOWN_TABLE
from aaiclick.errors import OutcomeUnknownError, StatementError
from aaiclick.lease.names import BEATS, LOCK
from aaiclick.lease.owner import Owner
from aaiclick.routine import Command, Query, Routine, number, text
from aaiclick.sql.ddl import create_table
from aaiclick.sql.hex_text import INSERT_SETTINGS, hex_literal, hexed
from aaiclick.sql.quoting import qualified, quote_string

_NONCE = re.compile(r"[0-9a-z]{1,32}\Z")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock, as its comment says."""

    nonce: str
    """Tells this lock from every other one."""
    owner: Owner
    """The process."""
    since: int
    """Before the lock was made; Unix milliseconds, by the server's clock."""
    seconds: float
    """How long it holds after a heartbeat."""
    ended: int | None = None
    """On a tombstone: when it was seen to be over, Unix milliseconds by the server's clock; None: not seen yet."""

    def comment(self) -> str:
        """The text of the table's comment."""
        fields: dict[str, str | int | float] = {
            "nonce": self.nonce,
            "user": self.owner.user,
            "host": self.owner.host,
            "pid": self.owner.pid,
            "since": self.since,
            "seconds": self.seconds,
        }
        if self.owner.place and self.owner.began:
            fields |= {"place": self.owner.place, "began": self.owner.began}
        if self.ended is not None:
            fields["ended"] = self.ended
        return json.dumps(fields)


@dataclass(frozen=True, slots=True)
class LockState:
    """The lock at one moment. ``now`` was read before ``holder``; the engine has run at least since
    ``engine_started``."""

    now: int
    engine_started: int
    holder: Holder | None


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat: holds for ``seconds`` from ``at``. ``late``: this or an earlier one came after its forerunner had
    run out."""

    count: int
    at: int
    seconds: float
    late: bool

    @property
    def expires(self) -> int:
        return self.at + round(self.seconds * 1000)


def tagged(nonce: str, sql: str) -> str:
    """The statement with its holder's mark, by which a successor finds it in system.processes."""
    return f"/* aaiclick:{nonce} */ {sql}"


def while_held(database: str, nonce: str) -> str:
    """A condition that the server evaluates when a statement begins: where the lock is another one by now, it refuses
    the statement with error 395 (``throwIf``). Nothing is left out silently, because what comes next may rest on it."""
    # As it stands in the comment: "nonce": "<nonce>", which is the nonce of no other lock.
    mine = quote_string(json.dumps({"nonce": nonce}).strip("{}"))
    held = (
        f"SELECT count() FROM system.tables WHERE database = {hex_literal(database)} AND name = {quote_string(LOCK)} "
        f"AND position(comment, {mine}) > 0"
    )
    return f"throwIf(({held}) = 0, 'the migration lease is not held any more') = 0"


def parse_holder(comment: str, uuid: str) -> Holder:
    """The holder that a lock's comment names.

    A comment that nobody here wrote stands for a holder of unknown age (``since`` 0), known by the table's UUID, which
    a RENAME keeps (it is nil in chdb's ``default`` database: there such locks are told apart by their comments).
    """
    try:
        raw: object = json.loads(comment)
    except ValueError:
        raw = None
    if isinstance(raw, dict):
        fields = cast("dict[str, object]", raw)
        nonce, since, seconds, ended = (
            fields.get("nonce"),
            fields.get("since"),
            fields.get("seconds"),
            fields.get("ended"),
        )
        if (
            isinstance(nonce, str)
            and _NONCE.match(nonce)
            and isinstance(since, int)
            and isinstance(seconds, int | float)
        ):
            pid = fields.get("pid")
            told = [
                str(fields.get(name, default))
                for name, default in (("user", "unknown"), ("host", "unknown"), ("place", ""), ("began", ""))
            ]
            owner = Owner(told[0], told[1], pid if isinstance(pid, int) else 0, told[2], told[3])
            return Holder(nonce, owner, since, float(seconds), ended if isinstance(ended, int) else None)
    digest = hashlib.blake2s(f"{uuid} {comment}".encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return Holder(digest, Owner("unknown", "unknown", 0), 0, 0.0)


def current_lock(database: str) -> Routine[LockState]:
    """The lock as it is now: one round trip, whether it is held or free."""
    rows = yield Query(
        "SELECT count(), any(comment), any(toString(uuid)), toUnixTimestamp64Milli(now64(3)), uptime() FROM "
        "system.tables"
        " WHERE database = unhex({database:String}) AND name = {name:String}",
        {"database": hexed(database), "name": LOCK},
    )
    held, comment, uuid, now, uptime = rows[0]
    moment = number(now)
    # uptime() counts whole seconds: one more makes this a time at which the engine was certainly not running yet, or
    # just starting.
    return LockState(
        moment, moment - 1000 * (number(uptime) + 1), parse_holder(text(comment), text(uuid)) if number(held) else None
    )


def newest_beats(database: str, nonce: str) -> Routine[tuple[Beat, ...]]:
    """The last two heartbeats of an incarnation, newest first; none where the table is missing."""
    try:
        rows = yield Query(
            f"SELECT beat, toUnixTimestamp64Milli(at), seconds, late FROM {qualified(database, BEATS)} WHERE nonce = "
            f"{{nonce:String}}"
            " ORDER BY beat DESC, at DESC LIMIT 2",
            {"nonce": nonce},
        )
    except StatementError as error:
        if error.code != UNKNOWN_TABLE:
            raise in_the_way(database, BEATS, error) from error
        return ()
    return tuple(
        Beat(number(beat), number(at), float(seconds or 0), bool(number(late))) for beat, at, seconds, late in rows
    )


def former_holders(database: str, nonces: Collection[str]) -> Routine[frozenset[str]]:
    """Which of these nonces held the lease of this database in the last week. The present holder has waited until the
    statements of all others had ended."""
    try:
        rows = yield Query(
            f"SELECT DISTINCT nonce FROM {qualified(database, BEATS)} WHERE nonce IN splitByChar(',', "
            f"{{nonces:String}})",
            {"nonces": ",".join(sorted(nonces))},
        )
    except StatementError as error:
        if error.code != UNKNOWN_TABLE:
            raise in_the_way(database, BEATS, error) from error
        return frozenset()
    return frozenset(text(row[0]) for row in rows)


def create_beats(database: str) -> Routine[None]:
    """The table of heartbeats. Rows go after a week: by then nobody asks whether a statement belongs to a former
    holder."""
    yield Command(
        create_table(
            qualified(database, BEATS),
            "`nonce` String, `beat` UInt32, `seconds` Float64, `late` UInt8, `at` DateTime64(3, 'UTC')",
            "ENGINE = MergeTree ORDER BY (nonce, beat) TTL toDateTime(at) + toIntervalDay(7) SETTINGS "
            "ttl_only_drop_parts = 1",
            "aaiclick: heartbeats of running migrations",
            if_not_exists=True,
        )
    )


def beat(database: str, nonce: str, seconds: float, *, late: bool = False) -> Routine[None]:
    """One more heartbeat, at the server's time when the statement began; ``late`` sticks to all that follow."""
    table = qualified(database, BEATS)
    sql = (
        f"INSERT INTO {table} (nonce, beat, seconds, late, at)"
        # Number and time are worked out by the server when the statement begins: one that a paused client sends late
        # carries no time from before its pause.
        f" SELECT {{nonce:String}}, count(), toFloat64({{seconds:String}}), greatest(max(late), {{late:UInt8}}), "
        "now64(3, 'UTC')"
        f" FROM {table} WHERE nonce = {{nonce:String}}"
    )
    try:
        yield Command(
            tagged(nonce, sql), {"nonce": nonce, "seconds": repr(seconds), "late": int(late)}, INSERT_SETTINGS
        )
    except StatementError as error:
        raise in_the_way(database, BEATS, error) from error


def create_lock(database: str, holder: Holder) -> Routine[bool]:
    """Try to make the lock; False where another one exists."""
    sql = create_table(qualified(database, LOCK), "`held` UInt8", "ENGINE = `Null`", holder.comment())
    try:
        # Without IF NOT EXISTS: the server makes it for one contender and answers all others with 57.
        yield Command(tagged(holder.nonce, sql))
    except StatementError as error:
        unknown = isinstance(error, OutcomeUnknownError)
        if error.code != TABLE_ALREADY_EXISTS and not unknown:
            raise
        # A client that sent the CREATE twice after a broken connection is told 57 about its own lock; and where only
        # the answer was lost, the lock is there.
        seen = yield from current_lock(database)
        won = seen.holder is not None and seen.holder.nonce == holder.nonce
        if unknown and not won:
            raise
        return won
    return True
