"""A column that is called like a part of a Nested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaiclick import Column, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.specs.engines import MergeTree

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def test_an_alias_becomes_stored_and_narrower(aaiclick_client: Client) -> None:
    aaiclick_client.command("CREATE TABLE t (k UInt32, `g.h` UInt32 ALIAS k * 2) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t SELECT number FROM numbers(100)")
    columns = [Column("k", "UInt32"), Column("g.h", "UInt8")]
    schema = Schema("s", version=None, objects=[Table("t", columns, engine=MergeTree(order_by=["k"]))])
    assert [step.blocked for step in plan_schema(aaiclick_client, schema).required] == [""]
    ensure_schema(aaiclick_client, schema, policy=Policy.lossless())
    assert aaiclick_client.query("SELECT sum(`g.h`), max(`g.h`) FROM t").result_rows == [(9900, 198)]
