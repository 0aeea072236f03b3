"""The lock of a holder that was taken over does not stay for ever."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from aaiclick import Column, MergeTree, Schema, Table, ensure_schema
from aaiclick.lease.lock import Holder
from aaiclick.lease.names import tombstone
from aaiclick.lease.owner import Owner
from aaiclick.sql.quoting import quote_string
from aaiclick.state.cache import parse_cache

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

SHOP = Schema("shop", version=1, objects=[Table("t", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))])


def cached_due(client: Client) -> int | None:
    rows = client.query(
        "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = 'schema_version'"
    ).result_rows
    return parse_cache(str(rows[0][0]))["shop"].due


def test_a_former_lock_is_taken_away_by_a_start_after_its_time(aaiclick_client: Client) -> None:
    now = int(time.time() * 1000)
    grave = Holder("dead", Owner("anne", "host-a", 1), now - 400_000, 30.0, ended=now - 240_000)
    aaiclick_client.command(f"CREATE TABLE {tombstone('dead')} (held UInt8) ENGINE = Null COMMENT '{grave.comment()}'")
    ensure_schema(aaiclick_client, SHOP)
    due = cached_due(aaiclick_client)
    assert due is not None
    assert due == (now - 240_000 + 300_000) // 1000 + 1
    assert aaiclick_client.command(f"EXISTS TABLE {tombstone('dead')}") == 1
    # Two minutes later, told by the two comments.
    grave = replace(grave, ended=now - 360_000)
    cached = str(
        aaiclick_client.command(
            "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = 'schema_version'"
        )
    )
    assert f'"due":{due}' in cached
    aaiclick_client.command(f"ALTER TABLE {tombstone('dead')} MODIFY COMMENT '{grave.comment()}'")
    later = quote_string(cached.strip().replace(f'"due":{due}', f'"due":{due - 120}'))
    aaiclick_client.command(f"ALTER TABLE schema_version MODIFY COMMENT {later}")
    ensure_schema(aaiclick_client, SHOP)
    assert aaiclick_client.command(f"EXISTS TABLE {tombstone('dead')}") == 0
    assert cached_due(aaiclick_client) is None
