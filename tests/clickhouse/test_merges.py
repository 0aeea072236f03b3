"""A table that somebody made ``AS`` one whose merges are stopped, at each moment at which putting it right may end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from aaiclick.clickhouse.merges import MERGES_STOPPED, release_copies
from aaiclick.clients.opening import Opened, open_url
from aaiclick.routine import Command, Query
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import Driver, KilledError

UNSET = tuple((name, "") for name, _ in MERGES_STOPPED)


@pytest.fixture
def connection(aaiclick_engine: EmbeddedEngine) -> Iterator[Opened]:
    opened = open_url(aaiclick_engine.url)
    yield opened
    opened.close()


def parts(connection: Opened, database: str) -> str:
    sql = "SELECT toString(count()) FROM system.parts WHERE active AND database = {d:String} AND table = 'copy'"
    return str(connection.query(Query(sql, {"d": database}))[0][0])


def test_a_copy_of_a_stopped_table_merges_again_wherever_the_first_run_is_killed(
    connection: Opened, aaiclick_database: str
) -> None:
    settings = ", ".join(f"{name} = {value}" for name, value in MERGES_STOPPED)
    for stop in range(12):
        connection.command(Command(f"DROP TABLE IF EXISTS {aaiclick_database}.copy SYNC"))
        sql = f"CREATE TABLE {aaiclick_database}.copy (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS {settings}"
        connection.command(Command(sql))
        connection.command(Command(f"SYSTEM STOP MERGES {aaiclick_database}.copy"))
        for _ in range(2):
            connection.command(Command(f"INSERT INTO {aaiclick_database}.copy VALUES (1)"))
        first, second = Driver(connection), Driver(connection)
        with suppress(KilledError):
            first.run(release_copies(aaiclick_database, 0, UNSET), stop)
        second.run(release_copies(aaiclick_database, 0, UNSET))
        connection.command(Command(f"OPTIMIZE TABLE {aaiclick_database}.copy FINAL"))
        assert parts(connection, aaiclick_database) == "1", stop
        if first.commands < stop:
            return
    raise AssertionError("more statements than are swept")
