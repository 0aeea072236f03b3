"""On a cluster, the rows that stand for comments of our tables: a comment is seen on one host only.

Rows are only ever added; the last one of a name counts, and an empty one says nothing any more. The texts are the same
as in comments.
"""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.clickhouse.names import NOTES
from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping, read_ready, write_line
from aaiclick.clickhouse.shared.tables import SharedTable
from aaiclick.routine import Command, Query, Routine, text
from aaiclick.sql.hex_text import hex_literal, hexed, size_setting, unhexed
from aaiclick.sql.quoting import qualified

TABLE = SharedTable(
    NOTES,
    "`seq` UInt64, `name` String, `body` String CODEC(ZSTD(3)), `at` DateTime64(3, 'UTC')",
    "ORDER BY (name, seq)",
    "aaiclick: what has to be said of a table on all hosts: the last row of a name",
)


def read_notes(books: Bookkeeping) -> Routine[Mapping[str, str]]:
    """The texts, by the names of the tables that they are about."""
    yield from read_ready(books, NOTES)
    # As digits any name and any text come through every client unchanged.
    rows = yield Query(
        f"SELECT hex(name), hex(argMax(body, seq)) AS last FROM {qualified(books.home, NOTES)} GROUP BY name HAVING "
        "last != ''"
    )
    return {unhexed(text(name)): unhexed(text(body)) for name, body in rows}


def write_note(books: Bookkeeping, name: str, body: str) -> Routine[None]:
    """Say something of a name in place of what was said before; '' for nothing any more. Only under the lease."""
    table = qualified(books.home, NOTES)
    # Counted over all names, by the server: whichever host writes next gets a higher number for every name.
    sql = (
        f"INSERT INTO {table} (seq, name, body, at) SELECT max(seq) + 1, unhex({{name:String}}), {hex_literal(body)}, "
        f"now64(3, 'UTC') FROM {table}"
    )
    # A row more, never an UPDATE: whoever was reading finds the old text or the new one, on whichever host.
    yield from write_line(books, Command(sql, {"name": hexed(name)}, size_setting(sql)), NOTES)
