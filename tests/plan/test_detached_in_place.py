"""Parts that somebody detached are reached by no mutation, and nobody looks at their values."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import SchemaVersionError

KEY = ("changes-values", "leave-detached-parts t")


@pytest.mark.parametrize(
    ("before", "becomes", "asked"),
    [
        ("a String", Column("b", "String", renamed_from="a"), [KEY]),
        ("a Int32", Column("a", "UInt8"), [KEY]),
        ("a String", Column("a", "UInt8"), [KEY]),
        ("", Column("a", "String", default="'new'"), [KEY]),
        ("a UInt8", Column("a", "UInt16"), []),
        ("a UInt8", Column("a", "UInt8", comment="of it"), []),
    ],
    ids=["renamed", "narrower", "text to number", "default of a column that it lacks", "wider", "a comment"],
)
def test_a_change_in_place_that_they_would_not_bear_is_asked_for(
    aaiclick_client: Client, before: str, becomes: Column, asked: list[tuple[str, str]]
) -> None:
    columns = f"k UInt64{', ' if before else ''}{before}"
    values = "(1, 1), (2, 2)" if before else "(1), (2)"
    for sql in (
        f"CREATE TABLE t ({columns}) ENGINE = MergeTree ORDER BY k PARTITION BY k",
        f"INSERT INTO t VALUES {values}",
        *([] if before else ["ALTER TABLE t ADD COLUMN a String DEFAULT 'old'"]),
        "ALTER TABLE t DETACH PARTITION 1",
    ):
        aaiclick_client.command(sql)
    table = Table("t", [Column("k", "UInt64"), becomes], engine=MergeTree(order_by=["k"], partition_by="k"))
    wanted = Schema("s", objects=[table])
    found = [(each.kind, each.allow) for each in plan_schema(aaiclick_client, wanted).hazards if each.allow]
    assert found == asked
    if asked:
        with pytest.raises(SchemaVersionError, match="leave-detached-parts t"):
            ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow(*(key for _, key in asked)))
    assert plan_schema(aaiclick_client, wanted).steps == ()
