"""A stored column that becomes EPHEMERAL: parts in one file would still list it behind an ALTER, and no mutation that
writes them anew would end."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema

PARTS = {"compact": "1000000", "wide": "0"}


def schema(version: int, parts: str) -> Schema:
    columns = [Column("id", "UInt64"), Column("n", "UInt8")]
    if version == 1:
        columns += [Column("a", "String"), Column("gone", "UInt8")]
    else:
        columns += [Column("a", "String", ephemeral="'x'")]
    engine = MergeTree(order_by=["id"], settings={"min_bytes_for_wide_part": int(PARTS[parts])})
    return Schema("shop", version=version, objects=[Table("t", columns, engine=engine)])


@pytest.mark.parametrize("parts", PARTS)
def test_another_column_goes_at_the_same_time_and_mutations_end(aaiclick_client: Client, parts: str) -> None:
    ensure_schema(aaiclick_client, schema(1, parts))
    aaiclick_client.command("INSERT INTO t VALUES (1, 2, 'a', 3)")
    policy = Policy.lossless().allow("change-default t.a", "drop-column t.gone")
    report = ensure_schema(aaiclick_client, schema(2, parts), policy=policy)
    assert "rebuild" in [step.strategy for step in report.steps]
    aaiclick_client.command("ALTER TABLE t UPDATE n = 9 WHERE id = 1 SETTINGS mutations_sync = 2")
    assert list(aaiclick_client.query("SELECT * FROM t").result_rows) == [(1, 9)]
    assert ensure_schema(aaiclick_client, schema(2, parts)).in_sync
