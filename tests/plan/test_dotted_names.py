"""A column that is called like a part of a Nested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

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


@pytest.mark.parametrize(
    ("added", "default", "filled", "read"),
    [
        ("`n.b`", "length(n.b)", False, False),
        ("`n.b`", "length(n.b)", True, True),
        ("`n.b`", "length(`n.b`)", False, True),
        ("a", "a.size0", False, False),
        ("a", "a.size0", True, True),
        ("a", "length(a)", False, True),
    ],
)
def test_what_readers_see_before_the_mutation(
    aaiclick_client: Client, added: str, default: str, filled: bool, read: bool
) -> None:
    """docs/reliability.md says which defaults fail (47) until parts hold what they read, and the two ways around it."""
    client = aaiclick_client
    client.command("CREATE TABLE t (k UInt64) ENGINE = MergeTree ORDER BY k")
    client.command("INSERT INTO t VALUES (1)")
    client.command(f"ALTER TABLE t ADD COLUMN {added} Array(UInt8) DEFAULT [1]")
    if filled:
        client.command(f"ALTER TABLE t MATERIALIZE COLUMN {added} SETTINGS mutations_sync = 1")
    client.command(f"ALTER TABLE t ADD COLUMN x UInt64 DEFAULT {default}")
    assert client.command("SELECT k FROM t") == 1
    if read:
        assert client.command("SELECT x FROM t") == 1
        return
    with pytest.raises(DatabaseError, match=r"Code: 47"):
        client.query("SELECT x FROM t")
    client.command("ALTER TABLE t MATERIALIZE COLUMN x SETTINGS mutations_sync = 1")
    assert client.command("SELECT x FROM t") == 1
