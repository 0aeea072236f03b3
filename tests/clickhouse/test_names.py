"""Names of our own objects: short, plain, different, and read back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaiclick.clickhouse import names
from aaiclick.clickhouse.names import (
    OurName,
    is_ours,
    kept_table,
    label,
    mark_table,
    parse_name,
    shadow_table,
    staging_table,
)
from aaiclick.lease.names import BEATS, LOCK, is_tombstone, nonce_of_tombstone, of_the_lease, tombstone
from aaiclick.routine import Command
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.testing.engine import EmbeddedEngine
from tests.support.session_connection import SessionConnection, session

NONCE = "0123456789ab"


@pytest.fixture
def connection(aaiclick_engine: EmbeddedEngine) -> Iterator[SessionConnection]:
    with session(aaiclick_engine.path) as opened:
        yield opened


def test_plain_names_can_be_read() -> None:
    assert shadow_table(NONCE, "operation_log") == "_aaiclick_new_0123456789ab_operation_log"
    assert staging_table(NONCE, 12, "operation_log") == "_aaiclick_stage_0123456789ab_12_operation_log"
    assert kept_table(NONCE, "operation_log") == "_aaiclick_old_0123456789ab_operation_log"
    assert tombstone(NONCE) == "_aaiclick_lock_was_0123456789ab"


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        (shadow_table(NONCE, "a_b"), OurName("new", NONCE, "a_b")),
        (staging_table(NONCE, 0, "1_x"), OurName("stage", NONCE, "1_x", 0)),
        (kept_table(NONCE, "t"), OurName("old", NONCE, "t")),
        (mark_table(NONCE, "t_1"), OurName("mark", NONCE, "t_1")),
        (tombstone(NONCE), None),
        (f"_aaiclick_scratch_{NONCE}", OurName("scratch", NONCE)),
        (LOCK, None),
        (BEATS, None),
        (names.JOURNAL, None),
        ("_aaiclick_stage_0123456789ab_x_t", None),
        ("_aaiclick_stage_0123456789ab_7", None),
        ("_aaiclick_stage_0123456789ab_²_t", None),
        ("_aaiclick_new_0123456789ab", None),
        ("_aaiclick_lock_was_0123456789ab_more", None),
        ("operation_log", None),
    ],
)
def test_names_are_read_back(name: str, parsed: OurName | None) -> None:
    assert parse_name(name) == parsed


def test_ours() -> None:
    assert all(is_ours(name) for name in (LOCK, BEATS, names.JOURNAL, shadow_table(NONCE, "t")))
    assert not any(is_ours(name) for name in (names.RECORDS, "aaiclick", "_aaiclick", "operation_log"))


def test_names_of_the_lease() -> None:
    assert all(of_the_lease(name) for name in (LOCK, BEATS, tombstone(NONCE)))
    assert not any(of_the_lease(name) for name in (names.JOURNAL, names.RECORDS, shadow_table(NONCE, "t")))
    assert [name for name in (LOCK, BEATS, tombstone(NONCE)) if is_tombstone(name)] == [tombstone(NONCE)]
    assert [nonce_of_tombstone(name) for name in (tombstone(NONCE), f"{tombstone(NONCE)}_more", LOCK, "t")] == [
        NONCE,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("nonce", ["", "UPPER", "a b", "a'b", "x" * 33])
def test_a_nonce_that_could_not_be_read_back_is_refused(nonce: str) -> None:
    for make in (
        tombstone,
        lambda text: shadow_table(text, "t"),
        lambda text: staging_table(text, 1, "t"),
        lambda text: kept_table(text, "t"),
        lambda text: mark_table(text, "t"),
    ):
        with pytest.raises(ValueError, match="is no nonce"):
            make(nonce)


def test_a_negative_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="chunk -1 is negative"):
        staging_table(NONCE, -1, "t")


@given(st.text(min_size=1, max_size=200), st.integers(0, 10**12))
def test_any_table_gives_a_short_plain_name(table: str, chunk: int) -> None:
    for name in (
        shadow_table(NONCE, table),
        staging_table(NONCE, chunk, table),
        kept_table(NONCE, table),
        mark_table(NONCE, table),
    ):
        assert len(name.encode()) <= names.MAX_BYTES
        assert name.isascii()
        assert name.replace("_", "a").isalnum()
        parsed = parse_name(name)
        assert parsed is not None
        assert parsed.label == label(table)


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_different_tables_have_different_labels(one: str, other: str) -> None:
    assert (label(one) == label(other)) == (one == other)


@pytest.mark.parametrize("table", ["a.b", "a b", "x" * 33, "ä", "`", "a_b'"])
def test_a_table_called_like_the_label_of_another_has_another_label(table: str) -> None:
    shortened = label(table)
    assert shortened != table
    assert label(shortened) != shortened


@pytest.mark.parametrize(
    "make", [shadow_table, kept_table, mark_table, lambda nonce, table: staging_table(nonce, 99999, table)]
)
def test_the_engine_takes_the_names_of_its_longest_tables(
    connection: SessionConnection, aaiclick_database: str, make: Callable[[str, str], str]
) -> None:
    for table in ("n" * 180, "ü" * 30, "a`b'c\\d e\n" * 5):
        connection.command(
            Command(f"CREATE TABLE {qualified(aaiclick_database, table)} (x UInt8) ENGINE = MergeTree ORDER BY x")
        )
        name = make(NONCE, table)
        connection.command(
            Command(f"CREATE TABLE {qualified(aaiclick_database, name)} AS {qualified(aaiclick_database, table)}")
        )
        assert name in connection.tables(aaiclick_database)


def test_names_fit_into_a_database_with_a_long_name(connection: SessionConnection) -> None:
    database = f"{'d' * 130}_{os.getpid():09d}"
    connection.command(Command(f"CREATE DATABASE {quote_name(database)}"))
    try:
        for name in (
            shadow_table(NONCE, "t" * 74),
            staging_table(NONCE, 999_999, "t" * 74),
            kept_table(NONCE, "t" * 74),
            tombstone(NONCE),
        ):
            connection.command(Command(f"CREATE TABLE {qualified(database, name)} (x UInt8) ENGINE = Null"))
    finally:
        connection.command(Command(f"DROP DATABASE {quote_name(database)}"))
