"""Where a cluster is named, for every statement that this library writes; and what an ALTER is divided into."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaiclick.sql import clauses, ddl
from aaiclick.sql.cluster import by_group, head_of, on_cluster
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.testing.engine import EmbeddedEngine

D, E = "{d}", "{e}"
BUILT = {
    "create": [
        ddl.create("DATABASE", D, "ENGINE = Atomic"),
        ddl.create("FUNCTION", D, "AS x -> x", or_replace=True),
        ddl.create("MATERIALIZED VIEW", D, f"TO {E} AS SELECT 1", if_not_exists=True),
        ddl.create("DICTIONARY", D, "(a UInt8) PRIMARY KEY a SOURCE(NULL()) LAYOUT(FLAT())"),
    ],
    "create_table": [ddl.create_table(D, "a UInt8", "ENGINE = Null", "ON CLUSTER 'x'", if_not_exists=True)],
    "create_view": [ddl.create_view(D, "SELECT 1 AS `ON CLUSTER`", "`ON CLUSTER` UInt8")],
    "replacing": [ddl.replacing(ddl.create_table(D, "a UInt8", "ENGINE = Null"))],
    "attach_table": [ddl.attach_table(D, "00000000-0000-0000-0000-000000000001", "(a UInt8) ENGINE = Log")],
    "attach_again": [ddl.attach_again(D)],
    "alter_database": [ddl.alter_database(D, "MODIFY COMMENT 'ON CLUSTER'")],
    "create_named_collection": [ddl.create_named_collection(D, ["a = 'ON CLUSTER'", "b = 1"])],
    "alter_named_collection": [ddl.alter_named_collection(D, ["a = 'AS'"], ["b"])],
    "alter_table": [
        ddl.alter_table(D, clauses.add_column("a UInt8"), clauses.drop_column("b"), parentheses=True),
        ddl.alter_table(D, clauses.modify_settings((("a", 1), ("b", 2)))),
    ],
    "alter_table_first": [
        ddl.alter_table_first(ddl.alter_table(D, "ADD COLUMN a UInt8"), D, ["DROP CONSTRAINT c"]),
    ],
    "rename_table": [ddl.rename_table(D, E), ddl.rename_table(D, E, if_exists=True)],
    "exchange_tables": [ddl.exchange_tables(D, E)],
    "drop": [ddl.drop("TABLE", D, if_exists=True, sync=True), ddl.drop("VIEW", D)],
    "truncate_table": [ddl.truncate_table(D)],
    "optimize_table": [ddl.optimize_table(D)],
    "system": [ddl.system("STOP TTL MERGES", D), ddl.system("RELOAD DICTIONARY", D)],
    "kill_where": [ddl.kill_where("MUTATION", "database = 'ON CLUSTER'")],
}
NO_STATEMENTS = {
    "column_definition",
    "comment_clause",
    "is_alter",
    "is_create_or_alter",
    "is_rename",
    "is_truncate",
    "kill_everywhere",
    "quote_string",
    "with_cluster",
}
HARD = [
    "t",
    "a.b",
    "ON CLUSTER",
    "it's",
    "back`tick",
    "TO",
    "AND",
    "SYNC",
    "ünï",
    "new\nline",
    "-- x",
    "ON CLUSTER `c`",
]


def named(statement: str, name: str) -> str:
    return statement.replace(D, qualified("d", name)).replace(E, qualified("e", name))


def test_every_builder_is_here() -> None:
    made = {name for name, value in vars(ddl).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert made - NO_STATEMENTS == set(BUILT)


@pytest.mark.parametrize("statement", [each for listed in BUILT.values() for each in listed])
@pytest.mark.parametrize("name", HARD)
def test_the_engine_reads_the_same_with_the_cluster(aaiclick_engine: EmbeddedEngine, statement: str, name: str) -> None:
    """What the engine reads with the clause is what it reads without, and the clause."""
    if any(word in statement for word in ("DATABASE", "FUNCTION", "NAMED COLLECTION")):
        sql = statement.replace(D, quote_name(name))
    else:
        sql = named(statement, name)
    clustered = on_cluster(sql, "it's")
    assert clustered != sql
    plain = read(aaiclick_engine, sql)
    again = read(aaiclick_engine, clustered)
    clause = " ON CLUSTER `it's`"
    assert clause in again
    assert again.replace(clause, "", 1) == plain


def read(engine: EmbeddedEngine, sql: str) -> str:
    return engine.command(f"SELECT formatQuerySingleLine({quote_string(sql)}) FORMAT LineAsString")


@given(st.text(min_size=1, max_size=12).filter(lambda name: "\0" not in name))
def test_names_are_found_whatever_they_are(name: str) -> None:
    for statement in (each for listed in BUILT.values() for each in listed if "DATABASE" not in each):
        sql = named(statement, name)
        head = head_of(sql)
        assert head is not None
        end = head.end
        assert on_cluster(sql, "c") == f"{sql[:end]} ON CLUSTER `c`{sql[end:]}"
        if head.verb not in ("SYSTEM", "KILL") and "FUNCTION" not in sql:
            assert sql[:end].endswith(quote_name(name)) or "UUID" in sql[:end]
        if D in statement and head.names:
            assert head.names[0][-1] == name


@pytest.mark.parametrize("text", ["SELECT 1", "INSERT INTO t SELECT 1", "", "CREATE USER u", "ALTER", "'"])
def test_other_texts_stay(text: str) -> None:
    assert head_of(text) is None
    assert on_cluster(text, "c") == text
    assert by_group(text) == (text,)


COLUMN, SETTING = clauses.add_column("a UInt8"), clauses.modify_settings((("x", 1), ("y", "'(a, ADD b)'")))
COMMENT = clauses.modify_comment("ADD, MODIFY SETTING a = 1")


@pytest.mark.parametrize("parentheses", [True, False])
def test_settings_and_comments_are_apart(parentheses: bool) -> None:
    drop = clauses.drop_column("b")
    mixed = ddl.alter_table(
        "d.t", COLUMN, drop, SETTING, COMMENT, clauses.comment_column("c", "x"), parentheses=parentheses
    )
    found = by_group(mixed)
    assert found == (
        ddl.alter_table("d.t", COLUMN, drop, parentheses=parentheses),
        ddl.alter_table("d.t", SETTING),
        ddl.alter_table("d.t", COMMENT, clauses.comment_column("c", "x"), parentheses=parentheses),
    )


def test_a_mutation_goes_behind_the_columns_that_it_names() -> None:
    written = clauses.materialize("COLUMN", "a")
    found = by_group(ddl.alter_table("d.t", COLUMN, written, clauses.drop_column("b"), parentheses=True))
    assert found == tuple(ddl.alter_table("d.t", each) for each in (COLUMN, written, clauses.drop_column("b")))


@pytest.mark.parametrize(
    "command", [COLUMN, SETTING, COMMENT, clauses.reset_setting("a", "b"), "MODIFY COLUMN a UInt8"]
)
def test_what_is_of_one_group_stays_whole(command: str) -> None:
    sql = ddl.alter_table("d.t", command)
    assert by_group(sql) == (sql,)


def test_settings_of_a_column_travel_with_it() -> None:
    sql = ddl.alter_table("d.t", COLUMN, clauses.modify_column_setting("a", "x = 1"), parentheses=True)
    assert by_group(sql) == (sql,)
