"""Who brings rows into a table without being a query: found in the catalogue, waited for, stopped or named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TypeVar, cast

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.apply.rebuild.preconditions import require_resting_streams
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.background_inserts import BackgroundInserts, find_background_inserts
from aaiclick.clickhouse.tables import Physical
from aaiclick.clients.opening import open_url
from aaiclick.errors import ApplyError
from aaiclick.routine import Routine, Rows, run
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.reliability.counts import note

T = TypeVar("T")
TITLE = "a Buffer that is flushed at any moment of a rebuild"
AT_ONCE = Policy.lossless(keep_old=timedelta(0))


@pytest.fixture
def database(aaiclick_client: Client) -> Iterator[str]:
    name = fresh_name()
    aaiclick_client.command(f"CREATE DATABASE {name}")
    yield name
    aaiclick_client.command(f"DROP DATABASE {name} SYNC")


def keyed(version: int, columns: list[Column] | None = None) -> Schema:
    """Another sort key in each version."""
    engine = MergeTree(order_by=["id"] if version % 2 else ["v", "id"])
    return Schema(
        "s",
        version=version,
        objects=[Table("t", columns or [Column("id", "UInt64"), Column("v", "String")], engine=engine)],
    )


def found(engine: EmbeddedEngine, database: str, table: str) -> BackgroundInserts:
    connection = open_url(engine.url)
    try:
        return run(find_background_inserts(database, table), connection)
    finally:
        connection.close()


def test_background_inserts_are_found_upstream_of_tables_and_views(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, database: str
) -> None:
    ensure_schema(aaiclick_client, keyed(1), database=database)
    assert found(aaiclick_engine, database, "t") == BackgroundInserts()
    for sql in (
        "CREATE TABLE {db}.first (id UInt64, v String) ENGINE = Null",
        "CREATE MATERIALIZED VIEW {db}.mv TO {db}.t AS SELECT id, v FROM {db}.first",
        (
            "CREATE TABLE {db}.`b'uf` (id UInt64, v String) ENGINE = Buffer('{db}', 'first', 1, 10, 100, 10000, "
            "1000000, 1000000, 100000000)"
        ),
        (
            "CREATE TABLE {db}.elsewhere (id UInt64, v String) ENGINE = Buffer('{db}', 'other', 1, 10, 100, 10000, "
            "1000000, 1000000, 100000000)"
        ),
        "CREATE MATERIALIZED VIEW {db}.again REFRESH EVERY 1 YEAR TO {db}.t AS SELECT 1::UInt64 AS id, '' AS v",
    ):
        aaiclick_client.command(sql.replace("{db}", database))
    assert found(aaiclick_engine, database, "t") == BackgroundInserts(
        buffers=(f"`{database}`.`b'uf`",), refreshed=(f"`{database}`.`again`",)
    )


def test_what_the_server_shows_no_definition_of_may_lead_anywhere(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, database: str
) -> None:
    """The server writes a column called NOT unquoted, and shows nothing of what it cannot parse then."""
    ensure_schema(aaiclick_client, keyed(1), database=database)
    for sql in (
        "CREATE TABLE {db}.first (id UInt64, v String, `NOT` UInt8) ENGINE = Null",
        "CREATE MATERIALIZED VIEW {db}.plain TO {db}.t AS SELECT id, v FROM {db}.first WHERE `NOT` > 0",
        (
            "CREATE TABLE {db}.infront (id UInt64, v String, `NOT` UInt8) ENGINE = Buffer('{db}', 'first', 1, 10, 100, "
            "10000, 1000000, 1000000, 100000000)"
        ),
        (
            "CREATE TABLE {db}.alone (id UInt64, `NOT` UInt8, x UInt8 DEFAULT `NOT` > 0) ENGINE = Buffer('{db}', 't', 1, "
            "10, 100, 10000, 1000000, 1000000, 100000000)"
        ),
        (
            "CREATE MATERIALIZED VIEW {db}.again REFRESH EVERY 1 YEAR APPEND TO {db}.t AS "
            "SELECT id, v FROM {db}.first WHERE `NOT` > 0"
        ),
    ):
        aaiclick_client.command(sql.replace("{db}", database))
    shown = aaiclick_client.query(
        f"SELECT groupArray(name) FROM system.tables WHERE database = '{database}' AND create_table_query = ''"
    ).result_rows
    assert sorted(shown[0][0]) == ["again", "alone", "plain"]
    every = {name: f"`{database}`.`{name}`" for name in ("again", "alone", "infront", "plain")}
    inserts = found(aaiclick_engine, database, "t")
    assert set(inserts.buffers) == {every["alone"], every["infront"]}
    assert inserts.refreshed == (every["again"],)
    assert set(inserts.untold) == {every["again"], every["alone"], every["plain"]}
    assert f"no definition of {every['again']}" in inserts.doubt


def test_a_definition_that_nobody_can_read_has_nothing_to_do_with_a_table_that_it_does_not_name() -> None:
    text = "CREATE MATERIALIZED VIEW d.mv UNHEARD OF TO d.`o\\`ne` (`id` UInt64) AS SELECT id FROM d.queue"
    view = ("d", "mv", "MaterializedView", "", text, "u")
    passing = (
        "d",
        "on",
        "MaterializedView",
        "",
        "CREATE MATERIALIZED VIEW d.on TO d.t AS SELECT id FROM d.`o\\`ne`",
        "w",
    )
    queue = ("d", "queue", "Kafka", "Kafka('h:1')", "CREATE TABLE d.queue (`id` UInt64) ENGINE = Kafka('h:1')", "v")
    triggers: Rows = (("d", "o`ne", "d", "on"), ("d", "queue", "d", "mv"))
    for table, streams in (("o`ne", ("`d`.`queue`",)), ("t", ("`d`.`queue`",)), (".inner_id.u", ("`d`.`queue`",))):
        inserts = answered(find_background_inserts("d", table), (view, passing, queue), (), triggers)
        assert (inserts.streams, inserts.untold) == (streams, ("`d`.`mv`",))
    assert answered(find_background_inserts("d", "other"), (view, passing, queue), (), triggers) == BackgroundInserts()
    with pytest.raises(
        ApplyError, match=r"wait for them \(the server shows no definition of `d`.`mv` that can be read"
    ):
        answered(
            require_resting_streams(Physical("d", "t", "u", "MergeTree"), ApplyOptions()),
            (view, passing, queue),
            (),
            triggers,
        )


def test_a_view_with_a_table_of_its_own_in_a_database_without_uuids(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client
) -> None:
    """The view shows no UUID there, after which its table could be called."""
    database = fresh_name()
    aaiclick_client.command(f"CREATE DATABASE {database} ENGINE = Memory")
    query = "SELECT 1::UInt64 AS id"
    aaiclick_client.command(
        f"CREATE MATERIALIZED VIEW {database}.v REFRESH EVERY 1 YEAR APPEND ENGINE = MergeTree ORDER BY id AS {query}"
    )
    own = str(aaiclick_client.command(f"SELECT name FROM system.tables WHERE database = '{database}' AND name != 'v'"))
    assert found(aaiclick_engine, database, own) == BackgroundInserts(refreshed=(f"`{database}`.`v`",))
    aaiclick_client.command(f"DROP DATABASE {database}")


def flushed_at(client: Client, database: str, moment: float, policy: Policy) -> None:
    """The flush takes longer than the rebuild: without waiting its rows end in the old table."""
    columns = [Column("id", "UInt64"), Column("v", "String"), Column("slow", "UInt8", materialized="sleep(1.5)")]
    ensure_schema(client, keyed(1, columns), database=database)
    client.command(
        f"CREATE TABLE {database}.b (id UInt64, v String) ENGINE = Buffer('{database}', 't', 1, 0.1, 0.5, 50, "
        "1000000, 1000, 100000000)"
    )
    client.command(f"INSERT INTO {database}.b SELECT number, 'w' FROM numbers(100)")
    time.sleep(moment)
    ensure_schema(client, keyed(2, columns), database=database, policy=policy)
    client.command(f"OPTIMIZE TABLE {database}.b")
    assert client.query(f"SELECT count(), uniqExact(id) FROM {database}.t").result_rows == [(100, 100)]


def test_a_flush_that_is_under_way_is_waited_for(aaiclick_client: Client, database: str) -> None:
    flushed_at(aaiclick_client, database, 0.7, AT_ONCE)


@pytest.mark.proof
@pytest.mark.parametrize("policy", [AT_ONCE, Policy.lossless()], ids=["dropped", "kept"])
@pytest.mark.parametrize("moment", [0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.2, 1.6, 2.0])
def test_a_flush_at_any_moment(aaiclick_client: Client, database: str, moment: float, policy: Policy) -> None:
    flushed_at(aaiclick_client, database, moment, policy)
    note(TITLE, rounds=1, rows=100)


def test_a_refreshable_view_is_stopped_while_its_target_is_rebuilt(aaiclick_client: Client, database: str) -> None:
    ensure_schema(aaiclick_client, keyed(1), database=database)
    query = "SELECT number AS id, 'x' AS v FROM numbers(20) WHERE sleepEachRow(0.01) = 0"
    aaiclick_client.command(
        f"CREATE MATERIALIZED VIEW {database}.fresh REFRESH EVERY 1 SECOND TO {database}.t AS {query}"
    )
    for version in (2, 3):
        time.sleep(0.4)
        ensure_schema(aaiclick_client, keyed(version), database=database, policy=AT_ONCE)
        status = aaiclick_client.query(
            f"SELECT status FROM system.view_refreshes WHERE database = '{database}'"
        ).result_rows[0][0]
        assert status != "Disabled"
    left = aaiclick_client.query(
        f"SELECT name FROM system.tables WHERE database = '{database}' AND match(name, "
        "'^_aaiclick_(mark|new|stage|old)')"
    ).result_rows
    assert not left
    aaiclick_client.command(f"DROP VIEW {database}.fresh SYNC")


def test_a_refreshable_view_without_a_definition_is_stopped_as_well(aaiclick_client: Client, database: str) -> None:
    ensure_schema(aaiclick_client, keyed(1), database=database)
    columns = "SELECT number AS id, 'x' AS v, number AS `NOT` FROM numbers(20)"
    aaiclick_client.command(
        f"CREATE MATERIALIZED VIEW {database}.fresh REFRESH EVERY 1 SECOND TO {database}.t AS "
        f"SELECT id, v FROM ({columns}) WHERE `NOT` >= 0 AND sleepEachRow(0.01) = 0"
    )
    for version in (2, 3):
        time.sleep(0.4)
        ensure_schema(aaiclick_client, keyed(version), database=database, policy=AT_ONCE)
    left = aaiclick_client.query(
        f"SELECT name FROM system.tables WHERE database = '{database}' AND match(name, '^_aaiclick_(mark|new|stage|old)')"
    ).result_rows
    assert not left
    aaiclick_client.command(f"DROP VIEW {database}.fresh SYNC")


def answered(routine: Routine[T], *answers: Rows) -> T:
    """The embedded engine has no streams ("Shutdown was called"), so the catalogue is scripted here."""
    left = list(answers)
    try:
        next(routine)
        while True:
            routine.send(left.pop(0))
    except StopIteration as end:
        return cast("T", end.value)


def test_a_stream_is_named_before_anything_is_done() -> None:
    catalogue: Rows = (
        (
            "d",
            "mv",
            "MaterializedView",
            "",
            "CREATE MATERIALIZED VIEW d.mv TO d.t (`id` UInt64) AS SELECT id FROM d.queue",
            "u",
        ),
        (
            "d",
            "queue",
            "Kafka",
            "Kafka('h:1', 'topic', 'group', 'CSV')",
            "CREATE TABLE d.queue (`id` UInt64) ENGINE = Kafka('h:1')",
            "v",
        ),
    )
    triggers: Rows = (("d", "queue", "d", "mv"),)
    assert answered(find_background_inserts("d", "t"), catalogue, triggers).streams == ("`d`.`queue`",)
    assert answered(find_background_inserts("d", "other"), catalogue, triggers) == BackgroundInserts()
    table = Physical("d", "t", "u", "MergeTree")
    with pytest.raises(ApplyError, match=r"`d`.`queue` brings rows into t all the time.*--allow 'writers-stopped t'"):
        answered(require_resting_streams(table, ApplyOptions()), catalogue, triggers)
    require_resting_streams(table, ApplyOptions(writers_stopped=frozenset({"t"})))


def test_an_insert_that_is_repeated_after_a_swap_is_a_hazard_where_the_table_has_a_window(
    aaiclick_client: Client, database: str
) -> None:
    columns = [Column("id", "UInt64"), Column("v", "String")]
    old, new = (
        Schema(
            "s",
            version=n,
            objects=[
                Table(
                    "t", columns, engine=MergeTree(order_by=key, settings={"non_replicated_deduplication_window": 100})
                )
            ],
        )
        for n, key in ((1, "id"), (2, "v"))
    )
    ensure_schema(aaiclick_client, old, database=database)
    aaiclick_client.command(f"INSERT INTO {database}.t VALUES (1, 'a')")
    assert any(
        "sent again after the exchange" in hazard.message
        for hazard in plan_schema(aaiclick_client, new, database=database).hazards
    )
