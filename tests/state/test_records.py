"""The table of transitions, and the cache in its comment."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaiclick.clickhouse.names import RECORDS
from aaiclick.errors import UnsupportedObjectError
from aaiclick.routine import Command, run
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.state.cache import CacheEntry, cache_comment, parse_cache, update_cache, write_cache
from aaiclick.state.record import Record
from aaiclick.state.records import all_records, append, ensure_tables, read_latest, read_records
from tests.support.session_connection import SessionConnection

HOSTILE = 'quo\'te "d" back\\slash `tick` tab\t new\nline {x:String} %s größe\u2603 \\x41 --'
FIRST = Record(
    schema="oplog",
    version=4,
    state="applied",
    spec="f1",
    objects="d1",
    forms='{"operation_log": "CREATE TABLE ..."}',
    plan='{"steps": []}',
    who="anne@host-a pid 1",
    seconds=0.25,
    library="0.1.0",
    migrations="m1",
)


@pytest.fixture
def db(connection: SessionConnection, aaiclick_database: str) -> str:
    run(ensure_tables(aaiclick_database), connection)
    return aaiclick_database


def comment(connection: SessionConnection, database: str) -> str:
    ((text,),) = connection.rows(
        f"SELECT comment FROM system.tables WHERE database = '{database}' AND name = '{RECORDS}'"
    )
    return str(text)


def as_written(record: Record) -> Record:
    """Without what the server fills in."""
    return replace(record, server="", seq=0, at=0, generation=0)


def test_a_database_without_the_table_has_no_records(connection: SessionConnection, aaiclick_database: str) -> None:
    assert run(read_latest(aaiclick_database, "oplog"), connection) is None
    assert run(all_records(aaiclick_database), connection) == ()
    assert connection.tables(aaiclick_database) == set()


def test_making_the_table_twice_changes_nothing(connection: SessionConnection, db: str) -> None:
    run(append(db, FIRST), connection)
    run(ensure_tables(db), connection)
    assert len(run(all_records(db), connection)) == 1


def test_a_record_comes_back_as_it_was_written_with_what_the_server_adds(
    connection: SessionConnection, db: str
) -> None:
    run(append(db, FIRST), connection)
    record = run(read_latest(db, "oplog"), connection)
    assert record is not None
    assert as_written(record) == FIRST
    assert record.seq == 1
    ((version, now),) = connection.rows("SELECT version(), toUnixTimestamp64Milli(now64(3))")
    assert record.server == version
    assert int(now or 0) - 600_000 < record.at <= int(now or 0)


def test_the_latest_is_the_last_one_written_and_failures_are_passed_over(
    connection: SessionConnection, db: str
) -> None:
    steps = (
        FIRST,
        replace(FIRST, version=5, from_version=4, oldest_code=3),
        replace(FIRST, version=6, from_version=5, state="failed"),
        replace(FIRST, schema="other", version=9, state="adopted"),
        replace(FIRST, version=4, from_version=5, state="rolled back"),
        replace(FIRST, version=7, from_version=4, state="failed"),
    )
    for step in steps:
        run(append(db, step), connection)
    latest = run(read_latest(db, "oplog"), connection)
    assert latest is not None
    assert as_written(latest) == steps[4]
    other = run(read_latest(db, "other"), connection)
    assert other is not None
    assert (other.version, other.state) == (9, "adopted")
    assert run(read_latest(db, "third"), connection) is None
    everything = run(all_records(db), connection)
    assert tuple(as_written(record) for record in everything) == steps
    assert [record.seq for record in everything] == [1, 2, 3, 4, 5, 6]
    assert [record.version for record in run(all_records(db, "oplog"), connection)] == [4, 5, 6, 4, 7]


def test_a_schema_without_versions(connection: SessionConnection, db: str) -> None:
    run(append(db, replace(FIRST, version=None)), connection)
    record = run(read_latest(db, "oplog"), connection)
    assert record is not None
    assert record.version is None


def test_hostile_texts_come_back_unchanged(connection: SessionConnection, aaiclick_database: str) -> None:
    name = f"{HOSTILE[:40]}_{os.getpid()}"
    connection.command(Command(f"CREATE DATABASE {quote_name(name)}"))
    try:
        run(ensure_tables(name), connection)
        hostile = replace(
            FIRST,
            schema=HOSTILE,
            spec=HOSTILE,
            forms=HOSTILE,
            plan=HOSTILE,
            who=HOSTILE,
            migrations="",
            library=HOSTILE,
            objects="",
        )
        run(append(name, hostile), connection)
        record = run(read_latest(name, HOSTILE), connection)
        assert record is not None
        assert as_written(record) == hostile
        entry = CacheEntry(1, HOSTILE, "", None, None)
        run(update_cache(name, HOSTILE, entry), connection)
        ((text,),) = connection.rows(
            f"SELECT comment FROM system.tables WHERE name = '{RECORDS}' AND startsWith(database, 'quo')"
        )
        assert parse_cache(str(text)) == {HOSTILE: entry}
    finally:
        connection.command(Command(f"DROP DATABASE {quote_name(name)}"))


def test_plans_longer_than_a_statement_may_be_by_default(connection: SessionConnection, db: str) -> None:
    large = json.dumps({f"table_{number}": "CREATE TABLE ... " * 20 for number in range(5000)})
    assert len(large) > 1_500_000
    run(append(db, replace(FIRST, forms=large, plan=large)), connection)
    record = run(read_latest(db, "oplog"), connection)
    assert record is not None
    assert record.forms == record.plan == large


def test_many_versions_of_many_objects_are_read_in_little_memory(connection: SessionConnection, db: str) -> None:
    forms = {f"t{number}": {"text": "x" * 1000, **({"reason": ""} if number % 2 else {})} for number in range(300)}
    run(append(db, replace(FIRST, forms=json.dumps(forms))), connection)
    table = qualified(db, RECORDS)
    connection.command(
        Command(f"INSERT INTO {table} SELECT s.* REPLACE (x.number + 2 AS seq) FROM {table} AS s, numbers(19) AS x")
    )
    connection.command(Command("SET max_memory_usage = 200000000"))
    try:
        record, claims = run(read_records(db, "oplog"), connection)
    finally:
        connection.command(Command("SET max_memory_usage = DEFAULT"))
    assert record is not None
    assert record.seq == 20
    assert {(claim.name, claim.space) for claim in claims} == {
        (name, "" if "reason" in form else "function") for name, form in forms.items()
    }
    assert {(claim.first, claim.present) for claim in claims} == {(1, True)}


@pytest.mark.parametrize("columns", ["version String, applied_at DateTime", "schema String, state String, seq UInt64"])
def test_somebody_elses_table_is_named_and_left_alone(
    connection: SessionConnection, aaiclick_database: str, columns: str
) -> None:
    table = qualified(aaiclick_database, RECORDS)
    connection.command(Command(f"CREATE TABLE {table} ({columns}) ENGINE = MergeTree ORDER BY tuple()"))
    run(ensure_tables(aaiclick_database), connection)
    for attempt in (
        read_latest(aaiclick_database, "oplog"),
        all_records(aaiclick_database),
        append(aaiclick_database, FIRST),
    ):
        with pytest.raises(
            UnsupportedObjectError, match=rf"{aaiclick_database}\.schema_version: this table was not made by aaiclick"
        ):
            run(attempt, connection)
    assert connection.rows(f"SELECT count() FROM {table}") == ((0,),)


def test_the_cache_keeps_the_entries_of_other_schemas(connection: SessionConnection, db: str) -> None:
    oplog, other = CacheEntry(5, "f", "d", None, 1_900_000_000), CacheEntry(None, "g", "e", 2, None)
    run(update_cache(db, "oplog", oplog), connection)
    assert json.loads(comment(connection, db)) == {
        "oplog": {"version": 5, "spec": "f", "objects": "d", "oldest_code": None, "due": 1_900_000_000, "whole": True}
    }
    run(update_cache(db, "other", other), connection)
    assert parse_cache(comment(connection, db)) == {"oplog": oplog, "other": other}
    run(update_cache(db, "oplog", replace(oplog, version=6)), connection)
    run(update_cache(db, "other", None), connection)
    assert parse_cache(comment(connection, db)) == {"oplog": replace(oplog, version=6)}
    run(write_cache(db, {}), connection)
    assert parse_cache(comment(connection, db)) == {}


def test_a_comment_of_the_users_own_is_replaced(connection: SessionConnection, db: str) -> None:
    connection.command(Command(f"ALTER TABLE {qualified(db, RECORDS)} MODIFY COMMENT 'our versions'"))
    run(update_cache(db, "oplog", CacheEntry(5, "f", "d")), connection)
    assert parse_cache(comment(connection, db)) == {"oplog": CacheEntry(5, "f", "d")}


def test_writing_the_cache_leaves_the_rows_alone(connection: SessionConnection, db: str) -> None:
    run(append(db, FIRST), connection)
    run(write_cache(db, {"oplog": CacheEntry(4, "f1", "d1")}), connection)
    assert len(run(all_records(db), connection)) == 1


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("", 0),
        ("not json", 0),
        ("[1]", 0),
        ("null", 0),
        ("[" * 100_000, 0),
        ('{"a": 1}', 0),
        ('{"a": {"version": 1}}', 0),
        ('{"a": {"version": "1", "spec": "f", "objects": "d"}}', 0),
        ('{"a": {"version": true, "spec": "f", "objects": "d"}}', 0),
        ('{"a": {"version": 1.5, "spec": "f", "objects": "d"}}', 0),
        ('{"a": {"version": 1, "spec": 3, "objects": "d"}}', 0),
        ('{"a": {"version": 1, "spec": "f", "objects": "d", "due": "soon"}}', 0),
        ('{"a": {"version": 1, "spec": "f", "objects": "d", "later": [1]}, "b": null}', 1),
    ],
)
def test_garbage_counts_as_absent(text: str, entries: int) -> None:
    assert len(parse_cache(text)) == entries


entries = st.builds(
    CacheEntry,
    st.none() | st.integers(0, 2**32 - 1),
    st.text(),
    st.text(),
    st.none() | st.integers(0, 99),
    st.none() | st.integers(0, 2**40),
)


@given(st.dictionaries(st.text(), entries, max_size=4))
def test_the_cache_survives_its_own_text(cache: dict[str, CacheEntry]) -> None:
    assert parse_cache(cache_comment(cache)) == cache


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_tolerated(value: object) -> None:
    assert all(isinstance(entry, CacheEntry) for entry in parse_cache(json.dumps(value)).values())
