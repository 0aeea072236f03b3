"""The rows of the lease of a cluster: written, and read.

A holder is a *generation*: the row with the highest number says who holds the lease. Two contenders that want the same
number send the same ``insert_deduplication_token``, and Keeper takes the first: its row is there, the other's never
is. Nothing has to be configured, nothing is renamed and nothing is dropped: a generation ends with a row that says so,
or with the next one.

A token is only known as long as the table keeps it, by count and by age: so this table has very large windows, and no
heartbeats in it. Should a number be there twice all the same, nobody has won it.

Heartbeats are rows of a second table. They are counted, never compared by time: hosts have clocks of their own.
Every answer comes from the host that is asked, after it has fetched whatever was acknowledged before. Where it does
not, nothing is known.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping, catch_up, send_once
from aaiclick.clickhouse.shared.tables import SharedTable, make_everywhere
from aaiclick.clock import clock
from aaiclick.lease.lock import parse_holder, tagged
from aaiclick.lease.names import GENERATIONS, HEARTBEATS
from aaiclick.lease.owner import Owner
from aaiclick.routine import Command, Nonce, Query, Routine, number, text
from aaiclick.sql.hex_text import hex_literal, hexed
from aaiclick.sql.quoting import qualified, quote_string

_TABLES = (
    SharedTable(
        GENERATIONS,
        "`generation` UInt64, `nonce` String, `kind` LowCardinality(String), `owner` String, `seconds` Float64, `at` "
        "DateTime64(3, 'UTC')",
        # As long as the server remembers a token, a number is won once. A small window forgets it after so many other
        # inserts, and the same number could be won again.
        "ORDER BY (generation, kind) SETTINGS replicated_deduplication_window = 1000000000, "
        "replicated_deduplication_window_seconds = 3153600000",
        "aaiclick: who may change this database: the highest generation that has not ended",
    ),
    SharedTable(
        HEARTBEATS,
        "`nonce` String, `beat` String, `seconds` Float64, `at` DateTime64(3, 'UTC')",
        # Heartbeats are of no use once their holder is gone: the server drops them part by part, which costs it
        # nothing.
        "ORDER BY (nonce, beat) TTL toDateTime(at) + toIntervalDay(7) SETTINGS ttl_only_drop_parts = 1",
        "aaiclick: heartbeats of running migrations",
    ),
)


NOBODY = Owner("unknown", "unknown", 0)


@dataclass(frozen=True, slots=True)
class Generation:
    """The highest generation, as one look found it."""

    number: int
    """0: there never was one."""
    nonce: str = ""
    """Of whoever won it; '' where its row is lost, or where it is there more than once: then nobody has won it."""
    owner: Owner = NOBODY
    """Who that is."""
    seconds: float = 0.0
    """How long it holds after a heartbeat: the longest that any granted."""
    ended: bool = False
    """Its holder has said that it is over."""
    beats: int = 0
    """How many heartbeats there are of it."""
    engine_now: int = 0
    """The host's time, read before the rows; Unix milliseconds."""
    asked: float = 0.0
    """This machine's, before that; Unix seconds."""

    @property
    def free(self) -> bool:
        """True where nobody holds the lease."""
        return self.number == 0 or self.ended


def open_lease(books: Bookkeeping) -> Routine[None]:
    """The tables of the lease, on all hosts that answer."""
    yield from make_everywhere(books, _TABLES)


def highest_generation(books: Bookkeeping) -> Routine[Generation]:
    """The highest generation. Raises StatementError with a code of ``NOT_NOW`` where the host does not know it."""
    asked = yield from clock()
    yield from catch_up(books, GENERATIONS)
    yield from catch_up(books, HEARTBEATS)
    return (yield from read_local(books, asked))


def holder(books: Bookkeeping) -> Routine[Generation]:
    """The same for whoever asks whose it is, and counts no heartbeats: of these some may be missing."""
    asked = yield from clock()
    yield from catch_up(books, GENERATIONS)
    return (yield from read_local(books, asked))


