"""An operator makes a materialized view into the target of a declared one before that is created: each row would come
twice, and the report says so."""

from __future__ import annotations

from contextlib import closing

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MaterializedView, MergeTree, Policy, Schema, Table, ensure_schema
from aaiclick.clients.opening import open_url
from aaiclick.routine import Command, Effect, Query
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import Driver, ensuring

COLUMNS = [Column("id", "UInt64"), Column("s", "String")]


def schema(version: int, filled: bool) -> Schema:
    tables = [Table(name, COLUMNS, engine=MergeTree(order_by="id")) for name in ("t", "seen")]
    view = MaterializedView("mv", to="seen", query="SELECT id, s FROM t", backfill=filled)
    return Schema("s", version=version, objects=[*tables, *([view] if version == 2 else [])])


@pytest.mark.parametrize("filled", [True, False])
@pytest.mark.parametrize("other", ["SELECT id, s FROM {db}.t", "SELECT id, 'x' AS s FROM {db}.t"])
def test_a_view_that_writes_the_same_rows_is_named(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str, filled: bool, other: str
) -> None:
    ensure_schema(aaiclick_client, schema(1, filled))
    done = False

    def operate(effect: Effect) -> None:
        nonlocal done
        sql = effect.sql if isinstance(effect, Command) else ""
        if not done and f"CREATE MATERIALIZED VIEW `{aaiclick_database}`.`mv`" in sql:
            done = True
            query = other.replace("{db}", aaiclick_database)
            aaiclick_client.command(f"CREATE MATERIALIZED VIEW made TO {aaiclick_database}.seen AS {query}")

    with closing(open_url(aaiclick_engine.url)) as connection:
        driver = Driver(connection, before=operate)
        report = driver.run(ensuring(schema(2, filled), aaiclick_database, Policy.lossless()))
    assert done
    told = [note for note in report.notes if note.startswith("the materialized view made writes the same rows")]
    assert len(told) == ("'x'" not in other)
    if told:
        aaiclick_client.command(told[0].partition("Drop it: ")[2])
        aaiclick_client.command("INSERT INTO t VALUES (1, 'a')")
        assert str(aaiclick_client.command("SELECT count() FROM seen")) == "1"
    asked = [
        each.sql
        for each in driver.seen
        if isinstance(each, Query) and "engine = 'MaterializedView' ORDER BY name" in each.sql
    ]
    assert len(asked) == 1
