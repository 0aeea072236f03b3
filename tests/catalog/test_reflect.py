"""Live objects as declarations, and back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aaiclick.catalog.declared_tables import canonical_tables, canonical_views
from aaiclick.catalog.forms import (
    ColumnForm,
    DictionaryForm,
    Form,
    ProjectionForm,
    TableForm,
    UnsupportedForm,
    ViewForm,
)
from aaiclick.catalog.normalize import normal, normal_form
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.reflect import reflect_catalog, reflect_object, reflect_table
from aaiclick.catalog.render import target_parts
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.errors import UnsupportedObjectError
from aaiclick.routine import Command, Connection, Routine, run
from aaiclick.specs import AggregatingMergeTree, Column, Engine, MergeTree, ReplacingMergeTree, SummingMergeTree
from aaiclick.specs.ddl import create_materialized_view_sql
from aaiclick.specs.views import Dictionary, MaterializedView, View
from aaiclick.sql.quoting import qualified
from tests.catalog.helpers import made, permissive

DICTIONARY = """CREATE DICTIONARY dic (a UInt64, b String DEFAULT 'x' EXPRESSION upper(b), p UInt64 HIERARCHICAL) PRIMARY KEY a
    SOURCE(CLICKHOUSE(TABLE 'src')) LIFETIME(MIN 1 MAX 2) LAYOUT(HASHED()) SETTINGS(format_csv_allow_single_quotes = 1) COMMENT 'd'"""
TABLES = [
    "(`a` UInt8) ENGINE = MergeTree ORDER BY tuple()",
    "(`a` UInt8, `b c` UInt8) ENGINE = MergeTree PARTITION BY (a, `b c`) PRIMARY KEY a ORDER BY (a, `b c`) SAMPLE BY a",
    "(`a` UInt8, ` b` UInt8, `c ` UInt8) ENGINE = MergeTree PARTITION BY `c ` ORDER BY (a, ` b`)",
    "(`a` UInt8, v UInt8, d UInt8) ENGINE = ReplacingMergeTree(v, d) ORDER BY tuple(a)",
    "(`a` UInt8, `v w` UInt8, x UInt8) ENGINE = SummingMergeTree((`v w`, x)) ORDER BY (a)",
    "(`a` UInt8, v UInt8) ENGINE = SummingMergeTree(v) ORDER BY a",
    "(`a` UInt8, v Nullable(UInt8)) ENGINE = CoalescingMergeTree ORDER BY a",
    "(`a` UInt8, s Int8) ENGINE = CollapsingMergeTree(s) ORDER BY a",
    "(`a` UInt8, s Int8, v UInt8) ENGINE = VersionedCollapsingMergeTree(s, v) ORDER BY a",
    "(`a` UInt8, v SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY a",
    "(`a` UInt8) ENGINE = MergeTree ORDER BY a DESC SETTINGS allow_experimental_reverse_key = 1",
    "(`a` UInt8, b UInt8) ENGINE = MergeTree ORDER BY (a DESC, b) SETTINGS allow_experimental_reverse_key = true",
    (
        "(`a` UInt8) ENGINE = MergeTree ORDER BY a SETTINGS min_bytes_for_wide_part = '10M', merge_max_block_size = "
        "1e3 COMMENT 'it''s'"
    ),
    (
        "(`a` UInt8, b UInt8 EPHEMERAL, c UInt8 EPHEMERAL 3, d UInt8 MATERIALIZED a + 1, e UInt8 ALIAS a) ENGINE = "
        "MergeTree ORDER BY a"
    ),
    (
        "(`a` UInt8, b String CODEC(ZSTD) TTL toDate(a) + 1 SETTINGS (min_compress_block_size = 1)) ENGINE = "
        "MergeTree ORDER BY a TTL toDate(a) + INTERVAL 1 DAY"
    ),
    "(`a` UInt8, b String STATISTICS(uniq) COMMENT 'x\\n''y') ENGINE = MergeTree ORDER BY a",
    (
        "(`a` UInt8, INDEX `i j` a TYPE set(3) GRANULARITY 4, PROJECTION p (SELECT a ORDER BY a)) ENGINE = MergeTree "
        "ORDER BY a"
    ),
    "(`a` UInt8, CONSTRAINT c CHECK (a > 1), CONSTRAINT d ASSUME a > 2) ENGINE = MergeTree ORDER BY a",
    "(n Nested(x UInt8, `y z` String)) ENGINE = MergeTree ORDER BY n.x",
    "(`a.b` UInt8, `c` Tuple(x UInt8)) ENGINE = MergeTree ORDER BY (`a.b`, c.x)",
    "(`TTL` UInt8, `ORDER` UInt8) ENGINE = MergeTree PARTITION BY `TTL` ORDER BY (`ORDER`, `TTL`) TTL toDate(`TTL`)",
    "(n Nested(x UInt8, `y z` String), a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS flatten_nested = 0",
    (
        "(`a` UInt8, PROJECTION p (SELECT a ORDER BY a) WITH SETTINGS (index_granularity = 128), PROJECTION q INDEX "
        "a TYPE basic) ENGINE = MergeTree ORDER BY a"
    ),
    "(`a` UInt8, `b c` UInt8) ENGINE = EmbeddedRocksDB(10) PRIMARY KEY `b c`",
    "(`a` UInt8) ENGINE = Log",
    "(`a` UInt8, b UInt8) ENGINE = Join(ANY, LEFT, a) SETTINGS join_use_nulls = 1 COMMENT 'x'",
    "(`a` UInt8) ENGINE = `Null`",
]


@pytest.mark.parametrize("sql", TABLES)
def test_what_is_reflected_creates_the_same_table(sql: str, connection: Connection, aaiclick_database: str) -> None:
    form = made(connection, aaiclick_database, f"CREATE TABLE t {sql}", settings=permissive(connection))
    assert isinstance(form, TableForm), form
    table = reflect_table(form)
    again = run(with_scratch(lambda scratch: canonical_tables(scratch, [table])), connection)["t"]
    assert normal(again) == normal(form)
    # Every aspect is written down.
    assert {"indexes", "projections", "constraints", "comment", "engine"} <= table.model_fields_set
    assert all(
        {"codec", "comment", "ttl", "settings", "default"} <= column.model_fields_set for column in table.columns
    )


def test_readable_engines() -> None:
    form = TableForm(
        "t",
        "ReplacingMergeTree",
        (ColumnForm("a b", "UInt8"), ColumnForm("v", "UInt8")),
        "v",
        order_by="(`a b`)",
        partition_by="tuple()",
    )
    engine = reflect_table(form).engine
    assert isinstance(engine, ReplacingMergeTree)
    assert (engine.order_by, engine.partition_by, engine.primary_key, engine.version) == (["a b"], None, None, "v")
    shared = reflect_table(replace(form, engine="SharedMergeTree", arguments="'/p', 'r'")).engine
    assert type(shared) is MergeTree
    assert shared.replicated is None
    replicated = reflect_table(replace(form, engine="ReplicatedAggregatingMergeTree", arguments="'/p', 'r'")).engine
    assert isinstance(replicated, AggregatingMergeTree)
    assert replicated.replicated == "'/p', 'r'"
    summing = reflect_table(replace(form, engine="ReplicatedSummingMergeTree", arguments="'/p', 'r', (v)")).engine
    assert isinstance(summing, SummingMergeTree)
    assert (summing.replicated, summing.columns) == ("'/p', 'r'", ["v"])
    assert isinstance(reflect_table(TableForm("t", "Log", (ColumnForm("a", "UInt8"),))).engine, Engine)
    assert reflect_table(form).columns[0] == Column(
        "a b", "UInt8", default=None, codec=None, comment=None, ttl=None, settings={}, statistics=None
    )


A = ColumnForm("a", "UInt8")


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (TableForm("t", "MergeTree", (A,), "d, (a), 8192"), "the engine MergeTree(d, (a), 8192) cannot be declared"),
        (
            TableForm("t", "ReplacingMergeTree", (A,), "a + 1", order_by="a"),
            "the engine's argument a + 1 is no column's name",
        ),
        (TableForm("t", "Log", (A,), sample_by="a"), "the sampling key and the TTL of a Log table cannot be declared"),
        (
            TableForm("t", "MergeTree", (A,), order_by="a", settings=(("a", "f(x = 'y')"),)),
            "the setting a = f(x = 'y') cannot be declared",
        ),
        (
            TableForm("t", "MergeTree", (A,), projections=(ProjectionForm("p", "(SELECT a) WITH FRILLS (x = 1)"),)),
            "projection p has a clause that cannot be declared",
        ),
        (
            TableForm("t", "MergeTree", (A,), projections=(ProjectionForm("p", "INDEX a"),)),
            "projection p has a clause that cannot be declared",
        ),
        (
            TableForm("t", "MergeTree", (A,), projections=(ProjectionForm("p", "(SELECT a) WITH SETTINGS (x = 1) y"),)),
            "projection p has a clause that cannot be declared",
        ),
        (
            TableForm("t", "URL", (A,), "'http://u:[HIDDEN]@h', CSV"),
            "its definition holds a secret that the server does not show",
        ),
        (
            ViewForm("v", "SELECT 1", (replace(A, codec="ZSTD(1)"),), materialized=True, inner="ENGINE = Log"),
            "defaults, codecs and comments of a view's columns cannot be declared",
        ),
        (
            DictionaryForm("d", (A,), (("PRIMARY KEY", "a + 1"), ("SOURCE", "NULL()"))),
            "its primary key holds a + 1, which is no attribute's name",
        ),
        (UnsupportedForm("x", "no idea", "text"), "no idea"),
    ],
)
def test_what_cannot_be_declared(form: Form, reason: str) -> None:
    with pytest.raises(UnsupportedObjectError) as caught:
        reflect_object(form)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("to", "sql"),
    [
        ("plain", "`app`.`plain`"),
        ("other.plain", "`other`.`plain`"),
        ("`with.dot`", "`app`.`with.dot`"),
        ("`o x`.t", "`o x`.`t`"),
        ("two words", "`app`.`two words`"),
    ],
)
def test_targets(to: str, sql: str) -> None:
    """What a form calls its target is what the declaration's statement writes to."""
    assert f" TO {sql} AS " in create_materialized_view_sql(MaterializedView("v", to=to, query="SELECT 1"), "app")
    database, name = target_parts(to)
    assert sql == qualified(database or "app", name)


