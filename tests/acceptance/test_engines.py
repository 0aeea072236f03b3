"""The main job on older ClickHouse releases."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from aaiclick import Column, Index, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema, validate_schema
from aaiclick.oplog import init_oplog_tables
from aaiclick.specs.engines import CoalescingMergeTree
from aaiclick.testing.process import EngineServer
from tests.acceptance.old_engines import PYTHONS, OldEngine
from tests.oplog.reading import all_rows, execute, rows
from tests.oplog.states import PLAIN, State

pytestmark = [pytest.mark.engines, pytest.mark.skipif(not PYTHONS, reason="AAICLICK_ENGINES names no other engine")]


@pytest.mark.parametrize("state", PLAIN, ids=lambda state: state.name)
def test_every_release_comes_to_version_5(client: Client, old_engine: OldEngine, state: State) -> None:
    try:
        execute(client, state.statements)
    except ClickHouseError as error:
        # A release that refuses the definition itself never had such an install.
        old_engine.note("oplog", state.name, str(error))
        pytest.skip(str(error))
    before = all_rows(client)
    report = init_oplog_tables(client, policy=Policy.lossless())
    assert (report.from_version, report.to_version) == (state.version, 5)
    for table, (names, old) in before.items():
        assert old == rows(client, table, names), table
    assert init_oplog_tables(client).steps == ()
    old_engine.note("oplog", state.name)


def test_a_drop_ends_that_is_waited_for(client: Client, old_engine: OldEngine) -> None:
    """Scratch tables of every comparison are dropped so. Where the engine has no task for it, it would never end."""
    client.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    client.command("/* a run */ DROP TABLE t SYNC")
    assert client.query("SELECT count() FROM system.tables WHERE database = currentDatabase()").result_rows == [(0,)]


def test_what_a_session_has_set_stays_whatever_it_was(client: Client, old_engine: OldEngine) -> None:
    """Sessions take turns on these engines, and what each has set is said again."""
    one = old_engine.server.client(session_id="it has set a role")
    for sql in ("SET ROLE NONE", "SET max_threads = 3", "SET ROLE NONE", "SET max_block_size = 5000"):
        one.command(sql)
    client.command("SELECT 1")
    settings = "getSetting('max_threads'), getSetting('max_block_size')"
    assert one.query(f"SELECT {settings}").result_rows == [(3, 5000)]
    one.close()


BEFORE = Table(
    "t",
    [Column("id", "UInt64"), Column("name", "String"), Column("day", "Date")],
    engine=MergeTree(order_by=["id"], partition_by=None),
)


@pytest.mark.parametrize(
    ("after", "strategy"),
    [
        (
            Table("t", [*BEFORE.columns, Column("tag", "String", default="'x'")], engine=MergeTree(order_by=["id"])),
            "alter",
        ),
        (
            Table(
                "t",
                [Column("id", "UInt64"), Column("name", "LowCardinality(String)"), Column("day", "Date")],
                engine=MergeTree(order_by=["id"]),
            ),
            "mutate",
        ),
        (Table("t", BEFORE.columns, engine=MergeTree(order_by=["id"], settings={"index_granularity": 1024})), "attach"),
        (Table("t", BEFORE.columns, engine=MergeTree(order_by=["name", "id"])), "rebuild"),
        (Table("t", BEFORE.columns, engine=MergeTree(order_by=["id"], partition_by="toYYYYMM(day)")), "rebuild"),
        (
            Table(
                "t",
                BEFORE.columns,
                engine=MergeTree(order_by=["id"]),
                indexes=[Index("ix", expr="name", type="bloom_filter(0.01)")],
                comment="c",
            ),
            "alter",
        ),
    ],
    ids=["column", "retype", "attach", "sort key", "partition key", "index"],
)
def test_each_strategy(
    client: Client, old_engine: OldEngine, request: pytest.FixtureRequest, after: Table, strategy: str
) -> None:
    ensure_schema(client, Schema("app", version=1, objects=[BEFORE]), policy=Policy.safe())
    client.command(
        "INSERT INTO t SELECT number, toString(number), toDate('2026-01-01') + number % 60 FROM numbers(1000)"
    )
    changed = Schema("app", version=2, objects=[after])
    plan = plan_schema(client, changed)
    # What fills an index over the rows that are there is offered beside it, and is only carried out where it is asked
    # for.
    assert [step.strategy for step in plan.required] == [strategy], str(plan)
    ensure_schema(client, changed, policy=Policy.lossless())
    assert client.query("SELECT count(), sum(id), uniqExact(name), min(day) FROM t").result_rows[0][:3] == (
        1000,
        499500,
        1000,
    )
    assert validate_schema(client, changed).in_sync
    old_engine.note("strategy", request.node.name)


def test_a_view_over_a_type_that_a_release_does_not_allow_yet_follows_its_table(
    client: Client, old_engine: OldEngine
) -> None:
    """A plain view stores the types of its columns: where one of them changes, all are written anew."""
    if old_engine.release == "24.8":
        pytest.skip("24.8 has no Time64")
    client.command(
        "CREATE TABLE t (a UInt8, at Time64(3)) ENGINE = MergeTree ORDER BY a", settings={"enable_time_time64_type": 1}
    )
    client.command("CREATE VIEW v AS SELECT * FROM t", settings={"enable_time_time64_type": 1})
    columns = [Column("a", "UInt16"), Column("at", "Time64(3)")]
    changed = Schema("app", objects=[Table("t", columns, engine=MergeTree(order_by=["a"]))])
    ensure_schema(client, changed, policy=Policy.lossless())
    assert plan_schema(client, changed).steps == ()
    client.command("INSERT INTO t (a) VALUES (300)")
    assert client.query("SELECT a FROM v").result_rows == [(300,)]


def test_a_table_with_an_alias_of_such_a_type_is_changed(client: Client, old_engine: OldEngine) -> None:
    """The server refuses to read anything of it before the type is allowed."""
    if old_engine.release == "24.8":
        pytest.skip("24.8 has no Time")
    client.command(
        "CREATE TABLE t (a UInt8, at Time ALIAS CAST('1:02:03', 'Time'), INDEX i a TYPE minmax) ENGINE = MergeTree "
        "ORDER BY a",
        settings={"enable_time_time64_type": 1},
    )
    client.command("INSERT INTO t (a) VALUES (1)", settings={"enable_time_time64_type": 1})
    columns = [Column("a", "UInt8"), Column("at", "Time", alias="CAST('1:02:03', 'Time')")]
    changed = Schema("app", objects=[Table("t", columns, engine=MergeTree(order_by=["a"]))])
    ensure_schema(client, changed, policy=Policy.lossless())
    assert plan_schema(client, changed).steps == ()


WATCHED = [
    ("`select` Nullable(String)", "1, '7'", Column("select", "UInt32"), "mutate", [(1, 7)]),
    ("`select` Variant(String, UInt8)", "1, 7", Column("select", "String"), "mutate", [(1, "7")]),
    ("n Nested(p String, q UInt8)", "1, [('7', 2)]", Column("n", "Nested(p Decimal(18, 4), q UInt8)"), "rebuild", []),
]


@pytest.mark.parametrize(("before", "row", "column", "strategy", "after"), WATCHED, ids=["null", "variant", "nested"])
def test_a_conversion_is_watched_by_a_constraint_that_the_release_reads(
    client: Client,
    old_engine: OldEngine,
    before: str,
    row: str,
    column: Column,
    strategy: str,
    after: list[tuple[object, ...]],
) -> None:
    """25.8 writes a column called ``select`` without quotes, and with every ALTER takes the session's
    ``flatten_nested`` for the table's own."""
    old_engine.skip_what_it_cannot_hold(
        "strategy", before, f"CREATE TABLE {{db}}.t (k UInt8, {before}) ENGINE = MergeTree ORDER BY k"
    )
    whole = {"flatten_nested": 0}
    client.command(f"CREATE TABLE t (k UInt8, {before}) ENGINE = MergeTree ORDER BY k", settings=whole)
    client.command(f"INSERT INTO t VALUES ({row})")
    # Another key makes a copy of what would be a mutation.
    key = ["k + 0"] if strategy == "rebuild" else ["k"]
    engine = MergeTree(order_by=key, settings=whole if strategy == "rebuild" else {})
    changed = Schema("app", objects=[Table("t", [Column("k", "UInt8"), column], engine=engine)])
    plan = plan_schema(client, changed)
    assert [step.strategy for step in plan.required] == [strategy], str(plan)
    assert not any(hazard.allow for hazard in plan.hazards)
    ensure_schema(client, changed, policy=Policy.lossless())
    assert plan_schema(client, changed).steps == ()
    assert not after or client.query("SELECT * FROM t").result_rows == after


