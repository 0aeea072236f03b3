"""The text of statements, letter for letter, and that the engine takes them for names that are hard to write."""

from __future__ import annotations

import pytest

from aaiclick.sql import clauses, ddl
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.testing.engine import EmbeddedEngine, fresh_name


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (ddl.create("DATABASE", "d"), "CREATE DATABASE d"),
        (ddl.create("DATABASE", "d", "ENGINE = Atomic"), "CREATE DATABASE d ENGINE = Atomic"),
        (ddl.create("FUNCTION", "f", "AS x -> x", or_replace=True), "CREATE OR REPLACE FUNCTION f AS x -> x"),
        (
            ddl.create("MATERIALIZED VIEW", "d.v", "", "TO d.t", "AS SELECT 1", if_not_exists=True),
            "CREATE MATERIALIZED VIEW IF NOT EXISTS d.v TO d.t AS SELECT 1",
        ),
        (ddl.create_table("d.t", "a UInt8", "ENGINE = Null"), "CREATE TABLE d.t (a UInt8) ENGINE = Null"),
        (
            ddl.create_table("d.t", "a UInt8", "ENGINE = Null", "it's", if_not_exists=True),
            "CREATE TABLE IF NOT EXISTS d.t (a UInt8) ENGINE = Null COMMENT 'it\\'s'",
        ),
        (ddl.create_view("d.v", "SELECT 1"), "CREATE VIEW d.v AS SELECT 1"),
        (ddl.create_view("d.v", "SELECT 1 AS a", "a UInt8"), "CREATE VIEW d.v (a UInt8) AS SELECT 1 AS a"),
        (ddl.comment_clause("a\nb"), "COMMENT 'a\\nb'"),
        (ddl.comment_clause(""), ""),
        (ddl.comment_clause(None), ""),
        (ddl.replacing("CREATE TABLE d.t (`CREATE ` UInt8)"), "CREATE OR REPLACE TABLE d.t (`CREATE ` UInt8)"),
        (
            ddl.attach_table("d.t", "0-1", "(a UInt8) ENGINE = Log"),
            "ATTACH TABLE d.t UUID '0-1' (a UInt8) ENGINE = Log",
        ),
        (ddl.alter_table("d.t", "A"), "ALTER TABLE d.t A"),
        (ddl.alter_table("d.t", "A", "B"), "ALTER TABLE d.t A, B"),
        (ddl.alter_table("d.t", "A", parentheses=True), "ALTER TABLE d.t A"),
        (ddl.alter_table("d.t", "A", "B", parentheses=True), "ALTER TABLE d.t (A), (B)"),
        (ddl.alter_table_first("ALTER TABLE d.t A", "d.t", ["B", "C"]), "ALTER TABLE d.t (B), (C), (A)"),
        (ddl.alter_table_first("ALTER TABLE d.t (A), (D)", "d.t", ["B"]), "ALTER TABLE d.t (B), (A), (D)"),
        (ddl.alter_table_first("ALTER TABLE d.t A", "d.t", []), "ALTER TABLE d.t A"),
        (
            ddl.alter_table_first(f"ALTER TABLE d.t {clauses.fill_projection('p')[1]}", "d.t", ["B"]),
            "ALTER TABLE d.t (B), (APPLY DELETED MASK), (MATERIALIZE PROJECTION p)",
        ),
        (ddl.rename_table("d.a", "d.b"), "RENAME TABLE d.a TO d.b"),
        (ddl.exchange_tables("d.a", "d.b"), "EXCHANGE TABLES d.a AND d.b"),
        (ddl.drop("TABLE", "d.t"), "DROP TABLE d.t"),
        (ddl.drop("VIEW", "d.v", if_exists=True, sync=True), "DROP VIEW IF EXISTS d.v SYNC"),
        (ddl.truncate_table("d.t"), "TRUNCATE TABLE d.t"),
        (ddl.optimize_table("d.t"), "OPTIMIZE TABLE d.t"),
        (ddl.system("STOP MERGES", "d.t"), "SYSTEM STOP MERGES d.t"),
        (ddl.system("FLUSH ASYNC INSERT QUEUE"), "SYSTEM FLUSH ASYNC INSERT QUEUE"),
        (ddl.kill_where("MUTATION", "1"), "KILL MUTATION WHERE 1"),
        (ddl.kill_where("QUERY", "1", asynchronous=True), "KILL QUERY WHERE 1 ASYNC"),
    ],
)
def test_statements(made: str, text: str) -> None:
    assert made == text


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (clauses.add_column("a UInt8 FIRST"), "ADD COLUMN a UInt8 FIRST"),
        (clauses.modify_column("a", "UInt8"), "MODIFY COLUMN a UInt8"),
        (clauses.remove_from_column("a", "TTL"), "MODIFY COLUMN a REMOVE TTL"),
        (clauses.modify_column_setting("a", "x = 1"), "MODIFY COLUMN a MODIFY SETTING x = 1"),
        (clauses.reset_column_setting("a", "x, y"), "MODIFY COLUMN a RESET SETTING x, y"),
        (clauses.rename_column("a", "b"), "RENAME COLUMN a TO b"),
        (clauses.drop_column("a"), "DROP COLUMN a"),
        (clauses.comment_column("a", "it's"), "COMMENT COLUMN a 'it\\'s'"),
        (clauses.materialize("INDEX", "i"), "MATERIALIZE INDEX i"),
        (clauses.add_index("i", "a TYPE minmax"), "ADD INDEX i a TYPE minmax"),
        (clauses.drop_index("i"), "DROP INDEX i"),
        (clauses.add_projection("p", "(SELECT a)"), "ADD PROJECTION p (SELECT a)"),
        (clauses.modify_projection("p", "(SELECT a)"), "MODIFY PROJECTION p (SELECT a)"),
        (clauses.drop_projection("p"), "DROP PROJECTION p"),
        (clauses.add_constraint("c", "CHECK 1"), "ADD CONSTRAINT c CHECK 1"),
        (clauses.drop_constraint("c"), "DROP CONSTRAINT c"),
        (clauses.drop_constraint("c", if_exists=True), "DROP CONSTRAINT IF EXISTS c"),
        (clauses.add_statistics("a", "uniq"), "ADD STATISTICS a TYPE uniq"),
        (clauses.modify_statistics("a", "uniq"), "MODIFY STATISTICS a TYPE uniq"),
        (clauses.drop_statistics("a"), "DROP STATISTICS a"),
        (clauses.modify_order_by("(a, b)"), "MODIFY ORDER BY (a, b)"),
        (clauses.modify_sample_by("a"), "MODIFY SAMPLE BY a"),
        (clauses.modify_ttl("d + 1"), "MODIFY TTL d + 1"),
        (clauses.modify_setting("x", 1), "MODIFY SETTING x = 1"),
        (clauses.modify_settings([("x", "1"), ("y", "'z'")]), "MODIFY SETTING x = 1, y = 'z'"),
        (clauses.reset_setting("x", "y"), "RESET SETTING x, y"),
        (clauses.modify_comment("a\\b"), "MODIFY COMMENT 'a\\\\b'"),
        (clauses.modify_query("SELECT 1"), "MODIFY QUERY SELECT 1"),
        (clauses.modify_refresh("EVERY 1 DAY"), "MODIFY REFRESH EVERY 1 DAY"),
        (clauses.attach_partition_from("it's", "d.t"), "ATTACH PARTITION ID 'it\\'s' FROM d.t"),
        (clauses.attach_all_partitions_from("d.t"), "ATTACH PARTITION ALL FROM d.t"),
        (clauses.move_partition("all", "d.t"), "MOVE PARTITION ID 'all' TO TABLE d.t"),
        (clauses.drop_part("all_1_1_0"), "DROP PART 'all_1_1_0'"),
    ],
)
def test_commands_of_an_alter(made: str, text: str) -> None:
    assert made == text