def test_a_whole_database(connection: Connection, aaiclick_database: str) -> None:
    for sql in (
        "CREATE TABLE src (a UInt64, b String) ENGINE = MergeTree ORDER BY a",
        "CREATE TABLE tgt (a UInt64, n UInt64) ENGINE = SummingMergeTree ORDER BY a",
        "CREATE TABLE schema_version (a UInt64) ENGINE = MergeTree ORDER BY a",
        "CREATE TABLE _aaiclick_lock (a UInt64) ENGINE = MergeTree ORDER BY a",
        "CREATE TABLE odd AS numbers(10)",
        DICTIONARY,
        "CREATE VIEW v AS SELECT a FROM src COMMENT 'v'",
        "CREATE MATERIALIZED VIEW mv TO tgt AS SELECT a, count() AS n FROM src GROUP BY a",
        (
            "CREATE MATERIALIZED VIEW own ENGINE = SummingMergeTree ORDER BY a AS SELECT a, count() AS n FROM src "
            "GROUP BY a"
        ),
    ):
        connection.command(Command(sql, database=aaiclick_database))
    catalog = run(read_catalog(aaiclick_database), connection)
    schema = reflect_catalog(catalog, "app")
    assert (schema.name, schema.version) == ("app", 1)
    assert [(item.noun, item.name) for item in schema.objects] == [
        ("table", "src"),
        ("table", "tgt"),
        ("dictionary", "dic"),
        ("view", "v"),
        ("materialized view", "mv"),
        ("materialized view", "own"),
    ]
    assert schema.unsupported == {"odd": "a table without an engine of its own at 'AS numbers(10)'"}

    others = [item for item in schema.objects if isinstance(item, View | MaterializedView | Dictionary)]

    def body(scratch: Scratch) -> Routine[dict[str, Form]]:
        declared: dict[str, Form] = dict((yield from canonical_tables(scratch, schema.tables)))
        return {**declared, **(yield from canonical_views(scratch, others, catalog, schema.tables))}

    forms = run(with_scratch(body), connection)
    assert {name: normal_form(form) for name, form in forms.items()} == {
        name: normal_form(catalog.objects[name].form) for name in forms
    }
    assert len(forms) == 6
