"""Statements of migrations on clusters: which are sent to all hosts, which once, and which are refused."""

from __future__ import annotations

import pytest

from aaiclick.clickhouse.topology import Host, Topology
from aaiclick.plan.clusters.statements import statements_refusal
from aaiclick.sql.statement_kinds import statement_kind, target_of


def hosts(shards: int) -> Topology:
    listed = tuple(
        Host(f"h{shard}{replica}", 9000, shard, replica) for shard in range(1, shards + 1) for replica in (1, 2)
    )
    return Topology("queue", "c", listed, "shop")


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("INSERT INTO events SELECT 1", "rows"),
        ("insert into events values (1)", "rows"),
        ("DELETE FROM events WHERE id = 1", "rows"),
        ("ALTER TABLE events UPDATE v = v + 1 WHERE id IN (SELECT id FROM other)", "rows"),
        ("ALTER TABLE events DELETE WHERE id = 1", "rows"),
        ("ALTER TABLE events ADD COLUMN a UInt8, DROP INDEX i", "definition"),
        ("ALTER TABLE events MODIFY SETTING parts_to_throw_insert = 10", "definition"),
        ("CREATE TABLE t (id UInt8) ENGINE = ReplicatedMergeTree ORDER BY id", "definition"),
        ("CREATE VIEW v AS SELECT 1", "definition"),
        ("DROP TABLE IF EXISTS t", "definition"),
        ("RENAME TABLE a TO b", "definition"),
        # Carried out twice, or by another host, these do something else.
        ("RENAME TABLE a TO b, c TO d", ""),
        ("EXCHANGE TABLES a AND b", ""),
        ("ALTER TABLE events UPDATE v = 1 WHERE 1, ADD COLUMN a UInt8", ""),
        ("ALTER TABLE events ADD COLUMN a UInt8, MODIFY SETTING parts_to_throw_insert = 10", ""),
        ("ALTER TABLE events DROP PARTITION 1", ""),
        ("ALTER TABLE events ATTACH PARTITION ALL FROM other", ""),
        ("ALTER TABLE events REPLACE PARTITION 1 FROM other", ""),
        ("CREATE TABLE t ENGINE = ReplicatedMergeTree ORDER BY id AS SELECT 1 AS id", ""),
        ("CREATE OR REPLACE TABLE t (id UInt8) ENGINE = ReplicatedMergeTree ORDER BY id", ""),
        ("CREATE MATERIALIZED VIEW v TO t AS SELECT id FROM events", ""),
        ("TRUNCATE TABLE events", ""),
        ("OPTIMIZE TABLE events FINAL", ""),
        ("SYSTEM STOP MERGES events", ""),
        ("ALTER TABLE events ON CLUSTER c ADD COLUMN a UInt8", ""),
        ("", ""),
        ("INSERT INTO events VALUES ('", ""),
    ],
)
def test_how_a_statement_is_sent(sql: str, kind: str) -> None:
    assert statement_kind(sql) == kind


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("INSERT INTO events SELECT 1", "events"),
        ("INSERT INTO TABLE shop.events SELECT 1", "events"),
        ("WITH 1 AS x INSERT INTO `events` SELECT x", "events"),
        ("INSERT INTO other.events SELECT 1", ""),
        ("INSERT INTO FUNCTION file('a') SELECT 1", "FUNCTION"),
        ("ALTER TABLE events DELETE WHERE 1", "events"),
        ("WITH 1 AS x SELECT x", ""),
    ],
)
def test_whose_rows_a_statement_changes(sql: str, table: str) -> None:
    assert target_of(sql, "shop") == table


@pytest.mark.parametrize(
    ("sql", "shards", "said"),
    [
        ("INSERT INTO events SELECT 1", 1, ""),
        ("INSERT INTO events SELECT 1", 2, "has the rows of its own shard only"),
        ("INSERT INTO other SELECT 1", 1, "is not declared as a replicated one"),
        ("DROP TABLE other", 2, ""),
        ("CREATE TABLE t (id UInt8) ENGINE = MergeTree ORDER BY id", 1, "each of its 2 replicas would hold other rows"),
        ("ALTER TABLE events ON CLUSTER c ADD COLUMN a UInt8", 1, "leave ON CLUSTER out"),
        ("EXCHANGE TABLES a AND b", 1, "what it does on each host cannot be told"),
    ],
)
def test_what_is_refused(sql: str, shards: int, said: str) -> None:
    refusal = statements_refusal(["DROP VIEW v", sql], hosts(shards), {"events"})
    assert said in refusal
    assert bool(refusal) is bool(said)
