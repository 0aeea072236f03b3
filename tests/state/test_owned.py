"""One question tells what of this library is in a database."""

from __future__ import annotations

import os

from aaiclick.clickhouse.names import JOURNAL, RECORDS, kept_table, mark_table, shadow_table, staging_table
from aaiclick.lease.names import BEATS, LOCK, tombstone
from aaiclick.routine import Command, Query, run
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.state.cache import CacheEntry, cache_comment
from aaiclick.state.kept_tables import COMMENT as KEPT
from aaiclick.state.kept_tables import KeptComment
from aaiclick.state.owned import Owned, read_owned
from aaiclick.state.staged_chunks import BEGUN, StagedChunk, StagedCopy
from aaiclick.state.staged_chunks import COMMENT as STAGED
from tests.support.session_connection import Driver, SessionConnection

NONCE = "0123456789ab"
ENTRY = CacheEntry(3, "f1", "d1")


def make(connection: SessionConnection, database: str, name: str, comment: str = "", rows: int = 0) -> None:
    table = qualified(database, name)
    connection.command(
        Command(f"CREATE TABLE {table} (n UInt64) ENGINE = MergeTree ORDER BY n COMMENT {quote_string(comment)}")
    )
    if rows:
        connection.command(Command(f"INSERT INTO {table} SELECT number FROM numbers({rows})"))


def look(connection: SessionConnection, database: str, *asked: str) -> Owned:
    return run(read_owned(database, asked), connection)


def test_an_empty_database(connection: SessionConnection, aaiclick_database: str) -> None:
    owned = look(connection, aaiclick_database, "t")
    assert (owned.database, owned.tables, owned.known) == (aaiclick_database, (), False)
    assert [owned.recorded, owned.journal, owned.unfinished, bool(owned.tombstones), bool(owned.cache())] == [False] * 5
    ((now,),) = connection.rows("SELECT toUnixTimestamp64Milli(now64(3))")
    assert int(now or 0) - 600_000 < owned.at <= int(now or 0)


def test_it_is_one_question(connection: SessionConnection, aaiclick_database: str) -> None:
    driver = Driver(connection)
    driver.run(read_owned(aaiclick_database, ("t",)))
    assert [type(effect) for effect in driver.effects] == [Query]


def test_the_bookkeeping_and_the_lease_are_no_remains(connection: SessionConnection, aaiclick_database: str) -> None:
    for name in (JOURNAL, LOCK, BEATS, tombstone(NONCE), "t"):
        make(connection, aaiclick_database, name)
    make(connection, aaiclick_database, RECORDS, cache_comment({"app": ENTRY}))
    owned = look(connection, aaiclick_database, "t", "u")
    assert owned.known
    assert owned.recorded
    assert owned.journal
    assert {table.name for table in owned.tables} == {JOURNAL, LOCK, BEATS, tombstone(NONCE), RECORDS}
    assert owned.remains is bool(owned.scratch_databases)
    assert [name for name, _, _ in owned.tombstones] == [tombstone(NONCE)]
    assert owned.cache() == {"app": ENTRY}


def test_what_runs_leave(connection: SessionConnection, aaiclick_database: str) -> None:
    kept = KeptComment("t", "u1", "u2", 1, 2)
    full, less = (
        StagedChunk(staging_table(NONCE, number, "t"), "u1", "d", (("all", 1, 1, "c"),), 5) for number in range(2)
    )
    make(connection, aaiclick_database, kept_table(NONCE, "t"), KEPT.dump(kept), rows=7)
    make(connection, aaiclick_database, kept_table(NONCE, "theirs"), "our notes")
    make(connection, aaiclick_database, full.name, STAGED.dump(full), rows=5)
    make(connection, aaiclick_database, less.name, STAGED.dump(less), rows=4)
    begun = staging_table(NONCE, 2, "t")
    make(connection, aaiclick_database, begun, BEGUN.dump(StagedCopy("u1")))
    make(connection, aaiclick_database, staging_table(NONCE, 3, "t"), BEGUN.dump(StagedCopy("u2")))
    make(connection, aaiclick_database, staging_table("other", 4, "t"))
    make(connection, aaiclick_database, staging_table(NONCE, 0, "other"))
    make(connection, aaiclick_database, shadow_table(NONCE, "t"), rows=3)
    owned = look(connection, aaiclick_database)
    assert owned.remains
    assert not owned.unfinished
    assert [(row.name, row.kept, row.rows) for row in owned.kept()] == [(kept_table(NONCE, "t"), kept, 7)]
    listed = ((full.name, full), (less.name, None), (begun, None))
    assert owned.staged("t", "u1", ()) == listed
    assert owned.staged("t", "", ()) == ()
    assert owned.staged("t", "u1", {NONCE}) == (*listed, (staging_table(NONCE, 3, "t"), None))
    assert [(table.name, table.rows) for table in owned.tables if "_new_" in table.name] == [
        (shadow_table(NONCE, "t"), 3)
    ]
    assert not owned.without({kept_table(NONCE, "t")}).kept()
    make(connection, aaiclick_database, mark_table(NONCE, "t"), "of a later release")
    assert look(connection, aaiclick_database).marks() == (mark_table(NONCE, "t"),)
    assert look(connection, aaiclick_database).unfinished


def test_a_database_of_any_name(connection: SessionConnection) -> None:
    name = f"o'wn \\ `d` größe {os.getpid()}"
    connection.command(Command(f"CREATE DATABASE {quote_name(name)}"))
    try:
        make(connection, name, RECORDS)
        make(connection, name, "it's")
        assert (
            look(connection, name, "it's").known,
            look(connection, name, "its").known,
            look(connection, name).recorded,
        ) == (True, False, True)
    finally:
        connection.command(Command(f"DROP DATABASE {quote_name(name)}"))
