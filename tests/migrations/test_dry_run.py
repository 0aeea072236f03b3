"""A dry run never touches live data: what is rehearsed stays in scratch, and whatever could leave it is not
rehearsed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Migration, plan_schema
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.migrations.building import rows, schema, table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

from aaiclick import ensure_schema

T = table(Column("n", "UInt32"))
U = table(Column("n", "UInt32"), name="u")


@pytest.fixture
def other(aaiclick_engine: EmbeddedEngine) -> Iterator[str]:
    """Another database with a table ``x`` in it."""
    name = fresh_name("other")
    aaiclick_engine.command(f"CREATE DATABASE {quote_name(name)}")
    aaiclick_engine.command(f"CREATE TABLE {quote_name(name)}.x (id UInt64, n UInt32) ENGINE = MergeTree ORDER BY id")
    aaiclick_engine.command(f"INSERT INTO {quote_name(name)}.x VALUES (1, 1)")
    yield name
    aaiclick_engine.command(f"DROP DATABASE IF EXISTS {quote_name(name)} SYNC")


def everything(client: Client) -> list[tuple[object, ...]]:
    """What all databases hold, scratch and system apart."""
    sql = (
        "SELECT database, name, create_table_query, toString(uuid), total_rows, arrayStringConcat(data_paths) FROM "
        "system.tables"
        " WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') ORDER BY ALL"
    )
    return [tuple(row) for row in client.query(sql).result_rows]


STATEMENTS = [
    "DROP TABLE {other}.x",
    "DROP TABLE IF EXISTS {other}.x SYNC",
    "DROP DATABASE {other}",
    "DROP TABLE {db}.t",
    "TRUNCATE TABLE {other}.x",
    "TRUNCATE TABLE `{db}`.`t`",
    "INSERT INTO FUNCTION file('{file}', 'CSV', 'id UInt64') SELECT 1",
    "INSERT INTO TABLE FUNCTION remote('localhost', '{other}', 'x') SELECT 1, 1",
    "INSERT INTO {other}.x VALUES (2, 2)",
    "INSERT INTO {db}.t SELECT 7, 7",
    "INSERT INTO {other}.x SELECT id, n FROM t",
    "ALTER TABLE {other}.x DELETE WHERE 1",
    "ALTER TABLE {db}.t UPDATE n = 0 WHERE 1",
    "ALTER TABLE t DELETE WHERE n IN (SELECT n FROM {other}.x)",
    "ALTER TABLE t MOVE PARTITION tuple() TO TABLE {other}.x",
    "ALTER TABLE t REPLACE PARTITION tuple() FROM {other}.x",
    "ALTER TABLE t ATTACH PARTITION tuple() FROM {other}.x",
    "DELETE FROM {other}.x WHERE 1",
    "RENAME TABLE t TO {other}.t",
    "RENAME TABLE {other}.x TO y",
    "EXCHANGE TABLES t AND {other}.x",
    "CREATE TABLE {other}.y (id UInt64) ENGINE = Memory",
    "CREATE TABLE y AS {other}.x",
    "CREATE MATERIALIZED VIEW mv TO {other}.x AS SELECT * FROM t",
    "CREATE MATERIALIZED VIEW mv REFRESH EVERY 1 SECOND TO {other}.x AS SELECT 5 AS id, 5 AS n",
    "CREATE DATABASE {other}_2",
    "SYSTEM STOP MERGES {other}.x",
    "SYSTEM DROP MARK CACHE",
    "OPTIMIZE TABLE {other}.x FINAL",
    "DETACH TABLE {other}.x",
    "CREATE FUNCTION {other}_f AS x -> x",
    # A query's name does not hide where it reads from.
    "INSERT INTO t WITH t AS (SELECT id, n FROM {other}.x) SELECT id, n FROM t",
    "WITH t AS (SELECT id, n FROM {other}.x) INSERT INTO t SELECT id, n FROM t",
    "INSERT INTO {other}.x WITH x AS (SELECT id, n FROM t) SELECT id, n FROM x",
    "INSERT INTO t WITH x AS (SELECT id, n FROM t) SELECT id, n FROM {other}.x",
    "INSERT INTO t WITH `{other}.x` AS (SELECT id, n FROM t) SELECT id, n FROM {other}.x",
    "ALTER TABLE t DELETE WHERE id IN (WITH x AS (SELECT id FROM t) SELECT id FROM {other}.x)",
    "INSERT INTO t WITH x AS (SELECT id, n FROM remote('localhost', '{other}', 'x')) SELECT id, n FROM x",
    "INSERT INTO t SELECT id, n FROM merge('{other}', '^x$')",
    "INSERT INTO t SELECT id, n FROM merge('{other}', '^x$') AS t",
    "INSERT INTO t SELECT id, n FROM t WHERE id IN (SELECT id FROM cluster('default', '{other}', 'x'))",
    "INSERT INTO t SELECT id, n FROM view(SELECT id, n FROM {other}.x)",
    "INSERT INTO t SELECT id, joinGet('{other}.j', 'n', id) FROM t",
    "INSERT INTO t SELECT id, dictGet('{other}.d', 'n', id) FROM t",
    "INSERT INTO t SELECT id, dictGetUInt32OrDefault('{other}.d', 'n', id, n) FROM t",
    "INSERT INTO t SELECT id, dictHas('{other}.d', id) FROM t",
    "INSERT INTO t SELECT id, hasColumnInTable('{other}', 'x', 'n') FROM t",
    "ALTER TABLE t DELETE WHERE id IN {other}.x",
    "CREATE TABLE y ENGINE = MergeTree ORDER BY id AS SELECT * FROM {other}.x",
    "CREATE TABLE y (id UInt64) ENGINE = MergeTree ORDER BY id AS SELECT id FROM {other}.x",
    "CREATE TABLE y (id UInt64, n UInt32) ENGINE = Merge('{other}', '^x$')",
    "CREATE TABLE y (id UInt64, n UInt32) ENGINE = Buffer('{other}', 'x', 1, 0, 0, 0, 0, 0, 0)",
    "CREATE TABLE y (id UInt64) ENGINE = Distributed('default', '{other}', 'x')",
    "CREATE TABLE y (id UInt64) ENGINE = File(CSV, '{file}')",
    "CREATE TABLE y (id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS disk = disk(type = local, path = '{file}/')",
    "CREATE OR REPLACE TABLE {other}.x (id UInt64) ENGINE = Memory",
    "CREATE VIEW y AS SELECT * FROM {other}.x",
    (
        "CREATE DICTIONARY y (id UInt64, n UInt32) PRIMARY KEY id SOURCE(CLICKHOUSE(DB '{other}' TABLE 'x')) "
        "LAYOUT(FLAT()) LIFETIME(0)"
    ),
    "EXCHANGE TABLES {other}.x AND t",
    "EXCHANGE TABLES t AND m",
    "RENAME TABLE t TO {other}.t, {other}.x TO t",
    "ATTACH TABLE y UUID '00000000-0000-0000-0000-000000000001' (id UInt64) ENGINE = MergeTree ORDER BY id",
    "ATTACH TABLE {other}.y FROM '{file}' (id UInt64) ENGINE = MergeTree ORDER BY id",
    "ALTER TABLE t FETCH PARTITION tuple() FROM '/clickhouse/tables/x'",
    "ALTER TABLE t FREEZE",
    "ALTER TABLE t MODIFY QUERY SELECT * FROM {other}.x",
    "SYSTEM FLUSH LOGS",
    "SYSTEM RELOAD DICTIONARIES",
    "KILL QUERY WHERE 1 = 0",
    "UNDROP TABLE {other}.y",
    "GRANT SELECT ON {other}.x TO default",
    "CREATE USER {other}_u",
    "SET max_threads = 1",
    "USE {other}",
    "WITH x AS (SELECT 1) SELECT * FROM x",
    "INSERT INTO m VALUES (7, 7)",
]


@pytest.mark.parametrize("first", range(0, len(STATEMENTS), 10))
def test_what_could_leave_scratch_is_not_rehearsed(
    first: int, aaiclick_client: Client, other: str, tmp_path: Path
) -> None:
    client = aaiclick_client
    ensure_schema(client, schema(1, T))
    client.command(f"CREATE TABLE m (id UInt64, n UInt32) ENGINE = Merge('{client.database}', '^t$')")
    client.command("INSERT INTO t VALUES (1, 1), (2, 2)")
    for sql in STATEMENTS[first : first + 10]:
        _stays_untouched(client, sql, other, tmp_path / "out.csv")


def _stays_untouched(client: Client, sql: str, other: str, path: Path) -> None:
    text = sql.format(other=other, db=client.database, file=path)
    before = everything(client)

    plan = plan_schema(client, schema(2, T, migrations=[Migration(2, sql=[text])]))

    assert everything(client) == before, text
    assert rows(client) == [(1, 1), (2, 2)], text
    assert rows(client, f"{quote_name(other)}.x") == [(1, 1)]
    assert not path.exists(), text
    (step,) = (step for step in plan.steps if step.strategy == "sql")
    assert step.sql == ["-- not rehearsed: it is sent as it stands", text]
    assert any(hazard.kind == "cannot-be-undone" for hazard in step.hazards), text
    assert not step.blocked, text
    assert client.query(f"SELECT count() FROM system.databases WHERE name = '{other}_2'").result_rows == [(0,)]
    assert client.query(f"SELECT count() FROM system.functions WHERE name = '{other}_f'").result_rows == [(0,)]


REHEARSED = [
    "DROP TABLE u",
    "TRUNCATE TABLE t",
    "INSERT INTO t SELECT id + 10, n FROM u",
    "INSERT INTO t VALUES (7, 7), (8, 8)",
    "ALTER TABLE t DELETE WHERE n IN (SELECT n FROM u)",
    "ALTER TABLE t UPDATE n = n + 1 WHERE 1",
    "ALTER TABLE t ADD COLUMN extra String",
    "DELETE FROM t WHERE n > 1",
    "RENAME TABLE u TO v",
    "CREATE TABLE w (id UInt64) ENGINE = MergeTree ORDER BY id",
    "OPTIMIZE TABLE t FINAL",
    "INSERT INTO t WITH x AS (SELECT id, n FROM u) SELECT id + 10, n FROM x",
    (
        "INSERT INTO t WITH 10 AS k, x AS (SELECT id, n FROM u), y AS (WITH x AS (SELECT * FROM u) SELECT * FROM x) "
        "SELECT id + k, n FROM x JOIN y USING (id, n)"
    ),
    (
        "INSERT INTO t WITH RECURSIVE x AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM x WHERE id < 5) SELECT id, 1 "
        "FROM x"
    ),
    "WITH x AS (SELECT id, n FROM u) INSERT INTO t SELECT id + 10, n FROM x",
    "INSERT INTO t WITH t AS (SELECT id, n FROM u) SELECT id + 10, n FROM t",
    "INSERT INTO t SELECT number, 1 FROM numbers(3)",
    "EXCHANGE TABLES t AND u",
]


@pytest.mark.parametrize("first", range(0, len(REHEARSED), 10))
def test_what_stays_within_the_schema_is_rehearsed_on_clones(first: int, aaiclick_client: Client) -> None:
    client = aaiclick_client
    ensure_schema(client, schema(1, T, U))
    client.command("INSERT INTO t VALUES (1, 1), (2, 2)")
    client.command("INSERT INTO u VALUES (1, 1)")
    before = everything(client)
    for sql in REHEARSED[first : first + 10]:
        plan = plan_schema(client, schema(2, T, U, migrations=[Migration(2, sql=[sql])]))
        assert everything(client) == before, sql
        assert (rows(client), rows(client, "u")) == ([(1, 1), (2, 2)], [(1, 1)]), sql
        (step,) = (step for step in plan.steps if step.strategy == "sql")
        assert step.sql == [sql]
        assert not any(hazard.kind == "cannot-be-undone" for hazard in step.hazards), sql
        assert not step.blocked, sql


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("INSERT INTO t (nope) SELECT 1", "nope"),
        ("ALTER TABLE t DROP COLUMN nope", "nope"),
        ("ALTER TABEL t DELETE WHERE 1", "Syntax error"),
        ("INSERT INTO t SELECT id, n, 1 FROM t", "statement 1 of migration 2"),
        ("INSERT INTO t WITH x AS (SELECT id FROM t) SELECT id, nope FROM x", "nope"),
        ("EXCHANGE TABLES t AND nowhere", "nowhere"),
        # The engine writes the database before the name of a query inside a mutation, and then misses the table: live
        # as in scratch.
        (
            "ALTER TABLE t DELETE WHERE n IN (WITH x AS (SELECT n FROM t) SELECT n FROM x)",
            "Unknown table expression identifier 'x'",
        ),
        (
            "DELETE FROM t WHERE n IN (WITH x AS (SELECT n FROM t) SELECT n FROM x)",
            "Unknown table expression identifier 'x'",
        ),
    ],
)
def test_what_the_engine_refuses_blocks_the_step(sql: str, words: str, aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, T))
    plan = plan_schema(aaiclick_client, schema(2, T, migrations=[Migration(2, sql=[sql])]))
    (step,) = (step for step in plan.steps if step.strategy == "sql")
    assert words in step.blocked


def test_the_rest_of_the_plan_starts_from_what_the_statements_leave(aaiclick_client: Client) -> None:
    client = aaiclick_client
    ensure_schema(client, schema(1, T, U))
    client.command("INSERT INTO t VALUES (1, 1), (2, 2)")
    migration = Migration(2, sql=["ALTER TABLE t MODIFY COLUMN n UInt64", "ALTER TABLE t ADD COLUMN later UInt8"])
    declared = schema(
        2, table(Column("n", "UInt64"), Column("extra", "String"), Column("later", "UInt8")), U, migrations=[migration]
    )
    plan = plan_schema(client, declared)
    assert [step.id for step in plan.steps] == ["t:alter@0002", "0002:sql"], str(plan)
    assert [step.id for step in ensure_schema(client, declared).steps] == ["t:alter@0002", "0002:sql"]
