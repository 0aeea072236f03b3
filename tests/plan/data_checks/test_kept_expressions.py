"""Skip indexes, projections and TTLs that fail on rows that are there: no part with such a row could be merged any more,
or no mutation would fill them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Index, MergeTree, Policy, Projection, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError

INDEX = Index("i", expr="toUInt32(s)", type="minmax")
COUNTS = Projection("p", query="SELECT toUInt32(s) AS k, count() GROUP BY k")
SORTED = Projection("p", query="SELECT s, id ORDER BY toUInt32(s)")
TTL = "toDateTime(s) + toIntervalDay(1)"


@dataclass(frozen=True)
class Kept:
    """What a table gets, and what is said of it."""

    said: str
    indexes: tuple[Index, ...] = ()
    projections: tuple[Projection, ...] = ()
    ttl: str | None = None
    column_ttl: str | None = None
    type: str = "String"
    sql: str = ""

    def schema(self) -> Schema:
        columns = [Column("id", "UInt64"), Column("s", self.type), Column("v", "UInt8", ttl=self.column_ttl)]
        engine = MergeTree(order_by=["id"], ttl=self.ttl)
        table = Table("t", columns, engine=engine, indexes=list(self.indexes), projections=list(self.projections))
        return Schema("kept", objects=[table])


POLICY = Policy.lossless().allow("change-ttl t", "change-ttl t.v", "materialize t.i", "materialize t.p")
ADDED = "ALTER TABLE t ADD INDEX i toUInt32(s) TYPE minmax"
FAILING = {
    "an index": Kept(r"the index i \(toUInt32\(s\)\) cannot be computed for the rows that are there", (INDEX,)),
    "an index over another type": Kept(
        r"the index i \(toUInt32\(s\)\) cannot be computed", (INDEX,), type="LowCardinality(String)", sql=ADDED
    ),
    "a projection": Kept("the projection p cannot be computed for the rows that are there", projections=(COUNTS,)),
    "a sorted projection": Kept("the projection p cannot be computed", projections=(SORTED,)),
    "a TTL": Kept(r"the TTL \(toDateTime\(s\) \+ toIntervalDay\(1\)\) cannot be computed", ttl=TTL),
    "a TTL of a column": Kept(r"the TTL of v \(toDateTime\(s\)", column_ttl=TTL),
}


@pytest.fixture
def client(aaiclick_client: Client) -> Client:
    aaiclick_client.command("CREATE TABLE t (id UInt64, s String, v UInt8) ENGINE = MergeTree ORDER BY id")
    return aaiclick_client


@pytest.mark.parametrize("kind", FAILING)
def test_what_fails_on_a_row_blocks(client: Client, kind: str) -> None:
    """Without that row it is done, and parts are merged."""
    kept = FAILING[kind]
    client.command("INSERT INTO t VALUES (1, 'x', 1)")
    client.command("INSERT INTO t VALUES (2, '4000000000', 1)")
    if kept.sql:
        client.command(kept.sql)
    with pytest.raises(BlockedError, match=f"t: .*{kept.said}"):
        ensure_schema(client, kept.schema(), policy=POLICY)
    client.command("ALTER TABLE t DELETE WHERE id = 1 SETTINGS mutations_sync = 1")
    ensure_schema(client, kept.schema(), policy=POLICY)
    client.command("OPTIMIZE TABLE t FINAL")
    assert client.query("SELECT id, s FROM t").result_rows == [(2, "4000000000")]


def test_what_no_row_can_make_fail_reads_none(client: Client) -> None:
    client.command("INSERT INTO t VALUES (1, 'x', 1)")
    total = Kept(
        "",
        (Index("i", expr="lower(s)", type="bloom_filter"),),
        (Projection("p", query="SELECT v, count() GROUP BY v"),),
    )
    assert not any(step.reads for step in plan_schema(client, total.schema()).steps)
    assert any(step.reads for step in plan_schema(client, Kept("", (INDEX,)).schema()).steps)