def read_local(books: Bookkeeping, asked: float) -> Routine[Generation]:
    """The highest generation that the host shows, which may lack what others have written."""
    table, beats = qualified(books.home, GENERATIONS), qualified(books.home, HEARTBEATS)
    rows = yield Query(
        # In one statement: rows of two moments could show the holder of one generation with the heartbeats of another.
        f"SELECT g.generation, g.nonce, g.kind, g.owner, g.seconds, toUnixTimestamp64Milli(now64(3)), b.beats, "
        f"b.longest FROM (SELECT * FROM {table} WHERE generation = (SELECT max(generation) FROM {table})) AS g LEFT "
        f"JOIN (SELECT nonce, count() AS beats, max(seconds) AS longest FROM {beats} GROUP BY nonce) AS b ON g.nonce = "
        "b.nonce"
    )
    held = [row for row in rows if row[2] == "held"]
    top = number(rows[0][0]) if rows else 0
    now = number(rows[0][5]) if rows else 0
    # None: there never was one, or its row is lost. Several: the token was forgotten, and none of them has won.
    if len(held) != 1:
        return Generation(top, engine_now=now, asked=asked)
    _, nonce, _, owner, seconds, _, count, longest = held[0]
    ended = any(row[2] == "ended" and row[1] == nonce for row in rows)
    return Generation(
        top,
        text(nonce),
        parse_holder(text(owner), "").owner,
        max(float(seconds or 0), float(longest or 0)),
        ended,
        number(count),
        now,
        asked,
    )


def announce(books: Bookkeeping, number: int, nonce: str, kind: str, owner: Owner, seconds: float) -> Routine[None]:
    """Write that a generation is held, or that it has ended. Whether it is can only be told by a look afterwards: of
    several that send the same token the server takes one, and acknowledges all."""
    told = json.dumps(
        {
            "nonce": nonce,
            "user": owner.user,
            "host": owner.host,
            "pid": owner.pid,
            "place": owner.place,
            "began": owner.began,
            "since": 0,
            "seconds": seconds,
        }
    )
    sql = (
        f"INSERT INTO {qualified(books.home, GENERATIONS)} (generation, nonce, kind, owner, seconds, at) SELECT "
        "{generation:UInt64}, {nonce:String}, {kind:String}, unhex({owner:String}), toFloat64({seconds:String}), "
        "now64(3, 'UTC')"
    )
    bound: dict[str, str | int] = {
        "generation": number,
        "nonce": nonce,
        "kind": kind,
        "owner": hexed(told),
        "seconds": repr(seconds),
    }
    # The token holds the number and not the nonce: INSERTs of several contenders for one number are one INSERT to
    # Keeper.
    word = "lease" if kind == "held" else "end"
    yield from send_once(Command(tagged(nonce, sql), bound), f"{word}-{number}", len(books.hosts))


def beat(books: Bookkeeping, nonce: str, seconds: float) -> Routine[None]:
    """One more heartbeat. It counts only where this returns: of one that ended with an error nobody knows."""
    rows = yield Nonce()
    name = text(rows[0][0])
    sql = (
        f"INSERT INTO {qualified(books.home, HEARTBEATS)} (nonce, beat, seconds, at) SELECT {{nonce:String}}, "
        "{beat:String}, toFloat64({seconds:String}), now64(3, 'UTC')"
    )
    bound: dict[str, str | int] = {"nonce": nonce, "beat": name, "seconds": repr(seconds)}
    # A token of its own: heartbeats are no repetitions of one another, and one that is sent twice counts once.
    yield from send_once(Command(tagged(nonce, sql), bound), f"beat-{nonce}-{name}", len(books.hosts))


def while_held(books: Bookkeeping, nonce: str) -> str:
    """As ``while_held`` of one host, and only where this host provably shows the newest generation: what Keeper holds
    is asked first, the rows after it."""
    table = qualified(books.home, GENERATIONS)
    # The host has fetched all that the log in Keeper had: without that, a row that it shows may be that of an older
    # holder.
    caught_up = (
        "SELECT count() FROM system.replicas WHERE database = "
        f"{hex_literal(books.home)} AND table = {quote_string(GENERATIONS)} AND log_pointer > log_max_index AND "
        "inserts_in_queue = 0 AND NOT is_readonly AND NOT is_session_expired"
    )
    held = (
        f"SELECT countIf(nonce = {quote_string(nonce)} AND kind = 'held') * (count() = 1) FROM {table} WHERE "
        f"generation = (SELECT max(generation) FROM {table})"
    )
    return f"throwIf(({caught_up}) = 0 OR ({held}) = 0, 'the migration lease is not held any more') = 0"


def holders(books: Bookkeeping) -> Routine[frozenset[str]]:
    """The nonces of all generations."""
    rows = yield Query(f"SELECT DISTINCT nonce FROM {qualified(books.home, GENERATIONS)}")
    return frozenset(text(row[0]) for row in rows)
