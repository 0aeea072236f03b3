"""Code without a version (``version=None``) changes definitions and carries out no migration: what is recorded of a
version before it stays what migrations count from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Migration, Rebuild, Schema, Table, ensure_schema, rollback_schema, validate_schema
from aaiclick.api.adopt import adopt_schema
from aaiclick.errors import SchemaAheadError, SchemaError, UnknownConversionError, UnrecognisedSchemaError
from tests.migrations.building import records, rows, schema, table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

SMALL, LARGE = table(Column("price", "UInt32")), table(Column("price", "UInt64"))
BOTH = table(Column("price", "UInt32"), Column("cents", "UInt64"))


def filled(version: int, column: str, expression: str) -> Migration:
    return Migration(version, rebuild={"t": Rebuild(columns={column: expression})})


CENTS = filled(2, "price", "price * 100")
V1, V2 = schema(1, SMALL), schema(2, LARGE, migrations=[CENTS])
V3 = schema(3, LARGE, migrations=[CENTS, filled(3, "price", "price + 1")])


def developed(*tables: Table) -> Schema:
    return Schema("s", version=None, objects=list(tables))


def made(client: Client, first: Schema) -> None:
    ensure_schema(client, first)
    client.command("INSERT INTO t (id, price) VALUES (1, 5)")


def test_a_start_without_a_version_leaves_the_recorded_one_and_its_migrations(aaiclick_client: Client) -> None:
    made(aaiclick_client, V1)
    ensure_schema(aaiclick_client, V2)
    assert ensure_schema(aaiclick_client, developed(LARGE)).from_version == 2
    status = validate_schema(aaiclick_client, V2)
    assert (status.live_version, status.in_sync, status.unfinished) == (2, True, "")
    with pytest.raises(SchemaAheadError, match="s is at v2, code expects v1"):
        ensure_schema(aaiclick_client, V1)
    with pytest.raises(SchemaError, match=r"version=None.* Start the code of v2, then roll back"):
        rollback_schema(aaiclick_client, V2, to=1)
    ensure_schema(aaiclick_client, V3)
    assert rows(aaiclick_client) == [(1, 501)]
    assert [row[:2] for row in records(aaiclick_client)] == [(1, 0), (2, 1), (None, 2), (3, 2)]


def test_what_was_done_without_a_version_is_rolled_back_with_the_next_one(aaiclick_client: Client) -> None:
    made(aaiclick_client, V1)
    sorted_by_price = table(Column("price", "UInt32"), order="price")
    ensure_schema(aaiclick_client, developed(sorted_by_price))
    ensure_schema(aaiclick_client, schema(2, sorted_by_price))
    rollback_schema(aaiclick_client, V1, to=1)
    assert validate_schema(aaiclick_client, V1).in_sync
    assert rows(aaiclick_client) == [(1, 5)]


@pytest.mark.parametrize(("answer", "price"), [(1, 500), (2, 5)])
def test_what_it_changed_of_a_table_to_convert_is_asked_about(aaiclick_client: Client, answer: int, price: int) -> None:
    made(aaiclick_client, V1)
    ensure_schema(aaiclick_client, developed(LARGE))
    asked = "s was changed by code without a version .* since v1, .*column price of t.* 1 where .* 2 where they were$"
    with pytest.raises(UnknownConversionError, match=asked):
        ensure_schema(aaiclick_client, V2)
    assert validate_schema(aaiclick_client, V2).state == "unrecognised"
    adopt_schema(aaiclick_client, V2, answer, force=True)
    ensure_schema(aaiclick_client, V2)
    assert rows(aaiclick_client) == [(1, price)]


@pytest.mark.parametrize(
    "migration",
    [filled(2, "cents", "price * 100"), Migration(2, sql=["ALTER TABLE t UPDATE cents = price * 100 WHERE 1"])],
    ids=["expression", "statement"],
)
def test_a_column_that_it_may_have_filled_is_asked_about(aaiclick_client: Client, migration: Migration) -> None:
    made(aaiclick_client, V1)
    ensure_schema(aaiclick_client, developed(BOTH))
    with pytest.raises(UnknownConversionError, match="migration 2: "):
        ensure_schema(aaiclick_client, schema(2, BOTH, migrations=[migration]))
    # A table that no migration converts may have any form.
    other = table(Column("a", "UInt8"), name="u")
    ensure_schema(aaiclick_client, developed(SMALL, other))
    aaiclick_client.command("ALTER TABLE t DROP COLUMN cents")
    if not migration.sql:
        ensure_schema(aaiclick_client, schema(2, BOTH, other, migrations=[migration]))
        assert rows(aaiclick_client) == [(1, 5, 500)]


@pytest.mark.parametrize("migration", [CENTS, Migration(2, renames={"t.price": "cents"})], ids=["values", "rename"])
def test_tables_that_no_version_has_made_are_as_unknown_as_without_a_record(
    aaiclick_client: Client, migration: Migration
) -> None:
    made(aaiclick_client, developed(SMALL))
    new = table(Column("cents", "UInt32")) if migration.renames else LARGE
    two = schema(2, new, migrations=[migration])
    with pytest.raises(UnrecognisedSchemaError, match="made by code without a version, version=None"):
        ensure_schema(aaiclick_client, two)
    adopt_schema(aaiclick_client, two, 1, force=True)
    ensure_schema(aaiclick_client, two)
    assert rows(aaiclick_client) == [(1, 5 if migration.renames else 500)]


def test_tables_that_no_version_has_made_become_those_of_one_where_no_migration_is_skipped(
    aaiclick_client: Client,
) -> None:
    made(aaiclick_client, developed(SMALL))
    aaiclick_client.command("TRUNCATE TABLE t")
    ensure_schema(aaiclick_client, V2)
    made(aaiclick_client, schema(3, BOTH, migrations=[CENTS]))
    assert rows(aaiclick_client) == [(1, 5, 0)]
