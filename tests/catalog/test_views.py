"""Views: their clauses, and queries without their own database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick.catalog.forms import ColumnForm, UnsupportedForm, ViewForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.render import form_sql
from aaiclick.routine import Command, Connection
from aaiclick.sql.database_prefix import strip_database
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.catalog.helpers import text_of


@pytest.fixture(scope="module")
def ground(connection: Connection, aaiclick_engine: EmbeddedEngine) -> Iterator[tuple[str, str]]:
    """Two databases with the same objects under the same names (and one object that only the second has)."""
    names = fresh_name("app"), fresh_name("other")
    for name in names:
        for sql in (
            f"CREATE DATABASE `{name}`",
            (
                f"CREATE TABLE `{name}`.src (a UInt8, b String, t DateTime, `{names[0]}` Tuple(x UInt8)) ENGINE = "
                "MergeTree ORDER BY a"
            ),
            f"CREATE TABLE `{name}`.tgt (a UInt8, c UInt64) ENGINE = MergeTree ORDER BY a",
            f"CREATE TABLE `{name}`.st (a UInt8) ENGINE = Set",
            f"CREATE TABLE `{name}`.j (a UInt8, b String) ENGINE = Join(ANY, LEFT, a)",
            (
                f"CREATE DICTIONARY `{name}`.dic (id UInt64, c UInt64 DEFAULT 0) PRIMARY KEY id SOURCE(NULL()) "
                "LIFETIME(0) LAYOUT(FLAT())"
            ),
        ):
            connection.command(Command(sql))
    connection.command(Command(f"CREATE TABLE `{names[1]}`.away (a UInt8, c UInt64) ENGINE = MergeTree ORDER BY a"))
    yield names
    for name in names:
        aaiclick_engine.command(f"DROP DATABASE IF EXISTS `{name}` SYNC")


QUERIES = [
    "SELECT a, count() AS c FROM src GROUP BY a",
    "SELECT src.a, {db}.src.b FROM src",
    "SELECT {db}.src.* FROM src",
    "SELECT {db}.a FROM src AS {db}",
    "SELECT {db}.x FROM src",
    "SELECT src.{db}.x FROM src",
    "SELECT * FROM src, tgt",
    "SELECT * FROM src CROSS JOIN tgt AS t2",
    "SELECT * FROM src ANY LEFT JOIN tgt USING (a)",
    "SELECT * FROM src ARRAY JOIN [1, 2] AS z",
    "SELECT * FROM src LEFT ARRAY JOIN [1] AS {db}",
    "SELECT * FROM (SELECT a FROM src) AS s INNER JOIN tgt USING (a)",
    "SELECT * FROM tgt, (SELECT a FROM src) AS x, src",
    "WITH q AS (SELECT a FROM src) SELECT * FROM tgt INNER JOIN q USING (a) WHERE a IN (SELECT a FROM q)",
    "SELECT a FROM src UNION ALL SELECT a FROM tgt",
    "(SELECT a FROM src) EXCEPT (SELECT a FROM tgt)",
    "SELECT a FROM src WHERE a IN st AND a NOT IN (SELECT a FROM tgt)",
    "SELECT a FROM src WHERE (a, a) IN (SELECT a, a FROM tgt) AND exists(SELECT 1 FROM tgt)",
    "SELECT a IS DISTINCT FROM 2 AS x FROM src ORDER BY a LIMIT 1 BY a LIMIT 5 SETTINGS max_threads = 1",
    "SELECT src.a AS x FROM src LEFT JOIN tgt ON {db}.src.a = {db}.tgt.a",
    "SELECT dictGet('dic', 'c', toUInt64(a)) FROM src",
    "SELECT dictGet({db}.dic, 'c', toUInt64(a)) AS c, dictHas('{db}.dic', toUInt64(a)) AS h FROM src",
    "SELECT joinGet('j', 'b', a) AS x FROM src",
    "SELECT a FROM merge('^src$')",
    "SELECT row_number() OVER (PARTITION BY a ORDER BY t) AS r FROM src",
    "SELECT {p:UInt8} AS x, a FROM src WHERE a = {q:UInt8}",
    "SELECT a, 'FROM {db}.src' AS s FROM src",
    "SELECT a FROM view(SELECT a FROM src)",
]


@pytest.mark.parametrize("query", QUERIES)
def test_the_same_view_in_two_databases_is_one_form(
    query: str, connection: Connection, ground: tuple[str, str]
) -> None:
    """What the user wrote with the own database in front, the engine writes so for all: both lose it, aliases and
    columns of that name keep theirs."""
    forms: list[ViewForm] = []
    for database in ground:
        written = (
            query.replace("{db}.src", f"{database}.src")
            .replace("{db}.tgt", f"{database}.tgt")
            .replace("{db}.dic", f"{database}.dic")
        )
        connection.command(
            Command(f"CREATE OR REPLACE VIEW v AS {written.replace('{db}', ground[0])}", database=database)
        )
        form = split_create(text_of(connection, database, "v"), database)
        assert isinstance(form, ViewForm), form
        # What a form creates is the same view again.
        connection.command(Command(f"DROP VIEW {database}.v"))
        connection.command(Command(form_sql(form, database, "v"), database=database))
        assert split_create(text_of(connection, database, "v"), database) == form
        connection.command(Command(f"DROP VIEW {database}.v"))
        forms.append(form)
    if "'FROM" not in query:
        assert forms[0] == forms[1]
    assert f"{ground[1]}." not in forms[1].query.replace(f"'FROM {ground[1]}.", "")


def test_another_database_stays(connection: Connection, ground: tuple[str, str]) -> None:
    app, other = ground
    connection.command(
        Command(
            f"CREATE VIEW reads_away AS SELECT s.a, o.c FROM src AS s INNER JOIN {other}.away AS o ON o.a = s.a",
            database=app,
        )
    )
    form = split_create(text_of(connection, app, "reads_away"), app)
    assert isinstance(form, ViewForm)
    assert form.query == f"SELECT s.a, o.c FROM src AS s INNER JOIN {other}.away AS o ON o.a = s.a"


SELECT = "SELECT a, count() AS c FROM src GROUP BY a"
COLUMNS = (ColumnForm("a", "UInt8"), ColumnForm("c", "UInt64"))
DEFINER = "DEFINER = default SQL SECURITY DEFINER"
FORMS = [
    (f"VIEW v AS {SELECT} COMMENT 'hello'", ViewForm("v", SELECT, COLUMNS, comment="hello")),
    (f"VIEW v DEFINER = default SQL SECURITY DEFINER AS {SELECT}", ViewForm("v", SELECT, COLUMNS, security=DEFINER)),
    (f"VIEW v SQL SECURITY INVOKER AS {SELECT}", ViewForm("v", SELECT, COLUMNS, security="SQL SECURITY INVOKER")),
    (
        f"MATERIALIZED VIEW v TO tgt AS {SELECT} COMMENT 'x'",
        ViewForm("v", SELECT, COLUMNS, materialized=True, to="tgt", comment="x"),
    ),
    (
        f"MATERIALIZED VIEW v TO {{other}}.away AS {SELECT}",
        ViewForm("v", SELECT, COLUMNS, materialized=True, to="{other}.away"),
    ),
    (
        (
            "MATERIALIZED VIEW v ENGINE = SummingMergeTree PARTITION BY a ORDER BY a TTL toDate(a) + 1 SETTINGS "
            f"index_granularity = 100 AS {SELECT} COMMENT 'z'"
        ),
        ViewForm(
            "v",
            SELECT,
            COLUMNS,
            materialized=True,
            inner="ENGINE = SummingMergeTree PARTITION BY a ORDER BY a TTL toDate(a) + 1 SETTINGS index_granularity "
            "= 100",
            comment="z",
        ),
    ),
    (
        (
            "MATERIALIZED VIEW v REFRESH EVERY 60 MINUTE OFFSET 5 MINUTE RANDOMIZE FOR 1 MINUTE DEPENDS ON tgt TO "
            f"{{other}}.away EMPTY AS {SELECT}"
        ),
        ViewForm(
            "v",
            SELECT,
            COLUMNS,
            materialized=True,
            to="{other}.away",
            refresh="EVERY 1 HOUR OFFSET 5 MINUTE RANDOMIZE FOR 1 MINUTE DEPENDS ON tgt",
            security=DEFINER,
        ),
    ),
    (
        f"MATERIALIZED VIEW v REFRESH EVERY 1 DAY SETTINGS refresh_retries = 3 APPEND TO tgt EMPTY AS {SELECT}",
        ViewForm(
            "v",
            SELECT,
            COLUMNS,
            materialized=True,
            to="tgt",
            refresh="EVERY 1 DAY SETTINGS refresh_retries = 3 APPEND",
            security=DEFINER,
        ),
    ),
    (
        f"MATERIALIZED VIEW v REFRESH EVERY 1 DAY ENGINE = MergeTree ORDER BY a EMPTY AS {SELECT}",
        ViewForm(
            "v",
            SELECT,
            COLUMNS,
            materialized=True,
            inner="ENGINE = MergeTree ORDER BY a SETTINGS index_granularity = 8192",
            refresh="EVERY 1 DAY",
            security=DEFINER,
        ),
    ),
]


@pytest.mark.parametrize(("sql", "expected"), FORMS, ids=range(len(FORMS)))
def test_every_clause_of_a_view(sql: str, expected: ViewForm, connection: Connection, ground: tuple[str, str]) -> None:
    app, other = ground
    connection.command(Command(f"CREATE {sql}".replace("{other}", other), database=app))
    try:
        form = split_create(text_of(connection, app, "v"), app)
    finally:
        connection.command(Command(f"DROP VIEW {app}.v SYNC"))
    assert isinstance(form, ViewForm), form
    assert form == ViewForm(
        **{
            **{name: getattr(expected, name) for name in expected.__slots__},
            "to": expected.to.replace("{other}", other),
        }
    )


def test_a_comment_behind_the_query_as_older_servers_write_it() -> None:
    form = split_create("CREATE VIEW d.v (`a` UInt8) AS SELECT a FROM d.src COMMENT 'x'", "d")
    assert form == ViewForm("v", "SELECT a FROM src", (ColumnForm("a", "UInt8"),), comment="x")


def test_an_inner_uuid_is_left_out() -> None:
    text = (
        "CREATE MATERIALIZED VIEW d.v TO INNER UUID '11111111-1111-1111-1111-111111111111' (`a` UInt8) ENGINE = Log "
        "AS SELECT a FROM d.src"
    )
    assert split_create(text, "d") == ViewForm(
        "v", "SELECT a FROM src", (ColumnForm("a", "UInt8"),), materialized=True, inner="ENGINE = Log"
    )


def test_an_index_inside_a_view_is_unsupported() -> None:
    form = split_create(
        "CREATE MATERIALIZED VIEW d.v (`a` UInt8, INDEX i a TYPE minmax) ENGINE = Log AS SELECT a FROM d.src", "d"
    )
    assert isinstance(form, UnsupportedForm)
    assert form.reason.startswith("a view whose own table has indexes")


def test_quoted_databases() -> None:
    assert (
        strip_database("SELECT `my db`.t.a FROM `my db`.t, other.`my db`", "my db")
        == "SELECT t.a FROM t, other.`my db`"
    )
    assert (
        strip_database("SELECT d.x FROM remote('h', d.src), loop(d.src)", "d")
        == "SELECT d.x FROM remote('h', d.src), loop(d.src)"
    )
