"""A first start that is killed before and after each command: the next one makes the rest, records it once, and leaves
nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table, View
from aaiclick.clients.opening import Opened, open_url
from aaiclick.routine import Command, Query, scalar_rows
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring
from tests.reliability.scene import BOOKKEEPING


def declared(name: str) -> Schema:
    tables = [
        Table(f"{name}_{number}", [Column("id", "UInt64"), Column("word", "String")], engine=MergeTree(order_by=["id"]))
        for number in range(2)
    ]
    return Schema(name, version=1, objects=[*tables, View(f"{name}_view", query=f"SELECT id FROM {name}_0")])


FIRST, SECOND = declared("first"), declared("second")


@pytest.fixture
def connection(aaiclick_engine: EmbeddedEngine) -> Iterator[Opened]:
    opened = open_url(aaiclick_engine.url)
    yield opened
    opened.close()


def names(connection: Opened, database: str) -> set[str]:
    return {
        str(row[0]) for row in connection.query(Query(f"SELECT name FROM system.tables WHERE database = '{database}'"))
    }


def start(connection: Opened, database: str, schema: Schema, stop: int | None = None) -> Driver:
    driver = Driver(connection, later=0.0 if stop is not None else LATER)
    assert driver.run(ensuring(schema, database, Policy.lossless(), DEAD if stop is not None else None), stop).in_sync
    return driver


@pytest.mark.parametrize("beside", [False, True], ids=["an empty database", "beside another schema"])
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.proof)], ids=["here and there", "everywhere"])
def test_killed_at_a_first_start(connection: Opened, aaiclick_database: str, beside: bool, step: int) -> None:
    killed = 0
    for stop in range(beside, 40, step):
        connection.command(Command(f"DROP DATABASE {aaiclick_database} SYNC"))
        connection.command(Command(f"CREATE DATABASE {aaiclick_database}"))
        if beside:
            start(connection, aaiclick_database, SECOND)
        try:
            start(connection, aaiclick_database, FIRST, stop)
        except KilledError:
            killed += 1
        else:
            break
        start(connection, aaiclick_database, FIRST)
        found = names(connection, aaiclick_database)
        wanted = {item.name for schema in ((FIRST, SECOND) if beside else (FIRST,)) for item in schema.objects}
        assert wanted <= found, stop
        assert {name for name in found - wanted - {"schema_version"} if not BOOKKEEPING.match(name)} <= {
            "_aaiclick_lock"
        }, stop
        rows = scalar_rows(
            connection.query(
                Query(
                    f"SELECT schema, version, count() FROM {aaiclick_database}.schema_version GROUP BY ALL ORDER BY "
                    "schema"
                )
            )
        )
        assert rows == ((("first", 1, 1), ("second", 1, 1)) if beside else (("first", 1, 1),)), stop
        # Nothing is left to do: the next start asks one question.
        assert (
            len(
                [
                    effect
                    for effect in start(connection, aaiclick_database, FIRST).seen
                    if isinstance(effect, Query | Command)
                ]
            )
            == 1
        ), stop
    assert killed >= 10 // step


def test_a_first_start_asks_little(connection: Opened, aaiclick_database: str) -> None:
    """Beside the statements that create: what the lease, the look under it, the check of the declaration and the record
    take, whatever the number of tables."""
    effects = [
        effect for effect in start(connection, aaiclick_database, FIRST).seen if isinstance(effect, Query | Command)
    ]
    assert len(effects) - len(FIRST.objects) <= 23
    beside = [
        effect for effect in start(connection, aaiclick_database, SECOND).seen if isinstance(effect, Query | Command)
    ]
    assert (
        len(beside) - len(SECOND.objects) <= 30
    )  # whose tables they are and what the view yields is asked, too, and whether a scratch database was left


def test_what_somebody_made_under_a_former_name_is_not_passed_over(connection: Opened, aaiclick_database: str) -> None:
    connection.command(
        Command(f"CREATE TABLE {aaiclick_database}.old (id UInt64, word String) ENGINE = MergeTree ORDER BY id")
    )
    connection.command(Command(f"INSERT INTO {aaiclick_database}.old VALUES (1, 'a')"))
    table = Table(
        "new", [Column("id", "UInt64"), Column("word", "String")], engine=MergeTree(order_by=["id"]), renamed_from="old"
    )
    start(connection, aaiclick_database, Schema("first", version=None, objects=[table]))
    assert scalar_rows(connection.query(Query(f"SELECT id, word FROM {aaiclick_database}.new"))) == ((1, "a"),)


def test_a_start_that_finds_another_one_done_does_nothing(connection: Opened, aaiclick_database: str) -> None:
    """The other one came between the first look and the lease."""
    driver = Driver(connection)
    raced: list[str] = []

    def race(effect: object) -> None:
        if isinstance(effect, Query) and "system.databases" in effect.sql and not raced:
            raced.append(effect.sql)
            start(connection, aaiclick_database, FIRST)

    driver.before = race
    assert driver.run(ensuring(FIRST, aaiclick_database, Policy.lossless())).steps == ()
    assert raced
    assert scalar_rows(connection.query(Query(f"SELECT count() FROM {aaiclick_database}.schema_version"))) == ((1,),)
