"""An operator detaches or drops the table while a copy holds it, and brings it back when the run has ended: it gets its
settings back, wherever it is called then."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, validate_schema
from aaiclick.api.prune import prune_kept
from aaiclick.clients.opening import open_url
from aaiclick.errors import ApplyError, LeaseLostError, SchemaAheadError
from aaiclick.routine import Command, Effect
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import DEAD, Driver, KilledError, ensuring

COLUMNS = [Column("id", "UInt64"), Column("v", "String")]
OLD, NEW = (
    Schema("s", version=n, objects=[Table("t", COLUMNS, engine=MergeTree(order_by=key))])
    for n, key in ((1, ["id"]), (2, ["v", "id"]))
)
AWAY = {
    "detached": (("DETACH TABLE {db}.t",), ("ATTACH TABLE {db}.t",), "t"),
    "for good": (("DETACH TABLE {db}.t PERMANENTLY",), ("ATTACH TABLE {db}.t",), "t"),
    "dropped": (("DROP TABLE {db}.t",), ("UNDROP TABLE {db}.t",), "t"),
    "under another name": (
        ("RENAME TABLE {db}.t TO {db}.moved", "DETACH TABLE {db}.moved"),
        ("ATTACH TABLE {db}.moved",),
        "moved",
    ),
    # In a database that is detached it is listed nowhere.
    "with its database": (
        ("CREATE DATABASE {db}_else", "RENAME TABLE {db}.t TO {db}_else.t", "DETACH DATABASE {db}_else"),
        ("ATTACH DATABASE {db}_else", "RENAME TABLE {db}_else.t TO {db}.back", "DROP DATABASE {db}_else"),
        "back",
    ),
}


def say(client: Client, database: str, statements: Sequence[str]) -> None:
    for sql in statements:
        client.command(sql.format(db=database))


@pytest.fixture
def copied(aaiclick_client: Client, aaiclick_database: str) -> str:
    ensure_schema(aaiclick_client, OLD, database=aaiclick_database)
    # A view that reads it: writers are kept out in the end.
    say(
        aaiclick_client,
        aaiclick_database,
        (
            "INSERT INTO {db}.t SELECT number, 'a' FROM numbers(50)",
            "CREATE TABLE {db}.seen (id UInt64) ENGINE = MergeTree ORDER BY id",
            "CREATE MATERIALIZED VIEW {db}.mv TO {db}.seen AS SELECT id FROM {db}.t",
        ),
    )
    return aaiclick_database


def held(client: Client, database: str, name: str) -> bool:
    made = str(
        client.command(f"SELECT engine_full FROM system.tables WHERE database = '{database}' AND name = '{name}'")
    )
    return "table_readonly" in made or "max_bytes_to_merge" in made


@pytest.fixture
def taken(request: pytest.FixtureRequest, aaiclick_engine: EmbeddedEngine, copied: str) -> str:
    """The run is over: the operator took the table away before its exchange."""
    client, done = aaiclick_engine.client(), False

    def operate(effect: Effect) -> None:
        nonlocal done
        if not done and isinstance(effect, Command) and "EXCHANGE TABLES" in effect.sql:
            done = True
            say(client, copied, AWAY[request.param][0])

    with closing(open_url(aaiclick_engine.url)) as connection, pytest.raises(ApplyError) as raised:
        Driver(connection, before=operate).run(ensuring(NEW, copied, Policy.lossless()))
    client.close()
    assert done
    assert "a start that finds it there gives it its settings back" in str(raised.value)
    return copied


@pytest.mark.parametrize("taken", AWAY, indirect=True)
def test_it_gets_its_settings_back_when_it_is_there_again(
    request: pytest.FixtureRequest, aaiclick_client: Client, taken: str
) -> None:
    _, back, name = AWAY[request.node.callspec.params["taken"]]
    say(aaiclick_client, taken, back)
    assert held(aaiclick_client, taken, name)
    # Code of the older version changes nothing, and lets writers in again all the same.
    with pytest.raises(SchemaAheadError):
        ensure_schema(aaiclick_client, OLD, database=taken)
    assert not held(aaiclick_client, taken, name)
    say(aaiclick_client, taken, (f"INSERT INTO {{db}}.{name} VALUES (777, 'z')",))
    assert str(aaiclick_client.command(f"SELECT count() FROM {taken}.{name}")) == "51"
    assert marks(aaiclick_client, taken) == 0


@pytest.mark.parametrize("taken", ["under another name"], indirect=True)
def test_a_start_that_finds_nothing_else_to_do_looks_for_it(aaiclick_client: Client, taken: str) -> None:
    """The new version is recorded meanwhile, with a table made anew."""
    for _ in range(2):
        ensure_schema(aaiclick_client, NEW, database=taken, policy=Policy.lossless())
    assert marks(aaiclick_client, taken) == 1
    say(aaiclick_client, taken, ("ATTACH TABLE {db}.moved",))
    ensure_schema(aaiclick_client, NEW, database=taken)
    assert not held(aaiclick_client, taken, "moved")
    assert marks(aaiclick_client, taken) == 0


@pytest.mark.parametrize("taken", ["dropped"], indirect=True)
def test_the_mark_of_one_that_is_gone_for_good_goes(aaiclick_client: Client, taken: str) -> None:
    say(aaiclick_client, taken, ("UNDROP TABLE {db}.t", "DROP TABLE {db}.t SYNC"))
    ensure_schema(aaiclick_client, NEW, database=taken, policy=Policy.lossless())
    assert marks(aaiclick_client, taken) == 0


@pytest.mark.parametrize("taken", ["with its database"], indirect=True)
def test_the_mark_goes_when_the_detached_database_is_dropped_for_good(aaiclick_client: Client, taken: str) -> None:
    ensure_schema(aaiclick_client, NEW, database=taken, policy=Policy.lossless())
    assert marks(aaiclick_client, taken) == 1
    say(aaiclick_client, taken, ("ATTACH DATABASE {db}_else", "DROP DATABASE {db}_else SYNC"))
    ensure_schema(aaiclick_client, NEW, database=taken)
    assert marks(aaiclick_client, taken) == 0


@pytest.mark.parametrize("taken", ["for good", "with its database"], indirect=True)
def test_meanwhile_it_is_said_and_stands_in_the_way_of_nothing(aaiclick_client: Client, taken: str) -> None:
    said = validate_schema(aaiclick_client, OLD, database=taken).unfinished
    assert "it is finished when that is there again, or given up when it is gone for good" in said
    assert prune_kept(aaiclick_client, taken) == ()


@pytest.mark.parametrize("taken", ["dropped"], indirect=True)
def test_a_run_that_is_killed_while_it_asks_for_the_storage(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, taken: str
) -> None:
    say(aaiclick_client, taken, ("UNDROP TABLE {db}.t", "DROP TABLE {db}.t SYNC"))

    def kill(effect: Effect) -> None:
        if isinstance(effect, Command) and "DROP TABLE" in effect.sql and "_aaiclick_probe_" in effect.sql:
            raise KilledError

    with closing(open_url(aaiclick_engine.url)) as connection, pytest.raises(KilledError):
        Driver(connection, before=kill).run(ensuring(NEW, taken, Policy.lossless(), DEAD))
    ensure_schema(aaiclick_client, NEW, database=taken, policy=Policy.lossless())
    left = f"SELECT count() FROM system.tables WHERE database = '{taken}' AND name LIKE '_aaiclick_probe%'"
    assert (str(aaiclick_client.command(left)), marks(aaiclick_client, taken)) == ("0", 0)


def marks(client: Client, database: str) -> int:
    listed = f"SELECT count() FROM system.tables WHERE database = '{database}' AND name LIKE '_aaiclick_mark%'"
    return int(str(client.command(listed)))


def test_a_database_that_is_renamed_is_no_successor(aaiclick_engine: EmbeddedEngine, copied: str) -> None:
    client, done = aaiclick_engine.client(), False

    def operate(effect: Effect) -> None:
        nonlocal done
        if not done and isinstance(effect, Command) and "EXCHANGE TABLES" in effect.sql:
            done = True
            client.command(f"RENAME DATABASE {copied} TO {copied}_moved")

    with (
        closing(open_url(aaiclick_engine.url)) as connection,
        pytest.raises(LeaseLostError, match="was renamed, detached or dropped by somebody else during this run"),
    ):
        Driver(connection, before=operate).run(ensuring(NEW, copied, Policy.lossless()))
    client.command(f"RENAME DATABASE {copied}_moved TO {copied}")
    ensure_schema(client, NEW, database=copied, policy=Policy.lossless())
    assert not held(client, copied, "t")
    client.close()
