"""Declarations in canonical form, with nothing live touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from aaiclick.catalog.declared_tables import canonical_forms, canonical_tables, canonical_views, create_clone
from aaiclick.catalog.forms import ColumnForm, DictionaryForm, Form, IndexForm, TableForm, ViewForm
from aaiclick.catalog.normalize import normal, normal_form
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.render import has_hidden, local_family
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.catalog.secrets import conceal
from aaiclick.errors import SpecError, StatementError, UnsupportedObjectError
from aaiclick.routine import Command, Connection, Query, Routine, run, text
from aaiclick.specs import (
    Column,
    Constraint,
    Dictionary,
    Engine,
    Index,
    MaterializedView,
    MergeTree,
    Projection,
    ReplacingMergeTree,
    Schema,
    SummingMergeTree,
    Table,
    View,
)
from aaiclick.specs.ddl import create_dictionary_sql, create_materialized_view_sql, create_table_sql, create_view_sql
from tests.catalog.helpers import Recording

DENIED = StatementError("Code: 497. DB::Exception: Not enough privileges. (ACCESS_DENIED)", 497, "ACCESS_DENIED")

SRC = Table(
    "src", [Column("a", "UInt64"), Column("b", "String"), Column("t", "DateTime")], engine=MergeTree(order_by=["a"])
)
TGT = Table("tgt", [Column("a", "UInt64"), Column("c", "UInt64")], engine=SummingMergeTree(order_by=["a"]))
# The refreshable view fills it when it likes.
TGT2 = TGT.model_copy(update={"name": "tgt2"})


def state(connection: Connection, database: str) -> dict[str, tuple[str, str, int]]:
    catalog = run(read_catalog(database), connection)
    return {name: (live.text, live.uuid, live.rows) for name, live in catalog.objects.items() if name != "tgt2"}


def tables(connection: Connection, *declared: Table) -> dict[str, TableForm]:
    return run(with_scratch(lambda scratch: canonical_tables(scratch, declared)), connection)


def views(
    connection: Connection, database: str, declared: Sequence[View | MaterializedView | Dictionary], *others: Table
) -> dict[str, Form]:
    catalog = run(read_catalog(database), connection)
    return run(with_scratch(lambda scratch: canonical_views(scratch, declared, catalog, others)), connection)


def create(connection: Connection, database: str, *objects: Table | View | MaterializedView | Dictionary) -> None:
    for item in objects:
        match item:
            case Table():
                sql = create_table_sql(item, database)
            case View():
                sql = create_view_sql(item, database)
            case MaterializedView():
                sql = create_materialized_view_sql(item, database)
            case Dictionary():
                sql = create_dictionary_sql(item, database)
        connection.command(Command(sql, database=database))


def test_what_the_engine_makes_of_a_declaration(connection: Connection) -> None:
    declared = Table(
        "t",
        [
            Column("a", "INT", default="1 + 2"),
            Column("n", "Nested(x text, y BIGINT)"),
            Column("e", "Enum('b' = 2, 'a' = 1)", codec="ZSTD"),
            Column("a b", "DateTime", default="NOW()"),
        ],
        engine=ReplacingMergeTree(order_by=["a", "a b"], version="a b"),
        indexes=[Index("i", expr="a", type="minmax")],
    )
    assert tables(connection, declared) == {
        "t": TableForm(
            "t",
            "ReplacingMergeTree",
            (
                ColumnForm("a", "Int32", "DEFAULT", "1 + 2"),
                ColumnForm("n.x", "Array(String)"),
                ColumnForm("n.y", "Array(Int64)"),
                ColumnForm("e", "Enum8('a' = 1, 'b' = 2)", codec="ZSTD(1)"),
                ColumnForm("a b", "DateTime", "DEFAULT", "now()"),
            ),
            arguments="`a b`",
            indexes=(IndexForm("i", "a", "minmax", "1"),),
            order_by="(a, `a b`)",
            settings=(("index_granularity", "8192"),),
        )
    }


def test_all_creates_then_one_select(connection: Connection) -> None:
    recording = Recording(connection)
    declared = [Table(f"t{place}", [Column(f"a{place}", "UInt8")], engine=MergeTree(order_by=[])) for place in range(5)]
    assert len(tables(recording, *declared)) == 5
    assert [type(effect).__name__ for effect in recording.seen] == [
        "Command",
        "Query",
        *["Command"] * 5,
        "Query",
        "Command",
    ]


def test_tables_that_differ_in_their_names_only_are_made_once(connection: Connection) -> None:
    recording = Recording(connection)
    alike = [Table(f"t{place}", [Column("a", "INT")], engine=MergeTree(order_by="a")) for place in range(3)]
    forms = tables(recording, *alike, Table("other", [Column("a", "INT", comment="x")], engine=MergeTree(order_by="a")))
    assert [type(effect).__name__ for effect in recording.seen] == [
        "Command",
        "Query",
        *["Command"] * 2,
        "Query",
        "Command",
    ]
    assert [(name, form.name, form.columns[0].type, form.columns[0].comment) for name, form in forms.items()] == [
        ("t0", "t0", "Int32", ""),
        ("t1", "t1", "Int32", ""),
        ("t2", "t2", "Int32", ""),
        ("other", "other", "Int32", "x"),
    ]


def test_a_refused_declaration_names_the_table_and_the_others(connection: Connection) -> None:
    wrong = Table("wrong", [Column("a", "UInt99")], engine=MergeTree(order_by=[]))
    worse = Table("worse", [Column("a", "UInt8", default="no_such_function(1)")], engine=MergeTree(order_by=[]))
    with pytest.raises(SpecError) as caught:
        tables(connection, SRC, wrong, worse)
    assert caught.value.path == "table wrong"
    assert caught.value.problem.startswith("Unknown data type family: UInt99")
    assert ". Also worse: Function with name `no_such_function` does not exist" in caught.value.problem
    assert "scratch" not in str(caught.value)


def test_a_missing_right_is_no_fault_of_the_declaration(connection: Connection) -> None:
    with pytest.raises(StatementError) as caught:
        tables(Recording(connection, {"CREATE TABLE": DENIED}), SRC)
    assert caught.value.code == 497


def test_replicated_tables_are_made_as_their_local_family(connection: Connection) -> None:
    declared = Table(
        "t",
        [Column("a", "UInt8"), Column("v", "UInt8")],
        engine=ReplacingMergeTree(order_by=["a"], version="v", replicated="'/p', '{replica}'"),
    )
    form = tables(connection, declared)["t"]
    assert (form.engine, form.arguments) == ("ReplicatedReplacingMergeTree", "'/p', '{replica}', v")
    assert (local_family(form).engine, local_family(form).arguments) == ("ReplacingMergeTree", "v")
    bare = replace(form, engine="ReplicatedMergeTree", arguments="")
    assert (local_family(bare).engine, local_family(bare).arguments) == ("MergeTree", "")
    graphite = replace(form, engine="ReplicatedGraphiteMergeTree", arguments="'/p', 'r', 'rollup'")
    assert local_family(graphite).arguments == "'rollup'"


def test_a_fence_is_not_set_in_scratch(connection: Connection) -> None:
    declared = Table(
        "t",
        [Column("a", "UInt8")],
        engine=MergeTree(order_by=["a"], settings={"table_readonly": True, "index_granularity": 100}),
    )
    form = tables(connection, declared)["t"]
    assert form.settings == (("index_granularity", "100"), ("table_readonly", "1"))
    assert normal(form).settings == (("index_granularity", "100"),)


@pytest.mark.parametrize(
    ("engine", "arguments"),
    [
        (
            Engine(
                "Kafka",
                settings={
                    "kafka_broker_list": "h:1",
                    "kafka_topic_list": "t",
                    "kafka_group_name": "g",
                    "kafka_format": "CSV",
                },
            ),
            "",
        ),
        (Engine("URL", "'http://u:pw@localhost:1/x', 'CSV'"), "'http://u:[HIDDEN]@localhost:1/x', 'CSV'"),
        (
            Engine("Buffer", "'d', 'y', 16, 10, 100, 10000, 1000000, 10000000, 100000000"),
            "'d', 'y', 16, 10, 100, 10000, 1000000, 10000000, 100000000",
        ),
        (Engine("Distributed", "'c','d','t'"), "'c', 'd', 't'"),
        (Engine("S3Queue", "'http://localhost:1/b/*', 'CSV'"), "'http://localhost:1/b/*', 'CSV'"),
        (Engine("Null"), ""),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_engines_that_reach_outside_are_never_made(engine: Engine, arguments: str, connection: Connection) -> None:
    recording = Recording(connection)
    form = tables(recording, Table("t", [Column("a", "INT"), Column("b", "text")], engine=engine))["t"]
    assert (form.engine, form.arguments) == (engine.name, arguments)
    assert form.columns == (ColumnForm("a", "Int32"), ColumnForm("b", "String"))
    assert dict(form.settings).keys() == engine.settings.keys()
    created = [effect.sql for effect in recording.seen if effect.sql.startswith("CREATE TABLE")]
    assert len(created) == 1
    assert engine.name == "Null" or engine.name not in created[0]


def test_a_refused_engine_that_reaches_outside(connection: Connection) -> None:
    with pytest.raises(SpecError) as caught:
        tables(connection, Table("t", [Column("a", "UInt8")], engine=Engine("PostgreSQL", "'h:1', 'secret' 'other'")))
    assert str(caught.value).startswith("table t: Syntax error at position ")
    # Neither in the text nor in hexadecimal, nor in what the error came from.
    assert "secret" not in str(caught.value)
    assert "unhex" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_declared_secret_equals_a_hidden_one(connection: Connection, aaiclick_database: str) -> None:
    declared = Table("t", [Column("a", "UInt8")], engine=Engine("URL", "'http://u:secret@localhost:1/x', 'CSV'"))
    create(connection, aaiclick_database, declared)
    catalog = run(read_catalog(aaiclick_database), connection)
    form = run(with_scratch(lambda scratch: canonical_tables(scratch, [declared], catalog)), connection)["t"]
    assert form == catalog.objects["t"].form
    assert has_hidden(form)
    other = Table("t", [Column("a", "UInt8")], engine=Engine("URL", "'http://u:secret@localhost:2/x', 'CSV'"))
    assert (
        run(with_scratch(lambda scratch: canonical_tables(scratch, [other], catalog)), connection)["t"]
        != catalog.objects["t"].form
    )


def test_clones_are_empty_and_equal(connection: Connection, aaiclick_database: str) -> None:
    sql = (
        "CREATE TABLE t (a UInt8, n Nested(x UInt8), j LowCardinality(UInt8)) ENGINE = MergeTree ORDER BY a SETTINGS "
        "table_readonly = 0"
    )
    connection.command(
        Command(
            sql, database=aaiclick_database, settings={"allow_suspicious_low_cardinality_types": 1, "flatten_nested": 0}
        )
    )
    connection.command(Command("INSERT INTO t (a) VALUES (1)", database=aaiclick_database))
    live = run(read_catalog(aaiclick_database), connection).objects["t"].form
    assert isinstance(live, TableForm)
    assert live.columns[1].type == "Nested(x UInt8)"

    def body(scratch: Scratch) -> Routine[tuple[str, str, Form]]:
        name = yield from create_clone(scratch, live, "t_alter")
        rows = yield Query(f"SELECT toString(count()) FROM `{scratch.database}`.`{name}`")
        again = yield from read_catalog(scratch.database)
        return name, text(rows[0][0]), again.objects[name].form

    name, count, form = run(with_scratch(body), connection)
    assert (name, count) == ("t_alter", "0")
    assert normal_form(replace_name(form, "t")) == normal(live)


def replace_name(form: Form, name: str) -> Form:
    assert isinstance(form, TableForm)
    return replace(form, name=name)


def test_what_cannot_be_cloned(connection: Connection) -> None:
    kafka = TableForm("t", "Kafka", (ColumnForm("a", "UInt8"),))
    with pytest.raises(UnsupportedObjectError, match="would not keep to itself"):
        run(with_scratch(lambda scratch: create_clone(scratch, kafka, "t")), connection)
    broken = TableForm("t", "MergeTree", (ColumnForm("a", "UInt99"),), order_by="a")
    with pytest.raises(StatementError):
        run(with_scratch(lambda scratch: create_clone(scratch, broken, "t")), connection)


def test_a_text_of_the_past_in_todays_spelling(connection: Connection) -> None:
    """As an older server may have stored it."""
    past = TableForm(
        "t",
        "MergeTree",
        (ColumnForm("a", "text", "DEFAULT", "'a'||'b'"),),
        order_by="a",
        settings=(("index_granularity", "8192"),),
    )
    kafka = TableForm("k", "Kafka", (ColumnForm("a", "UInt8"),))
    replicated = replace(past, name="r", engine="ReplicatedMergeTree", arguments="'/p', 'r'")
    forms = run(with_scratch(lambda scratch: canonical_forms(scratch, [past, kafka, replicated])), connection)
    assert forms["t"] == replace(past, columns=(ColumnForm("a", "String", "DEFAULT", "concat('a', 'b')"),))
    assert forms["k"] is kafka
    assert forms["r"] == replace(replicated, columns=(ColumnForm("a", "String", "DEFAULT", "concat('a', 'b')"),))


VIEWS: list[View | MaterializedView | Dictionary] = [
    View("v", query="select a, count() as c from src group by a", comment="x"),
    View("reads_view", query="SELECT c FROM reads_mv, v"),
    MaterializedView("mv", to="tgt", query="SELECT a, count() AS c FROM src GROUP BY a"),
    View("reads_mv", query="SELECT c FROM mv"),
    MaterializedView(
        "own",
        engine=SummingMergeTree(order_by=["a"], partition_by=["c"]),
        query="SELECT a, count() AS c FROM src GROUP BY a",
        comment="y",
    ),
    MaterializedView("timed", to="tgt2", refresh="EVERY 60 minute", query="SELECT a, count() AS c FROM src GROUP BY a"),
    View("looks_up", query="SELECT dictGet('dic', 'b', a) AS b FROM src"),
    Dictionary(
        "dic",
        columns=[Column("a", "BIGINT"), Column("b", "text", default="'none'")],
        primary_key=["a"],
        source="CLICKHOUSE(TABLE 'src' PASSWORD 'secret')",
        layout="hashed()",
        lifetime="300",
    ),
]


@pytest.fixture
def live(connection: Connection, aaiclick_database: str) -> str:
    """Every kind of view over two tables, with rows, in an order in which they can be made."""
    made = {view.name: view for view in VIEWS}
    order = ("dic", "v", "mv", "reads_mv", "reads_view", "own", "timed", "looks_up")
    create(connection, aaiclick_database, SRC, TGT, TGT2)
    create(connection, aaiclick_database, *(made[name] for name in order))
    connection.command(
        Command("INSERT INTO src SELECT number, 'x', now() FROM numbers(10)", database=aaiclick_database)
    )
    return aaiclick_database


def test_declared_views_equal_live_ones_and_touch_nothing(connection: Connection, live: str) -> None:
    catalog, before = run(read_catalog(live), connection), state(connection, live)
    forms = views(connection, live, VIEWS, SRC, TGT)
    assert set(forms) == {view.name for view in VIEWS}
    for name, form in forms.items():
        found = catalog.objects[name].form
        if isinstance(found, ViewForm):
            # Who a view runs as is not declared.
            found = replace(found, security="")
        assert normal_form(form) == normal_form(found), name
    assert state(connection, live) == before
    assert before["tgt"][2] == 10
    dictionary = forms["dic"]
    assert isinstance(dictionary, DictionaryForm)
    assert "secret" not in repr(dictionary)


def test_live_sources_need_no_declaration(connection: Connection, live: str) -> None:
    """What a view reads but nobody declares is copied from what is live."""
    catalog = run(read_catalog(live), connection)
    wanted = [view for view in VIEWS if view.name in ("v", "reads_view", "looks_up")]
    forms = views(connection, live, wanted)
    assert {name: normal_form(form) for name, form in forms.items()} == {
        name: normal_form(catalog.objects[name].form) for name in forms
    }


def test_a_view_over_the_declared_form_of_its_source(connection: Connection, live: str) -> None:
    """The source gets a new column with the same migration."""
    wider = Table("src", [*SRC.columns, Column("extra", "UInt16")], engine=SRC.engine)
    form = views(connection, live, [View("v", query="SELECT a, extra FROM src")], wider)["v"]
    assert isinstance(form, ViewForm)
    assert form.columns == (ColumnForm("a", "UInt64"), ColumnForm("extra", "UInt16"))


def test_changed_views_differ(connection: Connection, live: str) -> None:
    catalog = run(read_catalog(live), connection)
    changed: list[View | MaterializedView | Dictionary] = [
        View("v", query="SELECT a, count() AS c FROM src WHERE a > 1 GROUP BY a"),
        MaterializedView("mv", to="src", query="SELECT a, count() AS c FROM src GROUP BY a"),
        MaterializedView(
            "own", engine=SummingMergeTree(order_by=["c"]), query="SELECT a, count() AS c FROM src GROUP BY a"
        ),
        MaterializedView(
            "timed", to="tgt2", refresh="EVERY 2 HOUR", query="SELECT a, count() AS c FROM src GROUP BY a"
        ),
        Dictionary("dic", columns=[Column("a", "BIGINT"), Column("b", "text")], primary_key=["a"], source="NULL()"),
    ]
    forms = views(connection, live, changed, SRC, TGT)
    for item in changed:
        assert normal_form(forms[item.name]) != normal_form(catalog.objects[item.name].form)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (View("v", query="SELECT missing FROM src"), r"view v: Unknown expression identifier `missing`"),
        (
            View("v", query="SELECT a FROM missing"),
            r"view v: Unknown table expression identifier 'missing'|view v: .*missing.* does not exist",
        ),
        (View("v", query="SELECT (a FROM src"), r"view v: Syntax error"),
        (
            MaterializedView("v", to="tgt", refresh="OFTEN", query="SELECT a FROM src"),
            r"materialized view v: refresh: Syntax error",
        ),
        (
            MaterializedView("v", engine=MergeTree(order_by=["z"]), query="SELECT a FROM src"),
            r"materialized view v: .*['`]z['`]",
        ),
        (
            Dictionary("v", columns=[Column("a", "UInt64")], primary_key=["a"], source="NULL("),
            r"dictionary v: Syntax error",
        ),
    ],
)
def test_refused_views(
    declared: View | MaterializedView | Dictionary, said: str, connection: Connection, live: str
) -> None:
    with pytest.raises(SpecError, match=said):
        views(connection, live, [declared], SRC, TGT)


def test_views_where_no_database_can_be_created(connection: Connection, live: str) -> None:
    """Then their queries are analysed over the live tables, which a plain view does not touch."""
    catalog, before = run(read_catalog(live), connection), state(connection, live)
    wanted = [view for view in VIEWS if not isinstance(view, MaterializedView) or view.to is not None]

    def body(scratch: Scratch) -> Routine[dict[str, Form]]:
        return (yield from canonical_views(scratch, wanted, catalog, [SRC, TGT]))

    forms = run(with_scratch(body, fallback=live), Recording(connection, {"CREATE DATABASE": DENIED}))
    for name, form in forms.items():
        found = catalog.objects[name].form
        assert normal_form(form) == normal_form(
            replace(found, security="") if isinstance(found, ViewForm) else found
        ), name
    assert state(connection, live) == before


def test_conceal_hides_the_secret_whatever_else_differs() -> None:
    live = DictionaryForm("d", (), (("SOURCE", "X(HOST 'h' PASSWORD '[HIDDEN]')"),))
    same = DictionaryForm("d", (), (("SOURCE", "X(HOST 'h' PASSWORD 'pw')"),))
    other = DictionaryForm("d", (), (("SOURCE", "X(HOST 'i' PASSWORD 'pw')"),))
    assert conceal(same, live) == live
    assert conceal(other, live) == DictionaryForm("d", (), (("SOURCE", "X(HOST 'i' PASSWORD '[HIDDEN]')"),))
    table = TableForm("t", "MySQL", (), "'h', 'db', 't', 'u', '[HIDDEN]'")
    moved = conceal(replace(table, arguments="'i', 'db', 't', 'u', 'pw'"), table)
    assert moved == replace(table, arguments="'i', 'db', 't', 'u', '[HIDDEN]'")
    assert conceal(same, None) == same


def test_the_schema_of_the_readme_shape(connection: Connection) -> None:
    """Index, projection, constraint, codec, TTL and settings in one declaration; the form is its own canonical form."""
    schema = Schema(
        "s",
        version=1,
        objects=[
            Table(
                "log",
                [
                    Column("id", "UInt64", default="generateSnowflakeID()"),
                    Column("result", "String", codec="ZSTD(3)", comment="what was made"),
                    Column("day", "Date", materialized="toDate(at)"),
                    Column("at", "DateTime64(3, 'UTC')"),
                ],
                engine=MergeTree(
                    order_by=["result", "at"],
                    ttl="toDateTime(at) + INTERVAL 1 DAY",
                    settings={"index_granularity": 1024},
                ),
                indexes=[Index("by_op", expr="result", type="bloom_filter(0.01)", granularity=1)],
                projections=[Projection("by_day", "SELECT day, count() GROUP BY day")],
                constraints=[Constraint("has", check="result != ''")],
                comment="c",
            )
        ],
    )
    form = tables(connection, *schema.tables)["log"]
    assert (form.order_by, form.ttl, form.comment) == ("(result, at)", "toDateTime(at) + toIntervalDay(1)", "c")
    assert form.projections[0].body == "(SELECT day, count() GROUP BY day)"
    assert form.settings == (("index_granularity", "1024"),)
