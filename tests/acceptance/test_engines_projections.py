"""A projection is filled beside rows that a lightweight DELETE has hidden, in parts of both kinds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Policy, Projection, Schema, Table, ensure_schema, plan_schema
from aaiclick.specs.engines import MergeTree
from tests.acceptance.old_engines import PYTHONS

pytestmark = [pytest.mark.engines, pytest.mark.skipif(not PYTHONS, reason="AAICLICK_ENGINES names no other engine")]

BODY = "SELECT k, count() GROUP BY k"


@pytest.mark.parametrize("wide", [0, 10_000_000], ids=["wide", "compact"])
def test_a_projection_is_filled_beside_hidden_rows(client: Client, wide: int) -> None:
    """25.8 cannot leave such rows out of a compact part and write its projection in one mutation."""
    client.command(
        f"CREATE TABLE t (i UInt64, k UInt8) ENGINE = MergeTree ORDER BY i SETTINGS min_bytes_for_wide_part = {wide}"
    )
    for first in (0, 100, 200):
        client.command(f"INSERT INTO t SELECT number + {first}, number % 2 FROM numbers(10)")
    client.command("DELETE FROM t WHERE i >= 105 AND k = 1 SETTINGS mutations_sync = 2")
    table = Table(
        "t",
        [Column("i", "UInt64"), Column("k", "UInt8")],
        engine=MergeTree(order_by=["i"], settings={"min_bytes_for_wide_part": wide}),
        projections=[Projection("pj", BODY)],
    )
    schema = Schema("filled", objects=[table])
    policy = Policy.lossless(keep_old=timedelta(0)).allow("materialize t.pj")
    done = ensure_schema(client, schema, policy=policy)
    assert [step.strategy for step in done.steps] == ["alter", "mutate"]
    seen = "SELECT k, count() FROM t GROUP BY k ORDER BY k SETTINGS optimize_use_projections = 1"
    assert client.query(f"{seen}, force_optimize_projection = 1").result_rows == [(0, 15), (1, 7)]
    assert not plan_schema(client, schema).steps