def test_an_alter_is_told_from_other_statements() -> None:
    assert ddl.is_alter(ddl.alter_table("t", "A"))
    assert not ddl.is_alter("ALTER USER u")
    assert not ddl.is_alter(ddl.drop("TABLE", "t"))


def test_the_engine_takes_them_with_names_that_are_hard_to_write(aaiclick_engine: EmbeddedEngine) -> None:
    """Every kind of statement, sent: backticks, quotes, backslashes, blanks and words of SQL in names and texts."""
    hard = "a`b'c\\d\"e DROP TABLE ÿ\n--"
    database = fresh_name("ddl") + " `x`"
    one, two, view = (qualified(database, f"{hard}{each}") for each in ("1", "2", "v"))
    column, index, guard = quote_name(hard), quote_name(f"{hard}i"), quote_name(f"{hard}c")
    run = aaiclick_engine.command
    run(ddl.create("DATABASE", quote_name(database), "ENGINE = Atomic"))
    try:
        for table in (one, two):
            run(ddl.create_table(table, f"{column} UInt8", "ENGINE = MergeTree ORDER BY tuple()", hard))
        run(ddl.create_view(view, f"SELECT {column} FROM {one}"))
        run(ddl.replacing(ddl.create_view(view, f"SELECT {column} FROM {two}", f"{column} UInt8")))
        run(
            ddl.alter_table(
                one,
                clauses.add_index(index, f"{column} TYPE minmax"),
                clauses.add_constraint(guard, "CHECK 1"),
                parentheses=True,
            )
        )
        run(
            ddl.alter_table_first(
                ddl.alter_table(one, clauses.drop_index(index)), one, [clauses.drop_constraint(guard)]
            )
        )
        run(ddl.alter_table(one, clauses.add_column(f"{quote_name('b`')} String")))
        run(ddl.alter_table(one, clauses.comment_column(quote_name("b`"), hard)))
        run(ddl.alter_table(one, clauses.rename_column(quote_name("b`"), quote_name("c'"))))
        run(ddl.alter_table(one, clauses.drop_column(quote_name("c'"))))
        run(
            ddl.alter_table(
                one, clauses.modify_comment(f"{hard} now"), clauses.modify_setting("parts_to_throw_insert", 7)
            )
        )
        run(ddl.alter_table(one, clauses.reset_setting("parts_to_throw_insert")))
        run(f"INSERT INTO {one} VALUES (1)")
        run(ddl.alter_table(two, clauses.attach_partition_from("all", one)))
        run(ddl.alter_table(one, clauses.move_partition("all", two)))
        run(ddl.exchange_tables(one, two))
        run(ddl.system("STOP MERGES", one))
        run(ddl.alter_table(one, clauses.drop_part("all_1_1_0")))
        assert run(f"SELECT * FROM {one}").strip() == "1"
        run(ddl.optimize_table(two))
        run(ddl.truncate_table(one))
        run(ddl.rename_table(one, qualified(database, "plain")))
        there = f"database = {quote_string(database)} AND name = {quote_string(f'{hard}2')}"
        said = quote_string(f"{hard} now")
        assert run(f"SELECT comment = {said} FROM system.tables WHERE {there}").strip() == "1"
        run(ddl.drop("VIEW", view))
        run(ddl.drop("TABLE", two, sync=True))
        run(ddl.drop("TABLE", one, if_exists=True))
    finally:
        run(ddl.drop("DATABASE", quote_name(database), if_exists=True, sync=True))


def test_what_stands_behind_a_query_is_not_taken_by_its_comment() -> None:
    query = clauses.modify_query("SELECT a -- all; of them\n;")
    assert ddl.alter_table("v", query, "COMMENT COLUMN a 'x'", parentheses=True) == (
        "ALTER TABLE v (MODIFY QUERY SELECT a), (COMMENT COLUMN a 'x')"
    )
