"""Tables of somebody else that are called like ours: only what says that it is ours is dropped."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MaterializedView, MergeTree, Schema, Table, ensure_schema
from aaiclick.clickhouse.names import kept_table, shadow_table, staging_table, taken_table
from aaiclick.lease.names import tombstone
from aaiclick.state.backfill_mark import stage_name

NONCE = "0123456789ab"
FULL = [
    *(make(NONCE, "t") for make in (shadow_table, taken_table, kept_table)),
    *(staging_table(NONCE, 0, name) for name in ("t", "u")),
    *(stage_name(NONCE, 0, name) for name in ("m", "t")),
    tombstone(NONCE),
]
WITHOUT_A_COUNT = staging_table(NONCE, 1, "t")


def version(key: str) -> Schema:
    columns = [Column("k", "UInt32"), Column("v", "String")]
    listed = [Table(name, columns, engine=MergeTree(order_by=[key])) for name in ("t", "u")]
    view = MaterializedView("m", to="u", query="SELECT k, v FROM t", backfill=True)
    return Schema("strangers", objects=[*listed, *([view] if key == "k" else [])])


@pytest.mark.filterwarnings("ignore")
def test_what_is_only_called_like_ours_is_left_alone(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, version("v"))
    aaiclick_client.command("INSERT INTO t SELECT number, toString(number) FROM numbers(10)")
    for name in FULL:
        aaiclick_client.command(f"CREATE TABLE {name} (theirs String) ENGINE = MergeTree ORDER BY theirs")
        aaiclick_client.command(f"INSERT INTO {name} VALUES ('one')")
    aaiclick_client.command(f"CREATE TABLE {WITHOUT_A_COUNT} (theirs String) ENGINE = File(TSV)")
    aaiclick_client.command(f"INSERT INTO {WITHOUT_A_COUNT} VALUES ('one')")
    report = ensure_schema(aaiclick_client, version("k"))
    assert {step.strategy for step in report.steps} == {"rebuild", "backfill"}
    for name in [*FULL, WITHOUT_A_COUNT]:
        assert aaiclick_client.query(f"SELECT theirs FROM {name}").result_rows == [("one",)], name
