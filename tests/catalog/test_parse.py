"""CREATE texts of tables and dictionaries as the engine writes them, split into forms."""

from __future__ import annotations

import pytest

from aaiclick.catalog.forms import (
    ColumnForm,
    ConstraintForm,
    DictionaryForm,
    IndexForm,
    ProjectionForm,
    TableForm,
    UnsupportedForm,
)
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.render import form_sql, statement
from aaiclick.errors import UnsupportedObjectError
from aaiclick.routine import Command, Connection
from tests.catalog.helpers import made, text_of

EVERYTHING = """
CREATE TABLE t (
    k UInt8,
    c UInt8 DEFAULT 1 COMMENT 'it''s \\n `x`' CODEC(Delta, ZSTD) STATISTICS(tdigest, uniq) TTL d + INTERVAL 1 DAY SETTINGS (min_compress_block_size = 1),
    d Date,
    e UInt8 EPHEMERAL,
    e1 EPHEMERAL 3,
    m MATERIALIZED k + 1,
    al ALIAS k || 'x',
    INDEX ix (k, d) TYPE set(100) GRANULARITY 3,
    INDEX `i 2` k + 1 TYPE minmax,
    CONSTRAINT positive CHECK k > 1 AND d > 0,
    CONSTRAINT `a b` ASSUME k > 1,
    PROJECTION p (SELECT k, count() GROUP BY k),
    PROJECTION p2 (SELECT * ORDER BY d) WITH SETTINGS (index_granularity = 100)
) ENGINE = ReplacingMergeTree(k)
PARTITION BY toYYYYMM(d) PRIMARY KEY k ORDER BY (k, d) SAMPLE BY k
TTL d + INTERVAL 1 DAY DELETE WHERE k = 1, d + INTERVAL 2 DAY TO DISK 'default', d + INTERVAL 3 DAY RECOMPRESS CODEC(ZSTD(3))
SETTINGS index_granularity = 100, deduplicate_merge_projection_mode = 'drop'
COMMENT 'table '' comment'
"""


def test_every_clause_of_a_table(connection: Connection, aaiclick_database: str) -> None:
    form = made(connection, aaiclick_database, EVERYTHING)
    assert form == TableForm(
        name="t",
        engine="ReplacingMergeTree",
        arguments="k",
        columns=(
            ColumnForm("k", "UInt8"),
            ColumnForm(
                "c",
                "UInt8",
                "DEFAULT",
                "1",
                codec="Delta(1), ZSTD(1)",
                comment="it's \n `x`",
                ttl="d + toIntervalDay(1)",
                settings=(("min_compress_block_size", "1"),),
                statistics="tdigest, uniq",
            ),
            ColumnForm("d", "Date"),
            ColumnForm("e", "UInt8", "EPHEMERAL"),
            ColumnForm("e1", "UInt8", "EPHEMERAL", "3"),
            ColumnForm("m", "UInt16", "MATERIALIZED", "k + 1"),
            ColumnForm("al", "String", "ALIAS", "concat(k, 'x')"),
        ),
        indexes=(IndexForm("ix", "(k, d)", "set(100)", "3"), IndexForm("i 2", "k + 1", "minmax", "1")),
        constraints=(
            ConstraintForm("positive", "CHECK", "(k > 1) AND (d > 0)"),
            ConstraintForm("a b", "ASSUME", "k > 1"),
        ),
        projections=(
            ProjectionForm("p", "(SELECT k, count() GROUP BY k)"),
            ProjectionForm("p2", "(SELECT * ORDER BY d) WITH SETTINGS (index_granularity = 100)"),
        ),
        partition_by="toYYYYMM(d)",
        primary_key="k",
        order_by="(k, d)",
        sample_by="k",
        ttl="d + toIntervalDay(1) WHERE k = 1, d + toIntervalDay(2) TO DISK 'default', d + toIntervalDay(3) "
        "RECOMPRESS CODEC(ZSTD(3))",
        settings=(("index_granularity", "100"), ("deduplicate_merge_projection_mode", "'drop'")),
        comment="table ' comment",
    )
    assert form_sql(form, aaiclick_database, "t") == text_of(connection, aaiclick_database, "t")


WORDS = [
    "SET",
    "INDEX",
    "CONSTRAINT",
    "TTL",
    "PARTITION",
    "ORDER",
    "CODEC",
    "SETTINGS",
    "ENGINE",
    "PRIMARY",
    "SAMPLE",
    "TYPE",
    "DEFAULT",
]


