"""An earlier release writes the comment of ``schema_version`` anew, without what stood there of a migration under way."""

from __future__ import annotations

import json
from contextlib import closing, suppress

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Migration, Policy, Rebuild, Schema, Table, ensure_schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.inspection.warm import warm
from aaiclick.errors import SchemaAheadError
from aaiclick.routine import Effect, run
from aaiclick.state.cache import CacheEntry, cache_comment, parse_cache
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import Driver, KilledError, ensuring


def shop(version: int) -> Schema:
    columns = [Column("id", "UInt64"), Column("price", "UInt64")]
    migrations = [Migration(5, rebuild={name: Rebuild(columns={"price": "price * 100"}) for name in "tu"})]
    tables = [Table(name, columns, engine=MergeTree(order_by="id")) for name in "tu"]
    return Schema("shop", version=version, objects=tables, migrations=migrations if version == 5 else [])


def test_what_an_earlier_release_wrote_hides_no_migration(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str
) -> None:
    client, database = aaiclick_client, aaiclick_database
    ensure_schema(client, shop(4), database=database)
    for name in "tu":
        client.command(f"INSERT INTO {database}.{name} SELECT number, 5 FROM numbers(3)")
    exchanged = False

    def kill(effect: Effect) -> None:
        nonlocal exchanged
        if exchanged:
            raise KilledError
        exchanged = "EXCHANGE TABLES" in getattr(effect, "sql", "")

    with closing(open_url(aaiclick_engine.url)) as connection:
        with suppress(KilledError):
            Driver(connection, before=kill).run(ensuring(shop(5), database, Policy.lossless()))
        # It finishes the copy that was killed, finds the tables of its own version, and notes that for its next start.
        with pytest.raises(SchemaAheadError):
            ensure_schema(client, shop(4), database=database)
        digest = run(warm(shop(4), database), connection).digest
    as_before = json.dumps(
        {
            "shop": {
                "version": 4,
                "spec": shop(4).fingerprint,
                "objects": digest,
                "oldest_code": None,
                "due": None,
            }
        }
    )
    client.command(f"ALTER TABLE {database}.schema_version MODIFY COMMENT '{as_before}'")
    with pytest.raises(SchemaAheadError, match="on its way to v5"):
        ensure_schema(client, shop(4), database=database)


def test_an_entry_of_another_schema_stays_what_it_was() -> None:
    """Who writes the comment for its own schema says nothing of the others."""
    old = parse_cache('{"a": {"version": 1, "spec": "s", "objects": "o", "oldest_code": null, "due": null}}')
    assert not old["a"].whole
    both = parse_cache(cache_comment({**old, "b": CacheEntry(1, "s", "o")}))
    assert (both["a"].whole, both["b"].whole) == (False, True)
