"""A backup that was made while a table was rebuilt, and restored beside the database that it is of: its marks name
storages of that one, where a run may still be at work."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MaterializedView, MergeTree, Policy, Schema, Table, ensure_schema
from aaiclick.apply.recovery import Recovered, recover_killed_runs
from aaiclick.clients.opening import Opened, open_url
from aaiclick.events import Event, Note
from aaiclick.routine import Command, Effect, Routine
from aaiclick.state.owned import read_owned
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.reliability.driving import DEAD, Driver, KilledError, ensuring

OLD, NEW = ("id",), ("v", "id")


def schema(version: int) -> Schema:
    columns = [Column("id", "UInt64"), Column("v", "UInt64")]
    return Schema(
        "backed", version=version, objects=[Table("t", columns, engine=MergeTree(order_by=(OLD, NEW)[version - 1]))]
    )


@pytest.fixture
def restored(aaiclick_client: Client) -> Iterator[str]:
    name = fresh_name("restored")
    yield name
    aaiclick_client.command(f"DROP DATABASE IF EXISTS {name}")


def backed_up(connection: Opened, client: Client, database: str, killed_before: str) -> str:
    """A backup of a table whose rebuild was killed there: its name."""
    ensure_schema(client, schema(1))
    client.command("INSERT INTO t SELECT number, number % 7 FROM numbers(100)")
    client.command("CREATE TABLE copied (id UInt64) ENGINE = MergeTree ORDER BY id")
    # Behind a fence, because a materialized view reads the table.
    client.command("CREATE MATERIALIZED VIEW feed TO copied AS SELECT id FROM t")

    def kill(effect: Effect) -> None:
        if isinstance(effect, Command) and re.search(killed_before, effect.sql):
            raise KilledError

    with pytest.raises(KilledError):
        Driver(connection, before=kill).run(ensuring(schema(2), database, Policy.lossless(), DEAD))
    where = fresh_name("backup")
    client.command(f"BACKUP DATABASE {database} TO Memory('{where}')")
    return where


@pytest.mark.parametrize(
    "killed_before",
    [
        "CREATE TABLE .*_aaiclick_new_",
        "INSERT INTO .*_aaiclick_stage_",
        "EXCHANGE TABLES",
        "RENAME TABLE .*_aaiclick_new_.* TO .*_old_",
    ],
)
def test_a_backup_of_a_rebuild(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str, restored: str, killed_before: str
) -> None:
    with closing(open_url(aaiclick_engine.url)) as connection:
        where = backed_up(connection, aaiclick_client, aaiclick_database, killed_before)
        aaiclick_client.command(f"RESTORE DATABASE {aaiclick_database} AS {restored} FROM Memory('{where}')")
        shown = "SELECT name, engine_full FROM system.tables WHERE database = '{}' ORDER BY name"
        before = aaiclick_client.query(shown.format(aaiclick_database)).result_rows
        assert ensure_schema(aaiclick_engine.url, schema(2), database=restored).in_sync
        # The run of the other database may be at work: nothing of it was touched.
        assert aaiclick_client.query(shown.format(aaiclick_database)).result_rows == before
        for database in (restored, aaiclick_database):
            assert ensure_schema(aaiclick_engine.url, schema(2), database=database).in_sync
            aaiclick_client.command(f"INSERT INTO {database}.t VALUES (1000, 1)")
            for table, rows in (("t", 101), ("copied", 1)):
                assert aaiclick_client.query(f"SELECT count() FROM {database}.{table}").result_rows == [(rows,)]
            left = {str(row[0]): str(row[1]) for row in aaiclick_client.query(shown.format(database)).result_rows}
            assert not [name for name in left if re.match("_aaiclick_(mark|new|stage|taken)_", name)]
            assert "max_bytes_to_merge_at" not in left["t"]


def settling(database: str) -> Routine[tuple[Recovered, ...]]:
    return (yield from recover_killed_runs((yield from read_owned(database))))


BEFORE, AFTER = "t came with a backup .*: it is as it was before the copy$", "t came with .*: it is the new one"


@pytest.mark.parametrize(
    ("killed_before", "said"),
    [
        ("EXCHANGE TABLES", BEFORE),
        ("INSERT INTO .*_aaiclick_stage_", BEFORE),
        ("RENAME TABLE .*_aaiclick_new_.* TO .*_old_", f"{AFTER}. The old one is kept as _aaiclick_old_"),
    ],
)
def test_settling_a_backup_is_killed_behind_each_effect(
    aaiclick_engine: EmbeddedEngine,
    aaiclick_client: Client,
    aaiclick_database: str,
    restored: str,
    killed_before: str,
    said: str,
) -> None:
    with closing(open_url(aaiclick_engine.url)) as connection:
        where = backed_up(connection, aaiclick_client, aaiclick_database, killed_before)
        for stop in itertools.count():
            aaiclick_client.command(f"DROP DATABASE IF EXISTS {restored} SYNC")
            aaiclick_client.command(f"RESTORE DATABASE {aaiclick_database} AS {restored} FROM Memory('{where}')")
            first = Driver(connection)
            try:
                first.run(settling(restored), stop=stop)
                done = True
            except KilledError:
                done = False
            second = Driver(connection)
            second.run(settling(restored))
            told = [event.text for event in (*first.events, *second.events) if isinstance(event, Note)]
            # Said by whoever ends it, and by nobody otherwise.
            assert told
            assert all(re.match(said, text) for text in told), (stop, told)
            _is_settled(aaiclick_client, restored, kept=said != BEFORE)
            if done:
                break
    assert stop > 4


def _is_settled(client: Client, database: str, *, kept: bool) -> None:
    client.command(f"INSERT INTO {database}.t VALUES (1000, 1)")
    assert client.query(f"SELECT count() FROM {database}.t").result_rows == [(101,)]
    listed = client.query(f"SELECT name, engine_full FROM system.tables WHERE database = '{database}'").result_rows
    left = {str(name): str(engine) for name, engine in listed}
    ours = sorted(name for name in left if name.startswith("_aaiclick_") and name != "_aaiclick_journal")
    assert [name.startswith("_aaiclick_old_") for name in ours if "lease" not in name and "lock" not in name] == [
        True
    ] * kept
    assert "max_bytes_to_merge_at" not in left["t"]
    assert all("table_readonly" in left[name] for name in ours if name.startswith("_aaiclick_old_"))


@pytest.mark.parametrize("killed_before", ["CREATE MATERIALIZED VIEW", "INSERT INTO .*_aaiclick_fed_"])
def test_a_backup_of_a_fill(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str, restored: str, killed_before: str
) -> None:
    wide = Table("wide", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))
    view = MaterializedView("feed", to="wide", query="SELECT id FROM t", backfill=True)
    filled = Schema("backed", version=2, objects=[*schema(1).objects, wide, view])
    ensure_schema(aaiclick_client, schema(1))
    aaiclick_client.command("INSERT INTO t SELECT number, number % 7 FROM numbers(100)")

    def kill(effect: Effect) -> None:
        if isinstance(effect, Command) and re.search(killed_before, effect.sql) and "_scratch_" not in effect.sql:
            raise KilledError

    connection = open_url(aaiclick_engine.url)
    try:
        with pytest.raises(KilledError):
            Driver(connection, before=kill).run(ensuring(filled, aaiclick_database, Policy.lossless(), DEAD))
        where = fresh_name("backup")
        aaiclick_client.command(f"BACKUP DATABASE {aaiclick_database} TO Memory('{where}')")
        aaiclick_client.command(f"RESTORE DATABASE {aaiclick_database} AS {restored} FROM Memory('{where}')")
        definitions = (
            f"SELECT name, create_table_query FROM system.tables WHERE database = '{aaiclick_database}' ORDER BY 1"
        )
        before = aaiclick_client.query(definitions).result_rows
        events: list[Event] = []
        assert ensure_schema(aaiclick_engine.url, filled, database=restored, on_event=events.append).in_sync
        assert aaiclick_client.query(definitions).result_rows == before
        begun = "INSERT" in killed_before
        said = [event.text for event in events if isinstance(event, Note) and "came with a backup" in event.text]
        assert len(said) == begun
        assert ensure_schema(aaiclick_engine.url, filled, database=aaiclick_database).in_sync
        for database, rows in ((restored, 1 if begun else 101), (aaiclick_database, 101)):
            aaiclick_client.command(f"INSERT INTO {database}.t VALUES (1000, 1)")
            assert aaiclick_client.query(f"SELECT count() FROM {database}.wide").result_rows == [(rows,)]
    finally:
        connection.close()