@pytest.mark.parametrize(
    "word",
    [*WORDS, "PROJECTION", "STATISTICS", "GRANULARITY", "AS", "DESC", "IS", "a b", "a.b", "a`b", "a\\b", "a\nb", "é"],
)
def test_a_column_called_like_a_clause(word: str, connection: Connection, aaiclick_database: str) -> None:
    name = "`" + word.replace("\\", "\\\\").replace("`", "\\`") + "`"
    sql = f"""CREATE TABLE t ({name} UInt8 CODEC(ZSTD), b UInt8 DEFAULT {name} COMMENT 'x' TTL toDate({name}) + 1, c UInt8 DEFAULT {name} + 1 CODEC(ZSTD),
        d UInt16 ALIAS {name}, e UInt8 EPHEMERAL {name}, k UInt8, INDEX i {name} TYPE minmax, INDEX j {name} + 1 TYPE set(1) GRANULARITY 2,
        CONSTRAINT x CHECK {name} > 0, PROJECTION p (SELECT {name} ORDER BY {name}))
        ENGINE = MergeTree PARTITION BY {name} PRIMARY KEY (k, {name}) ORDER BY (k, {name}, b)
        TTL toDate({name}) + 1 SETTINGS index_granularity = 5 COMMENT 'y'"""
    sql = sql.replace("(k, " + name + ", b)", f"(k, {name}, c)")
    form = made(connection, aaiclick_database, sql)
    assert isinstance(form, TableForm), form
    assert form.columns[0] == ColumnForm(word, "UInt8", codec="ZSTD(1)")
    plain = form.partition_by
    assert [(column.name, column.kind, column.expression) for column in form.columns[1:4]] == [
        ("b", "DEFAULT", plain),
        ("c", "DEFAULT", f"{plain} + 1"),
        ("d", "ALIAS", plain),
    ]
    assert (form.columns[1].comment, form.columns[1].ttl, form.columns[2].codec) == (
        "x",
        f"toDate({plain}) + 1",
        "ZSTD(1)",
    )
    assert [(index.expression, index.type, index.granularity) for index in form.indexes] == [
        (plain, "minmax", "1"),
        (f"{plain} + 1", "set(1)", "2"),
    ]
    assert (form.primary_key, form.order_by, form.ttl) == (f"(k, {plain})", f"(k, {plain}, c)", f"toDate({plain}) + 1")
    assert (form.settings, form.comment) == ((("index_granularity", "5"),), "y")
    assert form_sql(form, aaiclick_database, "t") == text_of(connection, aaiclick_database, "t")


@pytest.mark.parametrize("clause", ["DEFAULT `NOT`", "EPHEMERAL `COMMENT`"])
def test_a_definition_that_the_engine_itself_cannot_read_is_unsupported(
    clause: str, connection: Connection, aaiclick_database: str
) -> None:
    """The engine leaves the quotes away and then shows an empty text."""
    sql = (
        f"CREATE TABLE t (`NOT` UInt8, `COMMENT` UInt8, b UInt8 {clause} COMMENT 'x') ENGINE = MergeTree ORDER BY `NOT`"
    )
    form = made(connection, aaiclick_database, sql)
    assert isinstance(form, UnsupportedForm)
    assert form.reason == "the server shows no definition of it (create_table_query is empty)"


