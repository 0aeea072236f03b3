"""Other parameters of an AggregateFunction: what states answer by does not depend on when a part was merged."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Policy, Schema, Table, ensure_schema, plan_schema

STATES = "AggregateFunction(quantiles({}), UInt32)"


@pytest.mark.parametrize("inside", ["{}", "Tuple(UInt8, {})"])
def test_states_of_old_parts_answer_by_the_new_parameters(aaiclick_client: Client, inside: str) -> None:
    client = aaiclick_client
    before, after = (inside.format(STATES.format(given)) for given in ("0.5, 0.9", "0.5"))
    client.command(f"CREATE TABLE t (k UInt8, q {before}) ENGINE = MergeTree ORDER BY k")
    state = "quantilesState(0.5, 0.9)(toUInt32(number))"
    client.command(f"INSERT INTO t SELECT 1, {inside.replace('Tuple(UInt8, ', '(1, ').format(state)} FROM numbers(11)")
    table = Table.from_sql(f"CREATE TABLE t (k UInt8, q {after}) ENGINE = MergeTree ORDER BY k")
    schema = Schema("s", version=1, objects=[table])
    assert [step.strategy for step in plan_schema(client, schema).steps] == ["rebuild"]
    ensure_schema(client, schema, policy=Policy.lossless().allow("retype t.q"))
    value = "q" if inside == "{}" else "q.2"
    assert client.query(f"SELECT finalizeAggregation({value}) FROM t").result_rows == [([5.0],)]
    assert not plan_schema(client, schema).required
