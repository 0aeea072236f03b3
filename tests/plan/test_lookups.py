"""Dictionaries over tables that change."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    Dictionary,
    Engine,
    MaterializedView,
    MergeTree,
    Policy,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import BlockedError
from aaiclick.plan.dependents.table_functions import read_through_functions
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.plan.migrating import migrate

LOOKUP = (
    "CREATE DICTIONARY look (k UInt64, a UInt8) PRIMARY KEY k SOURCE(CLICKHOUSE(TABLE 't' DB '{db}')) LAYOUT(FLAT()) "
    "LIFETIME(0)"
)


def table(*columns: Column, name: str = "t", order: str = "k", renamed_from: str | None = None) -> Table:
    fields = {"renamed_from": renamed_from} if renamed_from else {}
    listed = columns or (Column("a", "UInt8"),)
    return Table(name, [Column("k", "UInt64"), *listed], engine=MergeTree(order_by=[order]), **fields)  # type: ignore[arg-type]


def schema(*objects: object) -> Schema:
    return Schema("lookups", objects=list(objects))  # type: ignore[arg-type]


def database(client: Client) -> str:
    return str(client.query("SELECT currentDatabase()").result_rows[0][0])


def setup(client: Client, *statements: str) -> None:
    for sql in (
        "CREATE TABLE t (k UInt64, a UInt8) ENGINE = MergeTree ORDER BY k",
        "INSERT INTO t VALUES (1, 10)",
        *statements,
    ):
        client.command(sql.replace("{db}", database(client)))


def looked_up(client: Client, key: int = 1, where: str = "") -> object:
    client.command(f"SYSTEM RELOAD DICTIONARY {where or database(client)}.look")
    return client.query(f"SELECT dictGet('{where or database(client)}.look', 'a', toUInt64({key}))").result_rows[0][0]


def test_a_table_is_rebuilt_under_a_dictionary(aaiclick_client: Client) -> None:
    setup(
        aaiclick_client,
        LOOKUP,
        "CREATE TABLE u (k UInt64, m UInt8 MATERIALIZED dictGet('look', 'a', k)) ENGINE = MergeTree ORDER BY k",
    )
    aaiclick_client.command("INSERT INTO u VALUES (1)")
    uses = Table(
        "u",
        [Column("k", "UInt64"), Column("m", "UInt8", materialized="dictGet('look', 'a', k)")],
        engine=MergeTree(order_by=["m"]),
    )
    assert migrate(aaiclick_client, schema(table(order="a"), uses)) == [("t", "rebuild"), ("u", "rebuild")]
    aaiclick_client.command("INSERT INTO t VALUES (2, 20)")
    assert looked_up(aaiclick_client, 2) == 20


@pytest.mark.parametrize(
    "definition",
    [
        LOOKUP,
        LOOKUP.replace("TABLE 't' DB '{db}'", "QUERY 'SELECT k, a FROM {db}.t'"),
        LOOKUP.replace("DB '{db}'", "DB '{db}' WHERE 'a > 0'"),
    ],
)
def test_a_dictionary_that_could_not_be_loaded_any_more_stands_in_the_way(
    aaiclick_client: Client, definition: str
) -> None:
    setup(aaiclick_client, definition)
    for wanted in (table(Column("b", "UInt8", renamed_from="a")), table(name="t2", renamed_from="t")):
        with pytest.raises(BlockedError, match="look: it could not be loaded any more"):
            migrate(aaiclick_client, schema(wanted))
    assert looked_up(aaiclick_client) == 10


def test_a_dictionary_of_another_database_is_seen(aaiclick_client: Client) -> None:
    other = fresh_name()
    setup(aaiclick_client, f"CREATE DATABASE {other}", LOOKUP.replace("DICTIONARY look", f"DICTIONARY {other}.look"))
    try:
        with pytest.raises(
            BlockedError,
            match=f"{other}.look: the dictionary would give other values: a is UInt8 in it, and will be UInt64",
        ):
            migrate(aaiclick_client, schema(table(Column("a", "UInt64"))))
        assert migrate(aaiclick_client, schema(table(order="a"))) == [("t", "rebuild")]
        assert looked_up(aaiclick_client, where=other) == 10
    finally:
        aaiclick_client.command(f"DROP DATABASE {other}")


def test_a_dictionary_that_follows_is_no_obstacle(aaiclick_client: Client) -> None:
    """The dictionary goes on with what it has loaded until it is replaced."""
    setup(aaiclick_client, LOOKUP)
    source = f"CLICKHOUSE(TABLE 't2' DB '{database(aaiclick_client)}')"
    columns = [Column("k", "UInt64"), Column("a", "UInt64")]
    look = Dictionary("look", columns=columns, primary_key=["k"], source=source, layout="FLAT()", lifetime="0")
    wanted = schema(table(Column("a", "UInt64"), name="t2", renamed_from="t"), look)
    assert migrate(aaiclick_client, wanted) == [("t2", "alter"), ("t2", "mutate"), ("look", "replace")]
    aaiclick_client.command("INSERT INTO t2 VALUES (2, 4294967297)")
    assert looked_up(aaiclick_client, 2) == 4294967297


def test_a_column_that_is_written_or_looked_up_is_not_dropped(aaiclick_client: Client) -> None:
    setup(aaiclick_client, LOOKUP, "CREATE TABLE s (k UInt64, a UInt8) ENGINE = MergeTree ORDER BY k")
    fewer = Table("t", [Column("k", "UInt64")], engine=MergeTree(order_by=["k"]))
    with pytest.raises(BlockedError, match="the dictionary look reads a"):
        ensure_schema(aaiclick_client, schema(fewer), policy=Policy.lossless().allow("drop-column t.a"))
    for sql in ("DROP DICTIONARY look", "CREATE MATERIALIZED VIEW m TO t AS SELECT k, a FROM s"):
        aaiclick_client.command(sql)
    with pytest.raises(BlockedError, match="the materialized view m writes a"):
        ensure_schema(aaiclick_client, schema(fewer), policy=Policy.lossless().allow("drop-column t.a"))


@pytest.mark.parametrize("wanted", [table(Column("b", "UInt8", renamed_from="a")), table(name="t2", renamed_from="t")])
def test_a_target_under_another_name_is_seen(aaiclick_client: Client, wanted: Table) -> None:
    """The engine would drop the values of a renamed column, and refuse every insert into the source of a renamed
    table."""
    setup(
        aaiclick_client,
        "CREATE TABLE s (k UInt64, a UInt8) ENGINE = MergeTree ORDER BY k",
        "CREATE MATERIALIZED VIEW m TO t AS SELECT k, a FROM s",
    )
    with pytest.raises(BlockedError, match=r"m: .*target t"):
        migrate(aaiclick_client, schema(wanted))
    source = Table("s", [Column("k", "UInt64"), Column("a", "UInt8")], engine=MergeTree(order_by=["k"]))
    column = "b" if wanted.name == "t" else "a"
    migrate(
        aaiclick_client,
        schema(wanted, source, MaterializedView("m", to=wanted.name, query=f"SELECT k, a AS {column} FROM s")),
    )
    aaiclick_client.command("INSERT INTO s VALUES (2, 20)")
    assert aaiclick_client.query(f"SELECT {column} FROM {wanted.name} WHERE k = 2").result_rows == [(20,)]


@pytest.mark.parametrize(
    ("noun", "sql"),
    [
        (
            "Buffer",
            (
                "CREATE TABLE front (k UInt64, a UInt8) ENGINE = Buffer('{db}', 't', 1, 10, 100, 10000, 1000000, "
                "10000000, 100000000)"
            ),
        ),
        (
            "Buffer",
            (
                "CREATE TABLE front (k UInt64, a UInt8) ENGINE = Buffer('', 't', 1, 10, 100, 10000, 1000000, "
                "10000000, 100000000)"
            ),
        ),
        ("Merge", "CREATE TABLE front (k UInt64, a UInt8) ENGINE = Merge('{db}', '^t$')"),
        ("Merge", "CREATE TABLE front (k UInt64, a UInt8) ENGINE = Merge(REGEXP('^{db}'), '^t')"),
    ],
)
def test_a_table_in_front_that_would_cut_values_off_is_named(aaiclick_client: Client, noun: str, sql: str) -> None:
    setup(aaiclick_client, sql)
    with pytest.raises(
        BlockedError, match=f"front: the {noun} table would give other values: a is UInt8 in it, and will be UInt64"
    ):
        migrate(aaiclick_client, schema(table(Column("a", "UInt64"))))
    aaiclick_client.command("DROP TABLE front")
    aaiclick_client.command(sql.replace("{db}", database(aaiclick_client)).replace("a UInt8", "a Int64"))
    migrate(aaiclick_client, schema(table(Column("a", "UInt32"))))
    aaiclick_client.command("INSERT INTO t VALUES (2, 4294967295)")
    assert aaiclick_client.query("SELECT max(a) FROM front").result_rows == [(4294967295,)]


def test_a_table_in_front_of_several(aaiclick_client: Client) -> None:
    setup(
        aaiclick_client,
        "CREATE TABLE t2 AS t",
        "CREATE TABLE front (k UInt64, a UInt32) ENGINE = Merge('{db}', '^t')",
        "CREATE VIEW v AS SELECT * FROM front",
    )
    assert migrate(aaiclick_client, schema(table(Column("a", "UInt32")), table(Column("a", "UInt32"), name="t2"))) == [
        ("t", "mutate"),
        ("t2", "mutate"),
    ]
    with pytest.raises(BlockedError, match="front: the Merge table"):
        migrate(aaiclick_client, schema(table(Column("a", "UInt32")), table(Column("a", "UInt64"), name="t2")))


@pytest.mark.parametrize(
    "engine",
    [Engine("Merge", "currentDatabase(), '^x'"), Engine("Buffer", "DATABASE(), 'x', 1, 1, 1, 1, 1, 1, 1")],
    ids=["merge", "buffer"],
)
def test_the_current_database_of_an_engine_is_that_of_the_schema(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, engine: Engine
) -> None:
    """The engine keeps the name from the moment of the CREATE, and a scratch database is another one."""
    away = fresh_name()
    aaiclick_engine.command(f"CREATE DATABASE {away}")
    columns = [Column("a", "UInt8")]
    wanted = Schema(
        "app", objects=[Table("x", columns, engine=MergeTree(order_by=["a"])), Table("m", columns, engine=engine)]
    )
    for database in (away, aaiclick_client.database):
        ensure_schema(aaiclick_client, wanted, database=database)
        assert plan_schema(aaiclick_client, wanted, database=database).steps == ()
        assert f"'{database}'" in aaiclick_engine.command(f"SHOW CREATE TABLE {database}.m FORMAT TSVRaw")
    aaiclick_engine.command(
        f"DROP TABLE {away}.m; CREATE TABLE {away}.m (a UInt8) ENGINE = Merge('{aaiclick_client.database}', '^x')"
    )
    (step,) = plan_schema(aaiclick_client, wanted, database=away).steps
    assert (step.object, step.strategy) == ("m", "replace")
    aaiclick_engine.command(f"DROP DATABASE {away} SYNC")


@pytest.mark.parametrize(
    ("query", "layout"),
    [
        ("SELECT k, a FROM look", "FLAT()"),
        ("SELECT k, dictGet('look', 'a', k) AS a FROM t", "FLAT()"),
        ("SELECT k, dictGet('look', 'a', k) AS a FROM t", "DIRECT()"),
    ],
)
def test_a_view_follows_an_attribute_that_becomes_wider(aaiclick_client: Client, query: str, layout: str) -> None:
    """It stores the type that the attribute had, and would go on converting to that."""
    direct = layout == "DIRECT()"
    made = LOOKUP.replace("FLAT()", layout).replace("LIFETIME(0)", "" if direct else "LIFETIME(0)")
    setup(aaiclick_client, made, f"CREATE VIEW v AS {query}")
    wider = Dictionary(
        "look",
        columns=[Column("k", "UInt64"), Column("a", "UInt16")],
        primary_key=["k"],
        source=f"CLICKHOUSE(TABLE 't' DB '{database(aaiclick_client)}')",
        layout=layout,
        lifetime=None if direct else "0",
    )
    wanted = schema(table(Column("a", "UInt16")), wider)
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    aaiclick_client.command("INSERT INTO t VALUES (2, 300)")
    assert looked_up(aaiclick_client, 2) == 300
    assert aaiclick_client.query("SELECT a FROM v ORDER BY k").result_rows == [(10,), (300,)]
    assert plan_schema(aaiclick_client, wanted).steps == ()


@pytest.mark.parametrize("declared", [False, True])
def test_a_view_over_merge_follows_its_tables(aaiclick_client: Client, declared: bool) -> None:
    """No clone stands for a table that a text names: the view is made anew behind the change."""
    query = "SELECT * FROM merge(currentDatabase(), '^t$')"
    setup(
        aaiclick_client, f"CREATE VIEW v AS {query}", "CREATE VIEW own (a UInt64) AS SELECT a FROM merge('{db}', 't$')"
    )
    view = [View("v", query=query)] if declared else []
    assert plan_schema(aaiclick_client, schema(table(), *view)).steps == ()
    wanted = schema(table(Column("a", "UInt16")), *view)
    assert migrate(aaiclick_client, wanted) == [("t", "mutate"), ("v", "replace")]
    aaiclick_client.command("INSERT INTO t VALUES (2, 300)")
    assert aaiclick_client.query("SELECT a FROM v ORDER BY k").result_rows == [(10,), (300,)]


def test_a_view_over_merge_that_names_a_column_which_is_renamed_blocks_the_plan(aaiclick_client: Client) -> None:
    """Made anew behind the change it would be refused by the server, with the change made."""
    setup(aaiclick_client, "CREATE VIEW v AS SELECT a FROM merge({db}, '^t')")
    wanted = schema(table(Column("b", "UInt8", renamed_from="a")))
    with pytest.raises(BlockedError, match="it names a, which no table has then that it reads"):
        migrate(aaiclick_client, wanted)
    # A host that a view names may be another one, whose table keeps the column: it is made anew as ever.
    elsewhere = "CREATE OR REPLACE VIEW v AS SELECT a FROM remote('127.0.0.1', '{db}', 't')"
    aaiclick_client.command(elsewhere.replace("{db}", database(aaiclick_client)))
    assert not any(step.blocked for step in plan_schema(aaiclick_client, wanted).steps)
    again = elsewhere.replace("remote('127.0.0.1', '{db}', 't')", "merge('{db}', '^t')")
    aaiclick_client.command(again.replace("{db}", database(aaiclick_client)))
    # Where another of its tables has such a column it goes on.
    aaiclick_client.command("CREATE TABLE t2 (k UInt64, a UInt8) ENGINE = MergeTree ORDER BY k")
    assert [name for name, _ in migrate(aaiclick_client, wanted)] == ["t", "v"]


def test_a_view_over_merge_follows_a_column_that_is_dropped_and_one_that_names_it_blocks(
    aaiclick_client: Client,
) -> None:
    setup(aaiclick_client, "CREATE VIEW v AS SELECT * FROM merge({db}, '^t')")
    aaiclick_client.command("CREATE VIEW x AS SELECT a FROM merge(currentDatabase(), '^t')")
    wanted = schema(Table("t", [Column("k", "UInt64")], engine=MergeTree(order_by=["k"])))
    with pytest.raises(BlockedError, match="the view x names a, which no table has then that it reads"):
        migrate(aaiclick_client, wanted, "drop-column t.a")
    aaiclick_client.command("DROP VIEW x")
    assert migrate(aaiclick_client, wanted, "drop-column t.a") == [("t", "mutate"), ("v", "replace")]
    assert aaiclick_client.query("SELECT * FROM v").result_rows == [(1,)]
    assert plan_schema(aaiclick_client, wanted).steps == ()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("SELECT * FROM merge('d', '^t')", ("t", "t2")),
        ("SELECT * FROM merge('e', '^t')", ()),
        ("SELECT * FROM merge(d, '^t$')", ("t",)),
        ("SELECT * FROM merge(REGEXP('^.$'), '^u')", ("u",)),
        ("SELECT * FROM remote('host', d, t)", ("t",)),
        ("SELECT * FROM remote('host', d.t)", ()),
        ("SELECT * FROM merge('d', '[')", ()),
        ("SELECT * FROM remote('host', 'd', 't')", ("t",)),
        ("SELECT * FROM clusterAllReplicas('c', 'd.t2')", ("t2",)),
        ("SELECT 'd', 't' FROM d.u", ()),
    ],
)
def test_what_table_functions_read(query: str, names: tuple[str, ...]) -> None:
    assert read_through_functions(query, "d", ["t", "t2", "u"]) == names