EXPRESSIONS = [
    "a IS NULL ? '1' : '2'",
    "NOT a",
    "-(-a)",
    "a IS NOT NULL AND a IN (1, 2) AND NOT (toString(a) LIKE 'x')",
    "a NOT IN (1)",
    "toString(a) NOT LIKE 'x'",
    "toString(a) NOT ILIKE 'x'",
    "a NOT BETWEEN 1 AND 2",
    "arrayMap(x -> x + 1, [1, 2])",
    "(1, 2).1",
    "[1, 2, 3][1]",
    "a IS DISTINCT FROM 3",
    "CASE a WHEN 1 THEN 2 ELSE 3 END",
    "now() + INTERVAL 1 DAY",
    "map('a', 'b')",
    "x'41'",
    "$$a'b$$",
    "a::String",
    "CAST(a AS String)",
    "1e100",
    "-inf",
    "true",
    "(((a)))",
    "a <=> 1",
    "'\\0\\t\\n\\'\\\\'",
    "sumIf(a, a) OVER ()",
    "tuple(1)",
    "if(a = 1, 'COMMENT', 'TTL')",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_any_expression_ends_where_its_clause_ends(
    expression: str, connection: Connection, aaiclick_database: str
) -> None:
    form = made(
        connection,
        aaiclick_database,
        f"CREATE TABLE t (a UInt8, b DEFAULT {expression} COMMENT 'x' CODEC(NONE), c UInt8) ENGINE = MergeTree ORDER "
        "BY a",
    )
    assert isinstance(form, TableForm), form
    assert (form.columns[1].kind, form.columns[1].comment, form.columns[1].codec) == ("DEFAULT", "x", "NONE")
    assert form_sql(form, aaiclick_database, "t") == text_of(connection, aaiclick_database, "t")


ENGINES = [
    "Log",
    "`Null`",
    "Memory SETTINGS max_rows_to_keep = 100 COMMENT 'zz'",
    "Join(ANY, LEFT, a) SETTINGS join_use_nulls = 1",
    "Buffer('d', 'y', 16, 10, 100, 10000, 1000000, 10000000, 100000000)",
    "Merge('d', '^y')",
    "MergeTree ORDER BY tuple(a DESC, b) SETTINGS allow_experimental_reverse_key = 1, index_granularity = 8192",
    "MergeTree ORDER BY a DESC SETTINGS allow_experimental_reverse_key = 1, index_granularity = 8192",
    "MergeTree PARTITION BY tuple() PRIMARY KEY tuple() ORDER BY tuple() SETTINGS index_granularity = 8192",
    "MergeTree PARTITION BY (a) PRIMARY KEY (a) ORDER BY (a) SETTINGS index_granularity = 8192",
    "SummingMergeTree((b, c)) ORDER BY a SETTINGS index_granularity = 8192",
    "VersionedCollapsingMergeTree(s, b) ORDER BY a SETTINGS index_granularity = 8192",
    "MergeTree ORDER BY a TTL toDate(a) GROUP BY a SET b = max(b) SETTINGS index_granularity = 8192 COMMENT 'x'",
    "File('CSV')",
    "GenerateRandom(1)",
]


@pytest.mark.parametrize("engine", ENGINES)
def test_engines(engine: str, connection: Connection, aaiclick_database: str) -> None:
    sql = f"CREATE TABLE {aaiclick_database}.t (`a` UInt8, `b` UInt8, `c` UInt8, `s` Int8) ENGINE = {engine}"
    form = made(connection, aaiclick_database, sql)
    assert isinstance(form, TableForm), form
    assert text_of(connection, aaiclick_database, "t") == sql == form_sql(form, aaiclick_database, "t")


def test_a_dictionary(connection: Connection, aaiclick_database: str) -> None:
    form = made(
        connection,
        aaiclick_database,
        """CREATE DICTIONARY t (id UInt64, `p q` UInt64 DEFAULT 0 HIERARCHICAL, n String DEFAULT 'x' EXPRESSION upper(n) INJECTIVE, s Date, e Date)
        PRIMARY KEY id SOURCE(CLICKHOUSE(TABLE 'src' WHERE 'a = 1')) LIFETIME(300) LAYOUT(RANGE_HASHED(RANGE_LOOKUP_STRATEGY 'max'))
        RANGE(MIN s MAX e) SETTINGS(format_csv_allow_single_quotes = 1) COMMENT 'dd'""",
    )
    assert form == DictionaryForm(
        "t",
        (
            ColumnForm("id", "UInt64"),
            ColumnForm("p q", "UInt64", "DEFAULT", "0", settings=(("HIERARCHICAL", ""),)),
            ColumnForm("n", "String", "DEFAULT", "'x'", settings=(("EXPRESSION", "upper(n)"), ("INJECTIVE", ""))),
            ColumnForm("s", "Date"),
            ColumnForm("e", "Date"),
        ),
        (
            ("PRIMARY KEY", "id"),
            ("SOURCE", "CLICKHOUSE(TABLE 'src' WHERE 'a = 1')"),
            ("LIFETIME", "MIN 0 MAX 300"),
            ("LAYOUT", "RANGE_HASHED(RANGE_LOOKUP_STRATEGY 'max')"),
            ("RANGE", "MIN s MAX e"),
            ("SETTINGS", "format_csv_allow_single_quotes = 1"),
        ),
        "dd",
    )
    assert form_sql(form, aaiclick_database, "t") == text_of(connection, aaiclick_database, "t")
    connection.command(Command(f"DROP DICTIONARY {aaiclick_database}.t"))


def test_an_empty_comment_says_nothing(connection: Connection, aaiclick_database: str) -> None:
    form = made(connection, aaiclick_database, "CREATE TABLE t (a UInt8) ENGINE = Memory COMMENT ''")
    assert text_of(connection, aaiclick_database, "t").endswith(" COMMENT ''")
    assert form == TableForm("t", "Memory", (ColumnForm("a", "UInt8"),))


def test_a_uuid_is_left_out() -> None:
    text = "CREATE TABLE d.t UUID '11111111-1111-1111-1111-111111111111' (`a` UInt8) ENGINE = Memory"
    assert split_create(text, "d") == TableForm("t", "Memory", (ColumnForm("a", "UInt8"),))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the server shows no definition of it (create_table_query is empty)"),
        ("CREATE TABLE d.t (`a` UInt8) AS numbers(10)", "a table without an engine of its own at 'AS numbers(10)'"),
        (
            "CREATE TABLE d.t (`a` UInt8 MASKED BY x) ENGINE = Log",
            "column a: a clause that is not known at 'MASKED BY x) ENGINE ='",
        ),
        (
            "CREATE TABLE d.t (`a` UInt8 DEFAULT 1 DEFAULT 2) ENGINE = Log",
            "column a: a clause that stands there twice at ') ENGINE = Log'",
        ),
        (
            "CREATE TABLE d.t (`a` UInt8, FOREIGN x) ENGINE = Log",
            "an element that is not known at 'FOREIGN x) ENGINE = Log'",
        ),
        (
            "CREATE TABLE d.t (`a` UInt8) ENGINE = MergeTree UNIQUE KEY a ORDER BY a",
            "a clause that is not known at 'UNIQUE KEY a ORDER BY a'",
        ),
        ("CREATE TABLE d.t (`a` UInt8) ENGINE = MergeTree ORDER BY a ORDER BY b", "ORDER BY stands there twice at 'b'"),
        ("CREATE TABLE d.t (`a` UInt8) ENGINE = Log EXTRA", "a clause that is not known at 'EXTRA'"),
        ("CREATE TABLE d.t (`a` UInt8", "( is never closed"),
        ("CREATE TABLE d.t", "a table without a list of columns at the end"),
        (
            "CREATE FUNCTION f AS x -> x",
            "an object that is neither table, view nor dictionary at 'FUNCTION f AS x -> x'",
        ),
        ("ATTACH TABLE d.t (`a` UInt8) ENGINE = Log", "CREATE was expected at 'ATTACH TABLE d.t ('"),
    ],
)
def test_what_is_not_known_is_unsupported_with_its_reason(text: str, reason: str) -> None:
    form = split_create(text, "d")
    assert isinstance(form, UnsupportedForm)
    assert form.reason == reason
    assert form.text == text
    with pytest.raises(UnsupportedObjectError):
        form_sql(form, "d", "t")


def test_a_hidden_secret_is_never_created_from_the_text(connection: Connection, aaiclick_database: str) -> None:
    sql = "CREATE TABLE t (a UInt8 COMMENT 'plain') ENGINE = URL('http://u:pw@localhost:1/x', 'CSV')"
    form = made(connection, aaiclick_database, sql)
    assert isinstance(form, TableForm)
    assert form.arguments == "'http://u:[HIDDEN]@localhost:1/x', 'CSV'"
    assert statement(form, aaiclick_database, "t") == text_of(connection, aaiclick_database, "t")
    with pytest.raises(UnsupportedObjectError, match="secret"):
        form_sql(form, aaiclick_database, "t")


def test_the_word_hidden_in_a_comment_is_no_secret() -> None:
    form = TableForm("t", "Log", (ColumnForm("a", "UInt8", comment="[HIDDEN]"),), comment="[HIDDEN]")
    assert form_sql(form, "d", "t", if_not_exists=True) == (
        "CREATE TABLE IF NOT EXISTS d.t (`a` UInt8 COMMENT '[HIDDEN]') ENGINE = Log COMMENT '[HIDDEN]'"
    )