def test_an_array_that_a_coalescing_table_keeps_is_another_one_on_older_releases(
    client: Client, old_engine: OldEngine
) -> None:
    """25.8 keeps the first array of a key, and the last text: what FINAL gives changes with the type."""
    create = "CREATE TABLE {db}t (k UInt8, v Array(UInt8)) ENGINE = CoalescingMergeTree ORDER BY k"
    old_engine.skip_what_it_cannot_hold("strategy", "coalescing", create.replace("{db}", "{db}."))
    client.command(create.replace("{db}", ""))
    for row in ("1, [1]", "1, [2]"):
        client.command(f"INSERT INTO t VALUES ({row})")
    columns = [Column("k", "UInt8"), Column("v", "String")]
    changed = Schema("app", objects=[Table("t", columns, engine=CoalescingMergeTree(order_by=["k"]))])
    asked = [hazard.allow for hazard in plan_schema(client, changed).hazards if hazard.allow]
    first = client.query("SELECT toString(v) FROM t FINAL").result_rows
    ensure_schema(client, changed, policy=Policy.lossless().allow(*asked))
    kept = client.query("SELECT v FROM t FINAL").result_rows == first
    assert asked == ([] if kept else ["retype t.v"])


ODD = [
    Column("id", "UInt64"),
    Column("note", "Nullable(String)"),
    Column("list", "Array(Nullable(UInt8))"),
    Column("pair", "Tuple(a Nullable(Int8), b LowCardinality(Nullable(String)))"),
    Column("map", "Map(String, Nullable(Float64))"),
    Column("either", "Variant(String, UInt8)"),
    Column("any", "Dynamic"),
    Column("tree", "JSON"),
]
VALUES = """INSERT INTO t SELECT number, if(number % 2, NULL, 'NULL'), [NULL, number % 9], (NULL, NULL), map('k', NULL),
    if(number % 3, 'v'::Variant(String, UInt8), 7::UInt8::Variant(String, UInt8)), if(number % 3, NULL, number::Dynamic), '{"a": {"b": 1}, "c": null}'
    FROM numbers(1000)"""


