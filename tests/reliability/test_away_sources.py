"""An operator takes the source of a view away while it is put in place or filled, or the new table of a copy right
behind its exchange, and brings it back when the run has ended: nothing of ours stays on it, and no row is missing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MaterializedView, MergeTree, Policy, Schema, Table, ensure_schema
from aaiclick.clients.opening import open_url
from aaiclick.errors import AaiclickError
from aaiclick.routine import Command, Effect
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import Driver, ensuring

COLUMNS = [Column("id", "UInt64"), Column("v", "String")]
SOURCE = Table("t", COLUMNS, engine=MergeTree(order_by=["id"]))
TARGET = Table("seen", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))
VIEW = MaterializedView("feed", to="seen", query="SELECT id FROM t", backfill=True)
BEFORE = Schema("s", version=1, objects=[SOURCE, TARGET])
FED = Schema("s", version=2, objects=[SOURCE, TARGET, VIEW])
ORDERED = Schema("s", version=2, objects=[Table("t", COLUMNS, engine=MergeTree(order_by=["v", "id"])), TARGET])
AWAY = {
    "detached": (("DETACH TABLE {db}.t",), ("ATTACH TABLE {db}.t",)),
    "for good": (("DETACH TABLE {db}.t PERMANENTLY",), ("ATTACH TABLE {db}.t",)),
    "dropped": (("DROP TABLE {db}.t",), ("UNDROP TABLE {db}.t",)),
    "with its database": (
        ("CREATE DATABASE {db}_else", "RENAME TABLE {db}.t TO {db}_else.t", "DETACH DATABASE {db}_else"),
        ("ATTACH DATABASE {db}_else", "RENAME TABLE {db}_else.t TO {db}.t", "DROP DATABASE {db}_else"),
    ),
}


MOVED = {"moved": (("CREATE DATABASE {db}_else", "RENAME TABLE {db}.t TO {db}_else.log"), ())}
"""It is there, and nothing of it is looked for under its name."""


def say(client: Client, database: str, statements: Sequence[str]) -> None:
    for sql in statements:
        client.command(sql.format(db=database))


def one(client: Client, database: str, sql: str) -> str:
    return str(client.command(sql.format(db=database)))


def left(client: Client, database: str) -> str:
    """What is ours, and what of ours is in a definition."""
    held = "position(engine_full, 'table_readonly') > 0 OR position(engine_full, 'max_bytes_to_merge') > 0"
    return one(
        client,
        database,
        "SELECT arrayStringConcat(groupArray(name), ' ') FROM system.tables WHERE startsWith(database, '{db}') AND "
        f"(match(name, '^_aaiclick_(mark|feed|fed|new|stage|taken|probe)_') OR ({held}) AND name NOT LIKE '%old_%')",
    )


def prepared(client: Client, database: str) -> None:
    ensure_schema(client, BEFORE, database=database)
    say(client, database, [f"INSERT INTO {{db}}.t SELECT number + {n}, 'a' FROM numbers(10)" for n in (0, 10, 20)])


def taken(
    engine: EmbeddedEngine, database: str, schema: Schema, way: str, moment: str, *, behind: bool = False
) -> bool:
    """A run during which the operator takes the table away, before (``behind``: after) the first statement that holds
    ``moment``; whether there was one."""
    client, due, done = engine.client(), False, False

    def operate(effect: Effect) -> None:
        nonlocal due, done
        if isinstance(effect, Command) and not done and (due or (moment in effect.sql and not behind)):
            done = True
            say(client, database, (AWAY | MOVED)[way][0])
        due = due or (isinstance(effect, Command) and moment in effect.sql)

    with closing(open_url(engine.url)) as connection, suppress(AaiclickError):
        Driver(connection, before=operate).run(ensuring(schema, database, Policy.lossless()))
    client.close()
    return done


MOMENTS = ("STOP MERGES", "table_readonly", "opening", "RESET SETTING", "_aaiclick_fed_", "MOVE PARTITION", "filled")


def brought_back(client: Client, database: str, way: str, wanted: Schema, counted: str) -> None:
    """The table is there again: the next start puts all of it right, each row is in ``counted`` once, and writers are
    let in."""
    say(client, database, AWAY[way][1])
    ensure_schema(client, wanted, database=database, policy=Policy.lossless())
    assert left(client, database) == ""
    say(client, database, ["INSERT INTO {db}.t VALUES (777, 'z')"])
    assert one(client, database, f"SELECT (count(), uniqExact(id)) FROM {{db}}.{counted}") == "(31,31)"


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("way", AWAY)
def test_the_source_of_a_view(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str, way: str, moment: str
) -> None:
    prepared(aaiclick_client, aaiclick_database)
    assert taken(aaiclick_engine, aaiclick_database, FED, way, moment)
    # While it is away starts are held up by nothing but that table.
    with suppress(AaiclickError):
        ensure_schema(aaiclick_client, BEFORE, database=aaiclick_database)
    assert "_aaiclick_feed_" in left(aaiclick_client, aaiclick_database)
    brought_back(aaiclick_client, aaiclick_database, way, FED, "seen")


def test_a_source_that_is_moved_is_told_with_its_place(
    aaiclick_engine: EmbeddedEngine,
    aaiclick_client: Client,
    aaiclick_database: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    prepared(aaiclick_client, aaiclick_database)
    assert taken(aaiclick_engine, aaiclick_database, FED, "moved", "_aaiclick_fed_")
    with suppress(AaiclickError):
        ensure_schema(aaiclick_client, FED, database=aaiclick_database)
    told = f"t was moved, and is {aaiclick_database}_else.log now, while seen was filled from it"
    assert [record for record in caplog.records if told in record.getMessage()]
    # Its merges and writers go on where it is.
    assert left(aaiclick_client, aaiclick_database) == ""
    say(aaiclick_client, aaiclick_database, ["DROP DATABASE {db}_else SYNC"])


@pytest.mark.parametrize("way", AWAY)
def test_the_new_table_right_behind_its_exchange(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str, way: str
) -> None:
    prepared(aaiclick_client, aaiclick_database)
    # A view that reads it: both tables refuse writers across the exchange.
    say(aaiclick_client, aaiclick_database, ["CREATE MATERIALIZED VIEW {db}.mv TO {db}.seen AS SELECT id FROM {db}.t"])
    assert taken(aaiclick_engine, aaiclick_database, ORDERED, way, "EXCHANGE TABLES", behind=True)
    for _ in range(2):
        with suppress(AaiclickError):
            ensure_schema(aaiclick_client, BEFORE, database=aaiclick_database)
    brought_back(aaiclick_client, aaiclick_database, way, ORDERED, "t")
