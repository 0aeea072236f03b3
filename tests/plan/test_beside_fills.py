"""A migration that fills one column hides nothing that its version changes beside it."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Migration, Policy, Rebuild, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError, SchemaVersionError

TTL = "ENGINE = MergeTree ORDER BY k TTL d + toIntervalYear(if(toTypeName(d) = 'Date', 0, 20))"
PLAIN = "ENGINE = MergeTree ORDER BY k"
# The table before and after, its rows, and what is asked for.
CHANGES = {
    "rows of one key": (
        "(k UInt8, d DateTime('UTC')) ENGINE = ReplacingMergeTree ORDER BY toDate(d)",
        "(k UInt8, d DateTime('Asia/Tokyo'), n UInt8) ENGINE = ReplacingMergeTree ORDER BY toDate(d)",
        "(1, '2024-01-01 14:00:00'), (2, '2024-01-02 16:00:00'), (3, '2024-01-02 10:00:00')",
        "change-sort-key t",
    ),
    "a TTL": (
        f"(k UInt8, d DateTime('UTC')) {TTL}",
        f"(k UInt8, d Date, n UInt8) {TTL}",
        "(1, '2024-01-01 00:00:00')",
        "change-ttl t",
    ),
    "an ALIAS that is stored": (
        f"(k UInt8, d DateTime('UTC'), l String ALIAS toString(d)) {PLAIN}",
        f"(k UInt8, d Date, l String MATERIALIZED toString(d), n UInt8) {PLAIN}",
        "(1, '2024-01-01 00:00:00')",
        "change-default t.l",
    ),
}
FILL = Rebuild(columns={"n": "k + 1"})


def declared(text: str, *migrations: Migration) -> Schema:
    table = Table.from_sql(f"CREATE TABLE t {text}")
    return Schema("beside", version=1 + len(migrations), objects=[table], migrations=list(migrations))


@pytest.mark.parametrize("kind", CHANGES)
def test_it_is_asked_for_by_name_as_without_the_migration(aaiclick_client: Client, kind: str) -> None:
    before, after, rows, key = CHANGES[kind]
    ensure_schema(aaiclick_client, declared(before))
    aaiclick_client.command(f"INSERT INTO t SETTINGS optimize_on_insert = 0 VALUES {rows}")
    wanted = declared(after, Migration(version=2, rebuild={"t": FILL}))
    asked = [hazard.allow for hazard in plan_schema(aaiclick_client, wanted).hazards if hazard.allow]
    assert asked == [key]
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow(key))
    assert plan_schema(aaiclick_client, wanted).in_sync


def test_what_is_computed_from_a_filled_column_is_as_the_migration_says(aaiclick_client: Client) -> None:
    """The ALIAS that is stored reads what the migration gives, and nothing else has to be said of it."""
    ensure_schema(aaiclick_client, declared(f"(k UInt8, n UInt8, l UInt8 ALIAS n * 2) {PLAIN}"))
    aaiclick_client.command("INSERT INTO t VALUES (1, 9)")
    after = f"(k UInt8, n UInt8, l UInt8 MATERIALIZED n * 2) {PLAIN}"
    wanted = declared(after, Migration(version=2, rebuild={"t": FILL}))
    assert not [hazard.allow for hazard in plan_schema(aaiclick_client, wanted).hazards if hazard.allow]
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert aaiclick_client.query("SELECT n, l FROM t").result_rows == [(2, 4)]


def test_a_row_that_a_constraint_refuses_then_blocks(aaiclick_client: Client) -> None:
    text = f"(k UInt8, d DateTime('{{}}'){{}} CONSTRAINT c CHECK toHour(d) < 22) {PLAIN}"
    ensure_schema(aaiclick_client, declared(text.format("UTC", ",")))
    aaiclick_client.command("INSERT INTO t VALUES (1, '2024-01-01 13:00:00')")
    wanted = declared(text.format("Asia/Tokyo", ", n UInt8,"), Migration(version=2, rebuild={"t": FILL}))
    with pytest.raises(BlockedError, match="1 row violates the constraint c"):
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