def test_rows_that_the_release_cannot_hash_are_copied_and_compared(client: Client, old_engine: OldEngine) -> None:
    """NULL inside a tuple (24.8); Variant, Dynamic and JSON (25.8)."""
    permissive = {f"allow_experimental_{name}_type": 1 for name in ("variant", "dynamic", "json")}
    columns = ", ".join(f"`{column.name}` {column.type}" for column in ODD)
    client.command(f"CREATE TABLE t ({columns}) ENGINE = MergeTree ORDER BY id", settings=permissive)
    client.command(VALUES, settings=permissive)
    digest = "SELECT count(), groupBitXor(cityHash64(toString(tuple(*)))) FROM t"
    before = client.query(digest).result_rows
    changed = Schema(
        "app", version=None, objects=[Table("t", ODD, engine=MergeTree(order_by=["id"], partition_by="id % 4"))]
    )
    report = ensure_schema(client, changed, policy=Policy.lossless())
    assert [step.strategy for step in report.steps] == ["rebuild"]
    assert client.query(digest).result_rows == before
    assert before[0][0] == 1000
    assert validate_schema(client, changed).in_sync
    old_engine.note("strategy", "odd rows")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("python", PYTHONS)
def test_a_drop_in_memory_that_is_waited_for_ends(python: str) -> None:
    """So ``aaiclick check --engines`` does, which stood still at its first scratch table over chdb 3.7."""
    with EngineServer(":memory:", python=python) as server:
        server.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
        server.command("DROP TABLE t SYNC")
        server.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
