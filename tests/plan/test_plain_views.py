"""Plain views over tables that change: whoever made them, they give what a view made anew would give."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MaterializedView, MergeTree, Policy, Table, View, ensure_schema, plan_schema
from aaiclick.errors import BlockedError
from aaiclick.testing.engine import fresh_name
from tests.plan.migrating import migrate, rows, schema

BIG = 4294967297


def table(kind: str = "UInt64", *more: Column, name: str = "t", renamed_from: str | None = None) -> Table:
    fields = {"renamed_from": renamed_from} if renamed_from else {}
    return Table(name, [Column("k", "UInt64"), Column("a", kind), *more], engine=MergeTree(order_by=["k"]), **fields)  # type: ignore[arg-type]


def setup(client: Client, *statements: str) -> None:
    for sql in (
        "CREATE TABLE t (k UInt64, a UInt8) ENGINE = MergeTree ORDER BY k",
        "INSERT INTO t VALUES (1, 10)",
        *statements,
    ):
        client.command(sql)


def text(client: Client, name: str) -> str:
    return str(
        rows(
            client,
            f"SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = '{name}'",
        )[0][0]
    )


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT k, a FROM t", BIG),
        ("SELECT * FROM t", BIG),
        ("SELECT t.k, t.a FROM t", BIG),
        ("SELECT x.k, x.a AS a FROM t AS x", BIG),
        ("SELECT k, a FROM (SELECT * FROM t WHERE a > 0)", BIG),
        ("WITH w AS (SELECT * FROM t) SELECT k, a FROM w", BIG),
        ("SELECT k, a + 1 AS a FROM t", BIG + 1),
        ("SELECT k, max(a) AS a FROM t GROUP BY k", BIG),
        ("SELECT k, a FROM t UNION ALL SELECT k, a FROM t WHERE k = 77", BIG),
        ("SELECT l.k AS k, r.a AS a FROM t AS l INNER JOIN t AS r ON l.k = r.k", BIG),
    ],
)
def test_a_view_gives_what_the_table_holds(aaiclick_client: Client, query: str, expected: int, declared: bool) -> None:
    setup(aaiclick_client, f"CREATE VIEW v AS {query}")
    migrate(aaiclick_client, schema(table(), *([View("v", query=query)] if declared else [])))
    aaiclick_client.command(f"INSERT INTO t VALUES (2, {BIG})")
    assert rows(aaiclick_client, "SELECT a FROM v WHERE k = 2") == [(expected,)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "Tuple(x Nullable(Enum8('a' = 1)), `y z` UInt8)",
            "Tuple(x Nullable(Enum8('a' = 1, 'new' = 2)), `y z` UInt32)",
        ),
        (
            "Array(Tuple(x Array(Tuple(p UInt8, q String)), y UInt8))",
            "Array(Tuple(x Array(Tuple(p UInt16, q String)), y UInt8))",
        ),
        ("Map(String, Tuple(x UInt8))", "Map(String, Tuple(x UInt64))"),
        ("JSON(max_dynamic_paths=3, a.b UInt8)", "JSON(max_dynamic_paths=3, a.b UInt32)"),
    ],
    ids=["tuple", "tuples inside", "map", "json"],
)
def test_a_type_that_describe_writes_in_another_way_follows_too(aaiclick_client: Client, old: str, new: str) -> None:
    """Elements with names each stand on a line of their own there: the view has no type of its own for that."""
    aaiclick_client.command(f"CREATE TABLE t (k UInt64, a {old}) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("CREATE VIEW v AS SELECT k, a FROM t")
    assert ("v", "replace") in migrate(aaiclick_client, schema(table(new)))
    kinds = rows(
        aaiclick_client,
        "SELECT DISTINCT type FROM system.columns WHERE database = currentDatabase() AND table IN ('t', 'v') AND "
        "name = 'a'",
    )
    assert len(kinds) == 1


def test_the_view_is_right_before_its_table_is(aaiclick_client: Client) -> None:
    """So that a run that dies between the two leaves nothing wrong behind."""
    setup(aaiclick_client, "CREATE VIEW v AS SELECT * FROM t")
    plan = plan_schema(aaiclick_client, schema(table()))
    assert [step.object for step in plan.steps] == ["v", "t"]
    aaiclick_client.command(plan.steps[0].sql[0])
    assert rows(aaiclick_client, "SELECT * FROM v") == [(1, 10)]
    assert [step.object for step in plan_schema(aaiclick_client, schema(table())).steps] == ["t"]


def test_views_over_views_and_in_other_databases(aaiclick_client: Client) -> None:
    other = fresh_name()
    aaiclick_client.command(f"CREATE DATABASE {other}")
    here = str(rows(aaiclick_client, "SELECT currentDatabase()")[0][0])
    try:
        setup(
            aaiclick_client,
            "CREATE VIEW one AS SELECT * FROM t",
            f"CREATE VIEW {other}.one AS SELECT one.a + 0 AS a, one.k FROM {here}.one",
            f"CREATE VIEW two AS SELECT one.a FROM {other}.one",
        )
        assert migrate(aaiclick_client, schema(table())) == [
            ("one", "replace"),
            (f"{other}.one", "replace"),
            ("two", "replace"),
            ("t", "mutate"),
        ]
        aaiclick_client.command(f"INSERT INTO t VALUES (2, {BIG})")
        assert rows(aaiclick_client, "SELECT max(a) FROM two") == [(BIG,)]
    finally:
        aaiclick_client.command(f"DROP DATABASE {other}")


def test_what_else_a_view_says_stays(aaiclick_client: Client) -> None:
    setup(
        aaiclick_client, "CREATE VIEW v DEFINER = CURRENT_USER SQL SECURITY DEFINER AS SELECT * FROM t COMMENT 'it''s'"
    )
    before = text(aaiclick_client, "v")
    migrate(aaiclick_client, schema(table()))
    assert text(aaiclick_client, "v") == before.replace("UInt8", "UInt64")


def test_new_columns_show_where_a_new_view_would_show_them(aaiclick_client: Client) -> None:
    setup(aaiclick_client, "CREATE VIEW everything AS SELECT * FROM t", "CREATE VIEW some AS SELECT k, a FROM t")
    steps = migrate(aaiclick_client, schema(table("UInt8", Column("z", "String"))))
    assert steps == [("t", "alter"), ("everything", "replace")]
    assert rows(aaiclick_client, "SELECT * FROM everything") == [(1, 10, "")]


def test_a_column_that_goes_leaves_the_view(aaiclick_client: Client) -> None:
    setup(aaiclick_client, "ALTER TABLE t ADD COLUMN gone String", "CREATE VIEW v AS SELECT * FROM t")
    wanted = Table(
        "t",
        [Column("k", "UInt64"), Column("b", "UInt8", renamed_from="a"), Column("gone", "String")],
        engine=MergeTree(order_by=["k"]),
    )
    migrate(aaiclick_client, schema(wanted))
    assert rows(aaiclick_client, "SELECT * FROM v ORDER BY k") == [(1, 10, "")]
    assert "`b` UInt8" in text(aaiclick_client, "v")


def test_a_type_that_a_view_gives_itself_stays(aaiclick_client: Client) -> None:
    setup(
        aaiclick_client,
        "CREATE VIEW v (k UInt8, a UInt64) AS SELECT k, a FROM t",
        "CREATE VIEW w (k UInt8, a UInt8) AS SELECT k, a FROM t",
    )
    migrate(aaiclick_client, schema(table("UInt32")))
    assert (
        "`k` UInt8, `a` UInt64" in text(aaiclick_client, "v"),
        "`k` UInt8, `a` UInt32" in text(aaiclick_client, "w"),
    ) == (True, True)


def test_a_type_of_a_views_own_that_would_change_values_is_named(aaiclick_client: Client) -> None:
    setup(aaiclick_client, "CREATE VIEW v (k UInt64, a UInt16) AS SELECT k, a FROM t")
    with pytest.raises(BlockedError, match="a is UInt16 in it and UInt64 in its query"):
        migrate(aaiclick_client, schema(table()))
    assert "`a` UInt8" in text(aaiclick_client, "t")


def test_a_declared_view_that_is_stale_already_differs(aaiclick_client: Client) -> None:
    setup(
        aaiclick_client,
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE VIEW w AS SELECT a FROM v",
        "ALTER TABLE t MODIFY COLUMN a UInt64, ADD COLUMN z UInt8",
    )
    aaiclick_client.command(f"INSERT INTO t VALUES (2, {BIG}, 0)")
    wanted = schema(
        table("UInt64", Column("z", "UInt8")), View("v", query="SELECT * FROM t"), View("w", query="SELECT a FROM v")
    )
    assert migrate(aaiclick_client, wanted) == [("v", "replace"), ("w", "replace")]
    assert rows(aaiclick_client, "SELECT * FROM v WHERE k = 2") == [(2, BIG, 0)]
    assert rows(aaiclick_client, "SELECT max(a) FROM w") == [(BIG,)]


def test_a_renamed_table_that_a_view_reads_is_blocked(aaiclick_client: Client) -> None:
    setup(aaiclick_client, "CREATE VIEW v AS SELECT k FROM t")
    with pytest.raises(BlockedError, match=r"v: .*would fail"):
        migrate(aaiclick_client, schema(table("UInt8", name="t2", renamed_from="t")))
    follows = schema(table("UInt8", name="t2", renamed_from="t"), View("v", query="SELECT k FROM t2"))
    migrate(aaiclick_client, follows)
    assert rows(aaiclick_client, "SELECT k FROM v") == [(1,)]


def test_a_view_with_parameters_stores_no_types(aaiclick_client: Client) -> None:
    setup(aaiclick_client, "CREATE VIEW v AS SELECT {factor:UInt8} * a AS y FROM t")
    assert migrate(aaiclick_client, schema(table())) == [("t", "mutate")]


def test_surplus_columns_are_part_of_what_a_view_shows(aaiclick_client: Client) -> None:
    setup(aaiclick_client, "ALTER TABLE t ADD COLUMN surplus String", "CREATE VIEW v AS SELECT * FROM t")
    wanted = schema(table("UInt64"), View("v", query="SELECT * FROM t"))
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert [step.object for step in plan_schema(aaiclick_client, wanted).required] == []
    assert rows(aaiclick_client, "SELECT * FROM v") == [(1, 10, "")]


@pytest.mark.parametrize("surplus", ["z", "x.z"])
def test_a_column_goes_in_the_same_run_in_which_the_views_no_longer_read_it(
    aaiclick_client: Client, surplus: str
) -> None:
    query = f"SELECT {surplus.replace('x.', 't.')} AS z, k FROM t"
    setup(
        aaiclick_client,
        "ALTER TABLE t ADD COLUMN z String",
        f"CREATE VIEW v AS {query}",
        "CREATE TABLE g (k UInt64, z String) ENGINE = MergeTree ORDER BY k",
    )
    aaiclick_client.command(f"CREATE MATERIALIZED VIEW m TO g AS {query}")
    target = Table("g", [Column("k", "UInt64"), Column("z", "String")], engine=MergeTree(order_by=["k"]))
    old, kept = View("v", query=query), MaterializedView("m", to="g", query=query)
    with pytest.raises(BlockedError, match="the view v reads t and would fail"):
        migrate(aaiclick_client, schema(table("UInt8"), target, old, kept), "drop-column t.z")
    new, less = (
        View("v", query="SELECT 'none' AS z, k FROM t"),
        MaterializedView("m", to="g", query="SELECT k, 'none' AS z FROM t"),
    )
    with pytest.raises(BlockedError, match="the materialized view m reads t and would fail"):
        migrate(aaiclick_client, schema(table("UInt8"), target, new, kept), "drop-column t.z")
    steps = migrate(aaiclick_client, schema(table("UInt8"), target, new, less), "drop-column t.z")
    assert steps == [("v", "replace"), ("m", "replace"), ("t", "mutate")]
    aaiclick_client.command("INSERT INTO t VALUES (2, 20)")
    assert rows(aaiclick_client, "SELECT z, k FROM g") == [("none", 2)]


@pytest.mark.parametrize("declared", [True, False])
def test_a_view_of_everything_goes_on_without_a_dropped_column(aaiclick_client: Client, declared: bool) -> None:
    setup(
        aaiclick_client,
        "ALTER TABLE t ADD COLUMN y String, ADD COLUMN z String",
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE VIEW w AS SELECT * FROM v",
    )
    views = [View("v", query="SELECT * FROM t"), View("w", query="SELECT * FROM v")] if declared else []
    wanted = schema(table("UInt8"), *views)
    policy = Policy.lossless()
    ensure_schema(aaiclick_client, wanted, policy=policy)
    assert rows(aaiclick_client, "SELECT * FROM w") == [(1, 10, "", "")]
    report = ensure_schema(aaiclick_client, wanted, policy=policy.allow("drop-column t.z"))
    assert [step.object for step in report.steps] == ["t", "v", "w"]
    assert rows(aaiclick_client, "SELECT * FROM w") == [(1, 10, "")]
    assert not plan_schema(aaiclick_client, wanted).required
    ensure_schema(aaiclick_client, wanted, policy=policy.allow("drop-column t.y"))
    assert rows(aaiclick_client, "SELECT * FROM w") == [(1, 10)]
    assert plan_schema(aaiclick_client, wanted).steps == ()


def test_a_view_that_shows_everything_from_now_on_is_made_again_without_a_dropped_column(
    aaiclick_client: Client,
) -> None:
    """It is replaced before the column goes, because it may read it as it is."""
    setup(
        aaiclick_client,
        "ALTER TABLE t ADD COLUMN z String",
        "CREATE VIEW v AS SELECT toString(z) AS s FROM t",
        "CREATE VIEW w AS SELECT s FROM v",
    )
    wanted = schema(table("UInt64"), View("v", query="SELECT * FROM t"), View("w", query="SELECT * FROM v"))
    assert migrate(aaiclick_client, wanted, "drop-column t.z") == [
        ("t", "mutate"),
        ("v", "replace"),
        ("w", "replace"),
        ("t", "mutate"),
        ("v", "replace"),
        ("w", "replace"),
    ]
    assert rows(aaiclick_client, "SELECT * FROM w") == [(1, 10)]
    assert plan_schema(aaiclick_client, wanted).steps == ()


def test_what_nobody_declares_follows_a_renamed_column_and_so_do_the_views_over_it(aaiclick_client: Client) -> None:
    """The default of a column that is no longer declared, and a view over a view that gets another query."""
    setup(
        aaiclick_client,
        "ALTER TABLE t ADD COLUMN z String MATERIALIZED toString(a)",
        "CREATE VIEW v AS SELECT a, count() AS n FROM t GROUP BY a",
        "CREATE VIEW w AS SELECT * FROM v",
    )
    columns = [Column("k", "UInt64"), Column("b", "UInt8", renamed_from="a")]
    renamed = Table("t", columns, engine=MergeTree(order_by=["k"]))
    wanted = schema(
        renamed, View("v", query="SELECT b, count() AS n FROM t GROUP BY b"), View("w", query="SELECT * FROM v")
    )
    plan = plan_schema(aaiclick_client, wanted)
    assert [(step.object, step.optional) for step in plan.steps] == [
        ("w", False),
        ("t", False),
        ("v", False),
        ("w", False),
        ("t", True),
    ]
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert rows(aaiclick_client, "SELECT b, n FROM w") == [(10, 1)]
    assert rows(aaiclick_client, "SELECT z FROM t") == [("10",)]
    assert plan_schema(aaiclick_client, wanted).required == ()


def test_a_list_of_a_views_own_that_names_a_dropped_column(aaiclick_client: Client) -> None:
    setup(
        aaiclick_client,
        "ALTER TABLE t ADD COLUMN z String",
        "CREATE VIEW v (k UInt32, a UInt8, z String) AS SELECT * FROM t",
    )
    with pytest.raises(BlockedError, match="the view v names z in a list of its own"):
        migrate(aaiclick_client, schema(table("UInt8")), "drop-column t.z")


def test_a_view_of_everything_that_is_older_than_a_column_shows_it_when_it_is_made_anew(
    aaiclick_client: Client,
) -> None:
    setup(
        aaiclick_client,
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE VIEW w AS SELECT k, a FROM t",
        "ALTER TABLE t ADD COLUMN z UInt8",
    )
    migrate(aaiclick_client, schema(table("UInt64", Column("z", "UInt8"))))
    assert rows(aaiclick_client, "SELECT * FROM v") == [(1, 10, 0)]
    assert rows(aaiclick_client, "SELECT * FROM w") == [(1, 10)]


@pytest.mark.parametrize("declared", [True, False])
def test_a_view_that_is_older_than_a_column_stands_when_that_column_is_dropped(
    aaiclick_client: Client, declared: bool
) -> None:
    """A step before the drop lets it show the column, so one behind it has to take it away again."""
    setup(aaiclick_client, "CREATE VIEW v AS SELECT * FROM t", "ALTER TABLE t ADD COLUMN z UInt8 FIRST")
    wanted = schema(table("UInt64"), *([View("v", query="SELECT * FROM t")] if declared else []))
    migrate(aaiclick_client, wanted, "drop-column t.z")
    assert rows(aaiclick_client, "SELECT * FROM v") == [(1, 10)]
    assert "`z`" not in text(aaiclick_client, "v")
    assert not plan_schema(aaiclick_client, wanted).required


def test_a_view_with_parameters_that_would_fail_blocks_a_rename(aaiclick_client: Client) -> None:
    """Its CREATE is analysed by no server: only a read of it would have told."""
    query = "SELECT a FROM t WHERE k IN {ids:Array(UInt64)} AND k != {other:UInt64}"
    setup(aaiclick_client, f"CREATE VIEW v AS {query}", "CREATE VIEW w AS SELECT k FROM t WHERE k = {id:UInt64}")
    renamed = Table(
        "t", [Column("k", "UInt64"), Column("b", "UInt8", renamed_from="a")], engine=MergeTree(order_by=["k"])
    )
    with pytest.raises(BlockedError, match="the view v reads t and would fail") as error:
        ensure_schema(aaiclick_client, schema(renamed), policy=Policy.everything())
    assert "view w" not in str(error.value)
    assert ensure_schema(aaiclick_client, schema(table("UInt16"))).steps


def test_a_view_over_a_table_that_nobody_declares_gets_another_query(aaiclick_client: Client) -> None:
    for sql in (
        "CREATE TABLE t (k UInt64) ENGINE = MergeTree ORDER BY k",
        "CREATE TABLE u (k UInt64, b UInt8) ENGINE = MergeTree ORDER BY k",
        "INSERT INTO u VALUES (1, 7)",
        "CREATE VIEW v AS SELECT k FROM u",
    ):
        aaiclick_client.command(sql)
    table = Table("t", [Column("k", "UInt64")], engine=MergeTree(order_by=["k"]))
    wanted = schema(table, View("v", query="SELECT k, b FROM u"))
    assert migrate(aaiclick_client, wanted) == [("v", "replace")]
    assert rows(aaiclick_client, "SELECT * FROM v") == [(1, 7)]
